package rule_test

import (
	"strings"
	"testing"

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

// What an expression gives is the user. Names by identity provider are on docs/identity.md, whose tests evaluate them.
func TestNamesThatAreAUser(t *testing.T) {
	for name, test := range map[string]struct {
		identity  *v1alpha1.Identity
		requester string
		want      v1alpha1.Subject
	}{
		"an e-mail":                     {email(`requester.lowerAscii()`), "Alice@example.com", v1alpha1.Subject{Email: "alice@example.com"}},
		"a user name after a prefix":    {username(`requester.startsWith('oidc:') ? requester.substring(5) : ''`), "oidc:alice", v1alpha1.Subject{Username: "alice"}},
		"a user name after an issuer":   {username(`requester.substring(requester.lastIndexOf('#') + 1)`), "https://idp#alice", v1alpha1.Subject{Username: "alice"}},
		"a user name in other letters":  {username(`requester`), "\u00e5sa", v1alpha1.Subject{Username: "\u00e5sa"}},
		"a user name that is an e-mail": {username(`requester`), "alice@example.com", v1alpha1.Subject{Username: "alice@example.com"}},
		"a user name of full length":    {username(`requester`), strings.Repeat("a", 256), v1alpha1.Subject{Username: strings.Repeat("a", 256)}},
	} {
		for how, compile := range map[string]func(*v1alpha1.Identity) (*rule.Identity, error){"compiled": rule.CompileIdentity, "remembered": rule.IdentityOf} {
			compiled, err := compile(test.identity)
			if err != nil {
				t.Errorf("%s, %s: %v", name, how, err)
				continue
			}
			if got, err := compiled.Subject(test.requester); err != nil || got != test.want {
				t.Errorf("%s, %s: %+v %v", name, how, got, err)
			}
		}
	}
}
