package rule_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/rule"
)

func email(expression string) *v1alpha1.Identity    { return &v1alpha1.Identity{Email: expression} }
func username(expression string) *v1alpha1.Identity { return &v1alpha1.Identity{Username: expression} }

// What no user can be is nobody.
func TestNamesThatAreNoUser(t *testing.T) {
	for name, test := range map[string]struct {
		identity  *v1alpha1.Identity
		requester string
	}{
		"nothing":                           {email(`''`), "alice@example.com"},
		"no user name":                      {username(`requester.startsWith('oidc:') ? requester.substring(5) : ''`), "alice"},
		"an expression that fails":          {username(`requester.split(':')[1]`), "alice"},
		"no e-mail":                         {email(`requester`), "alice"},
		"half an e-mail":                    {email(`requester`), "alice@"},
		"two e-mails":                       {email(`requester`), "alice@example.com@example.org"},
		"an e-mail with a space":            {email(`requester`), "alice smith@example.com"},
		"an e-mail with a line break":       {email(`requester`), "alice@example.com\nbob"},
		"an e-mail that turns around":       {email(`requester`), "alice\u202e@example.com"},
		"an e-mail that is too long":        {email(`requester`), strings.Repeat("a", 320) + "@example.com"},
		"a placeholder of Airflow":          {email(`requester + '@email.notfound'`), "alice"},
		"a placeholder in capitals":         {email(`requester`), "ALICE@EMAIL.NOTFOUND"},
		"a user name with a slash":          {username(`requester`), "arn:aws:sts::123456789012:assumed-role/data/alice"},
		"a user name with a line separator": {username(`requester`), "alice\u2028bob"},
		"a user name with a control":        {username(`requester`), "alice\x1b[2J"},
		"a user name with a space around":   {username(`requester`), " alice"},
		"a user name that is too long":      {username(`requester`), strings.Repeat("a", 257)},
		"a user name that is not UTF-8":     {username(`requester`), "alice\xff"},
	} {
		t.Run(name, func(t *testing.T) {
			compiled, err := rule.CompileIdentity(test.identity)
			if err != nil {
				t.Fatal(err)
			}
			got, err := compiled.Subject(test.requester)
			if err == nil {
				t.Fatalf("it is %+v", got)
			}
			oneLine(t, err)
			if !strings.Contains(err.Error(), "spec.identity.") || got != (v1alpha1.Subject{}) {
				t.Errorf("%+v %v", got, err)
			}
		})
	}
}

func TestIdentitiesThatDoNotCompile(t *testing.T) {
	for name, test := range map[string]struct {
		identity *v1alpha1.Identity
		want     string
	}{
		"there is none":            {nil, "no spec.identity"},
		"it is empty":              {&v1alpha1.Identity{}, "exactly one"},
		"both are there":           {&v1alpha1.Identity{Email: "requester", Username: "requester"}, "exactly one"},
		"no expression":            {email(`requester.`), "spec.identity.email"},
		"another variable":         {username(`requester + reason`), "undeclared reference to 'reason'"},
		"no text":                  {username(`requester == 'alice'`), "it gives bool"},
		"a text of unknown type":   {username(`dyn(requester)`), "it gives dyn"},
		"a text that may be there": {username(`optional.of(requester)`), "it gives optional_type"},
	} {
		_, err := rule.CompileIdentity(test.identity)
		if err == nil {
			t.Errorf("%s: it compiles", name)
			continue
		}
		oneLine(t, err)
		if !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: no %q in %v", name, test.want, err)
		}
	}
}

// The names of identity providers: how a cluster knows somebody, and what Airflow's own code makes of the same person at
// sign-in (flask_appbuilder.security.manager, get_oauth_user_info, and the examples of Airflow's documentation).
func TestNamesByIdentityProvider(t *testing.T) {
	// Of an issuer's URL and a subject, as API servers make names where no prefix is set.
	const afterHash = `requester.contains('#') ? requester.substring(requester.lastIndexOf('#') + 1) : ''`
	for provider, test := range map[string]struct {
		identity  *v1alpha1.Identity
		requester string
		want      v1alpha1.Subject
	}{
		"Okta, by subject": {
			username(`requester.startsWith('oidc:') ? 'okta_' + requester.substring(5) : ''`), "oidc:00u1a2b3c4D5E6f7g8h9", v1alpha1.Subject{Username: "okta_00u1a2b3c4D5E6f7g8h9"},
		},
		"Okta, by subject, without a prefix": {
			username(`requester.startsWith('https://example.okta.com#') ? 'okta_' + requester.substring(25) : ''`), "https://example.okta.com#00u1a2b3c4D5E6f7g8h9", v1alpha1.Subject{Username: "okta_00u1a2b3c4D5E6f7g8h9"},
		},
		"Auth0, by subject": {
			username(`requester.startsWith('oidc:') ? 'auth0_' + requester.substring(5) : ''`), "oidc:auth0|64f0c1", v1alpha1.Subject{Username: "auth0_auth0|64f0c1"},
		},
		"Google, by id": {
			username(`requester.startsWith('https://accounts.google.com#') ? 'google_' + requester.substring(28) : ''`), "https://accounts.google.com#108204268033311374519", v1alpha1.Subject{Username: "google_108204268033311374519"},
		},
		"Google, by e-mail": {email(`requester.lowerAscii()`), "Alice@example.com", v1alpha1.Subject{Email: "alice@example.com"}},
		"Entra ID, by object id": {
			username(`requester.startsWith('aad:') ? requester.substring(4) : ''`), "aad:11f2c3d4-0000-4a5b-8c7d-112233445566", v1alpha1.Subject{Username: "11f2c3d4-0000-4a5b-8c7d-112233445566"},
		},
		"Entra ID, by user principal name": {email(`requester.lowerAscii()`), "Alice.Smith@example.com", v1alpha1.Subject{Email: "alice.smith@example.com"}},
		"Keycloak, by preferred_username":  {username(`requester.startsWith('oidc:') ? requester.substring(5) : ''`), "oidc:alice", v1alpha1.Subject{Username: "alice"}},
		"an issuer's URL before the name":  {username(afterHash), "https://idp#alice", v1alpha1.Subject{Username: "alice"}},
		"OpenID, by e-mail with a prefix":  {email(`requester.startsWith('oidc:') ? requester.substring(5).lowerAscii() : ''`), "oidc:alice@example.com", v1alpha1.Subject{Email: "alice@example.com"}},
		"GitHub, by login":                 {username(`requester.startsWith('github:') ? 'github_' + requester.substring(7) : ''`), "github:alice-s", v1alpha1.Subject{Username: "github_alice-s"}},
		"OpenShift":                        {username(`requester.startsWith('system:') ? '' : 'openshift_' + requester`), "alice", v1alpha1.Subject{Username: "openshift_alice"}},
		"Authentik, by nickname":           {username(`requester.startsWith('oidc:') ? requester.substring(5) : ''`), "oidc:alice.s", v1alpha1.Subject{Username: "alice.s"}},
		"LDAP and remote user, as typed":   {username(`requester.contains(':') ? '' : requester`), "alice", v1alpha1.Subject{Username: "alice"}},
		"AWS IAM, by session name": {
			email(`requester.startsWith('eks:') ? requester.substring(4).lowerAscii() : ''`), "eks:Alice@example.com", v1alpha1.Subject{Email: "alice@example.com"},
		},
	} {
		t.Run(provider, func(t *testing.T) {
			compiled, err := rule.CompileIdentity(test.identity)
			if err != nil {
				t.Fatal(err)
			}
			got, err := compiled.Subject(test.requester)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
