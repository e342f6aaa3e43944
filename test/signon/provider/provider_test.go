package provider_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/airflow-oam/airflow-oam/test/signon/provider"
)

func TestAnIDTokenForTheClusterSaysWhoSignedInAndTheGroups(t *testing.T) {
	p, err := provider.Start(t.TempDir(), "airflow", provider.User{
		Subject: "7d6c", Username: "kim", Nickname: "Kim", Email: "kim@example.com", Groups: []string{"oncall"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	token, err := p.IDToken(t.Context(), "7d6c")
	if err != nil {
		t.Fatal(err)
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	t.Log(claims)
	groups, _ := claims["groups"].([]any)
	if claims["iss"] != p.Issuer || claims["email"] != "kim@example.com" || len(groups) != 1 || groups[0] != "oncall" {
		t.Errorf("claims: %v", claims)
	}
}
