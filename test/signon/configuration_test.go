package signon_test

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/airflow-oam/airflow-oam/hack/airflow/server"
	"github.com/airflow-oam/airflow-oam/test/controlplane"
	"github.com/airflow-oam/airflow-oam/test/signon/provider"
)

// TestConfiguration wants the class to accept nothing under a configuration that is not
// complete or whose keys cannot be read. It runs the class in the real environment,
// without a server: each configuration would need one of its own.
func TestConfiguration(t *testing.T) {
	p, err := provider.Start(t.TempDir(), audience)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	away := httptest.NewTLSServer(http.NotFoundHandler())
	away.Close()
	page := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }))
	defer page.Close()
	elsewhere := httptest.NewTLSServer(http.RedirectHandler(p.Issuer+"/keys", http.StatusFound))
	defer elsewhere.Close()
	trusted := trust(t, p.CAFile, page)

	const unusable, unreadable = "[airflow_oam] cannot be used; the log of the API server says why", "The issuer's keys cannot be read"
	type result struct {
		Status   int    `json:"status"`
		Detail   string `json:"detail"`
		Username string `json:"username"`
		Counted  int    `json:"counted"`
	}
	type setting struct {
		Settings map[string]string `json:"settings"`
		Token    string            `json:"token"`
	}
	var cases []setting
	var names []string
	var wants []result
	add := func(name string, changes map[string]string, want result) {
		settings := map[string]string{
			"username": account, "issuer": p.Issuer, "audience": audience, "subject": p.MachineID,
			"jwks_uri": p.Issuer + "/keys", "ca_file": trusted,
		}
		maps.Copy(settings, changes)
		maps.DeleteFunc(settings, func(_, value string) bool { return value == "-" })
		token, err := p.Sign(p.Claims())
		if err != nil {
			t.Fatal(err)
		}
		cases, names, wants = append(cases, setting{settings, token}), append(names, name), append(wants, want)
	}
	add("complete", nil, result{Username: account, Counted: 1})
	for _, name := range []string{"username", "issuer", "audience", "subject", "jwks_uri"} {
		add("without "+name, map[string]string{name: "-"}, result{Status: 503, Detail: unusable})
		add("with an empty "+name, map[string]string{name: " "}, result{Status: 503, Detail: unusable})
	}
	add("keys over http", map[string]string{"jwks_uri": "http" + strings.TrimPrefix(p.Issuer, "https") + "/keys"}, result{Status: 503, Detail: unusable})
	add("keys in a file", map[string]string{"jwks_uri": "file://" + trusted}, result{Status: 503, Detail: unusable})
	add("no such CA file", map[string]string{"ca_file": "/nowhere"}, result{Status: 503, Detail: unusable})
	add("no such token file", map[string]string{"token_file": "/nowhere"}, result{Status: 503, Detail: unusable})
	add("an issuer that is not trusted", map[string]string{"ca_file": "-"}, result{Status: 503, Detail: unreadable})
	add("keys that nobody serves", map[string]string{"jwks_uri": away.URL}, result{Status: 503, Detail: unreadable})
	add("a page where the keys should be", map[string]string{"jwks_uri": page.URL}, result{Status: 503, Detail: unreadable})
	add("keys elsewhere", map[string]string{"jwks_uri": elsewhere.URL}, result{Status: 503, Detail: unreadable})
	add("no such account", map[string]string{"username": "nobody"}, result{Status: 401, Detail: "The operator's account is missing or not active"})
	add("an account that is not active", map[string]string{"username": "left"}, result{Status: 401, Detail: "The operator's account is missing or not active"})

	input, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	var got []result
	for _, line := range runClass(t, input) {
		var r result
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		got = append(got, r)
	}
	if len(got) != len(wants) {
		t.Fatalf("%d answers to %d configurations", len(got), len(wants))
	}
	for i, name := range names {
		if got[i] != wants[i] {
			t.Errorf("%s: got %+v, want %+v", name, got[i], wants[i])
		}
	}
}

// trust writes a file with the certificates of the provider and of a server.
func trust(t *testing.T, providers string, s *httptest.Server) string {
	t.Helper()
	content, err := os.ReadFile(providers)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, slices.Concat(content, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// runClass runs configurations.py in the environment of the real Airflow, and returns its answers.
func runClass(t *testing.T, input []byte) []string {
	t.Helper()
	installation, err := server.Install(t.Context(), "3.3.2", os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	root, err := controlplane.Root()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), installation.Program("python"), filepath.Join(root, "test", "signon", "python", "configurations.py"))
	cmd.Env = []string{"AIRFLOW_HOME=" + t.TempDir(), "PYTHONPATH=" + filepath.Join(root, "contrib", "airflow-auth"), "PYTHONDONTWRITEBYTECODE=1", "PATH=" + os.Getenv("PATH")}
	cmd.Stdin = bytes.NewReader(input)
	var log bytes.Buffer
	cmd.Stderr = &log
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s%s", err, output, log.String())
	}
	var answers []string
	for line := range strings.Lines(string(output)) {
		if found, ok := strings.CutPrefix(line, "answer:"); ok {
			answers = append(answers, found)
		}
	}
	return answers
}
