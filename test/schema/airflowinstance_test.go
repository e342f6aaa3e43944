package schema

import (
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const instance = `
apiVersion: access.airflow-oam.dev/v1alpha1
kind: AirflowInstance
metadata: {name: prod}
spec:
  url: https://airflow.example.com/team-a
  credentials: {secretRef: {name: airflow-oam}}
`

const (
	neverAllowed = "this resource is never allowed here"
	roleName     = "a role name must hold no slash, tilde or control character"
	ownRoles     = "Airflow's own roles are never managed"
)

var _ = DescribeTable("AirflowInstance", judge(instance),
	Entry("takes the smallest spec", `{}`, "", ""),

	// url
	Entry("takes http", `spec: {url: "http://127.0.0.1:8080"}`, "", ""),
	Entry("takes an IPv6 address", `spec: {url: "https://[2001:db8::1]:8443/x"}`, "", ""),
	Entry("takes the longest url", `spec: {url: "https://a.example/`+strings.Repeat("x", 512-18)+`"}`, "", ""),
	Entry("needs a url", `spec: {url: null}`, "spec.url", "Required value"),
	Entry("refuses another scheme", `spec: {url: "ftp://airflow.example.com"}`, "spec.url", "must be an http or https address"),
	Entry("refuses a host without scheme", `spec: {url: "airflow.example.com"}`, "spec.url", "must be an http or https address"),
	Entry("refuses a url without host", `spec: {url: "https:///dags"}`, "spec.url", "must be an http or https address"),
	Entry("refuses a line break in the url", `spec: {url: "https://airflow.example.com/\nx"}`, "spec.url", "must be an http or https address"),
	Entry("refuses a password in the url", `spec: {url: "https://u:p@airflow.example.com"}`, "spec.url", "put the user name and password into the Secret"),
	Entry("refuses a query", `spec: {url: "https://airflow.example.com/?a=b"}`, "spec.url", "no user, query or fragment"),
	Entry("refuses a fragment", `spec: {url: "https://airflow.example.com/#a"}`, "spec.url", "no user, query or fragment"),
	Entry("refuses a url that is too long", `spec: {url: "https://a.example/`+strings.Repeat("x", 512-17)+`"}`, "spec.url", "Too long"),
	Entry("refuses a url that is too short", `spec: {url: "http://"}`, "spec.url", "at least 8 chars"),

	// credentials and tls
	Entry("needs credentials", `spec: {credentials: null}`, "spec.credentials", "Required value"),
	Entry("needs a Secret for a password", `spec: {credentials: {secretRef: null}}`, "spec.credentials", "type Password needs secretRef"),
	Entry("takes no other source of a password", `spec: {credentials: {serviceAccountToken: {}}}`, "spec.credentials", "type Password reads everything from secretRef"),
	Entry("takes no account beside the Secret of a password", `spec: {credentials: {username: oam}}`, "spec.credentials", "type Password reads everything from secretRef"),
	Entry("takes type Password", `spec: {credentials: {type: Password}}`, "", ""),
	Entry("refuses another type", `spec: {credentials: {type: Certificate}}`, "spec.credentials.type", `supported values: "Password", "Token", "Exchange"`),
	Entry("takes a token of a Secret", `spec: {credentials: {type: Token}}`, "", ""),
	Entry("takes a token of a Secret for a named account", `spec: {credentials: {type: Exchange, username: oam}}`, "", ""),
	Entry("takes tokens of the operator's ServiceAccount", `spec: {credentials: {type: Exchange, secretRef: null, username: oam, serviceAccountToken: {}}}`, "", ""),
	Entry("takes an audience", `spec: {credentials: {type: Exchange, secretRef: null, username: oam, serviceAccountToken: {audience: airflow}}}`, "", ""),
	Entry("takes client credentials", `spec: {credentials: {type: Exchange, secretRef: null, username: oam, oauth2: {tokenURL: "https://login.example.com/token", clientSecretRef: {name: client}, scopes: ["api://airflow/.default", read], audience: airflow}}}`, "", ""),
	Entry("needs a source of the token", `spec: {credentials: {type: Token, secretRef: null, username: oam}}`, "spec.credentials", "exactly one of secretRef, serviceAccountToken and oauth2"),
	Entry("refuses two sources of the token", `spec: {credentials: {type: Token, serviceAccountToken: {}, username: oam}}`, "spec.credentials", "exactly one of secretRef, serviceAccountToken and oauth2"),
	Entry("needs the account where no Secret names it", `spec: {credentials: {type: Token, secretRef: null, serviceAccountToken: {}}}`, "spec.credentials", "username is required where no Secret names the account"),
	Entry("takes the name of a service account at Google", `spec: {credentials: {type: Token, username: "accounts.google.com:1047"}}`, "", ""),
	Entry("refuses an empty account", `spec: {credentials: {type: Token, username: ""}}`, "spec.credentials.username", "at least 1 char"),
	Entry("refuses a long account", `spec: {credentials: {type: Token, username: `+strings.Repeat("x", 257)+`}}`, "spec.credentials.username", "Too long"),
	Entry("refuses a slash in the account", `spec: {credentials: {type: Token, username: "assumed-role/oam"}}`, "spec.credentials.username", "without a slash"),
	Entry("refuses spaces around the account", `spec: {credentials: {type: Token, username: " oam"}}`, "spec.credentials.username", "must be the exact name"),
	Entry("refuses an empty audience", `spec: {credentials: {type: Exchange, secretRef: null, username: oam, serviceAccountToken: {audience: ""}}}`, "spec.credentials.serviceAccountToken.audience", "at least 1 char"),
	Entry("refuses a long audience", `spec: {credentials: {type: Exchange, secretRef: null, username: oam, serviceAccountToken: {audience: `+strings.Repeat("x", 513)+`}}}`, "spec.credentials.serviceAccountToken.audience", "Too long"),
	Entry("needs the address of the identity provider", `spec: {credentials: {type: Exchange, secretRef: null, username: oam, oauth2: {clientSecretRef: {name: client}}}}`, "spec.credentials.oauth2.tokenURL", "Required value"),
	Entry("needs the Secret of the client", `spec: {credentials: {type: Exchange, secretRef: null, username: oam, oauth2: {tokenURL: "https://login.example.com/token"}}}`, "spec.credentials.oauth2.clientSecretRef", "Required value"),
	Entry("refuses a short tokenURL", `spec: {credentials: {type: Exchange, secretRef: null, username: oam, oauth2: {clientSecretRef: {name: client}, tokenURL: "http://"}}}`, "spec.credentials.oauth2.tokenURL", "at least 8 chars"),
	Entry("refuses a long tokenURL", `spec: {credentials: {type: Exchange, secretRef: null, username: oam, oauth2: {clientSecretRef: {name: client}, tokenURL: "https://a.example/`+strings.Repeat("x", 512)+`"}}}`, "spec.credentials.oauth2.tokenURL", "Too long"),
	Entry("refuses a tokenURL without scheme", `spec: {credentials: {type: Exchange, secretRef: null, username: oam, oauth2: {clientSecretRef: {name: client}, tokenURL: "login.example.com"}}}`, "spec.credentials.oauth2.tokenURL", "must be an http or https address"),
	Entry("refuses a secret in the tokenURL", `spec: {credentials: {type: Exchange, secretRef: null, username: oam, oauth2: {clientSecretRef: {name: client}, tokenURL: "https://u:p@login.example.com"}}}`, "spec.credentials.oauth2.tokenURL", "put client_id and client_secret into the Secret"),
	Entry("takes a query in the tokenURL", `spec: {credentials: {type: Exchange, secretRef: null, username: oam, oauth2: {clientSecretRef: {name: client}, tokenURL: "https://login.example.com/token?tenant=a"}}}`, "", ""),
	Entry("refuses an empty name of the client's Secret", `spec: {credentials: {type: Exchange, secretRef: null, username: oam, oauth2: {tokenURL: "https://login.example.com/token", clientSecretRef: {name: ""}}}}`, "spec.credentials.oauth2.clientSecretRef.name", "at least 1 char"),
	Entry("refuses a long name of the client's Secret", `spec: {credentials: {type: Exchange, secretRef: null, username: oam, oauth2: {tokenURL: "https://login.example.com/token", clientSecretRef: {name: `+strings.Repeat("x", 254)+`}}}}`, "spec.credentials.oauth2.clientSecretRef.name", "Too long"),
	Entry("refuses a bad name of the client's Secret", `spec: {credentials: {type: Exchange, secretRef: null, username: oam, oauth2: {tokenURL: "https://login.example.com/token", clientSecretRef: {name: "a/b"}}}}`, "spec.credentials.oauth2.clientSecretRef.name", "must be the name of a Secret"),
	Entry("refuses an empty scope", `spec: {credentials: {type: Exchange, secretRef: null, username: oam, oauth2: {tokenURL: "https://login.example.com/token", clientSecretRef: {name: client}, scopes: [""]}}}`, "spec.credentials.oauth2.scopes[0]", "at least 1 char"),
	Entry("refuses a long scope", `spec: {credentials: {type: Exchange, secretRef: null, username: oam, oauth2: {tokenURL: "https://login.example.com/token", clientSecretRef: {name: client}, scopes: [`+strings.Repeat("x", 257)+`]}}}`, "spec.credentials.oauth2.scopes[0]", "Too long"),
	Entry("refuses two scopes in one", `spec: {credentials: {type: Exchange, secretRef: null, username: oam, oauth2: {tokenURL: "https://login.example.com/token", clientSecretRef: {name: client}, scopes: ["a b"]}}}`, "spec.credentials.oauth2.scopes[0]", "list each scope as an item"),
	Entry("refuses a scope twice", `spec: {credentials: {type: Exchange, secretRef: null, username: oam, oauth2: {tokenURL: "https://login.example.com/token", clientSecretRef: {name: client}, scopes: [a, a]}}}`, "spec.credentials.oauth2.scopes[1]", "Duplicate value"),
	Entry("refuses 33 scopes", `spec: {credentials: {type: Exchange, secretRef: null, username: oam, oauth2: {tokenURL: "https://login.example.com/token", clientSecretRef: {name: client}, scopes: `+list(33, word)+`}}}`, "spec.credentials.oauth2.scopes", "must have at most 32 items"),
	Entry("refuses a long audience of the identity provider", `spec: {credentials: {type: Exchange, secretRef: null, username: oam, oauth2: {tokenURL: "https://login.example.com/token", clientSecretRef: {name: client}, audience: `+strings.Repeat("x", 513)+`}}}`, "spec.credentials.oauth2.audience", "Too long"),
	Entry("refuses an empty Secret name", `spec: {credentials: {secretRef: {name: ""}}}`, "spec.credentials.secretRef.name", "at least 1 char"),
	Entry("refuses a Secret of another namespace", `spec: {credentials: {secretRef: {name: "other/airflow"}}}`, "spec.credentials.secretRef.name", "must be the name of a Secret in this namespace"),
	Entry("refuses a long Secret name", `spec: {credentials: {secretRef: {name: `+strings.Repeat("x", 254)+`}}}`, "spec.credentials.secretRef.name", "Too long"),
	Entry("takes a private authority", `spec: {tls: {caSecretRef: {name: airflow-ca, key: ca_1.crt}}}`, "", ""),
	Entry("refuses a tls that says nothing", `spec: {tls: {}}`, "spec.tls", "tls needs caSecretRef, clientSecretRef or both"),
	Entry("takes a client certificate", `spec: {tls: {clientSecretRef: {name: airflow-client}}}`, "", ""),
	Entry("takes both", `spec: {tls: {caSecretRef: {name: ca}, clientSecretRef: {name: airflow-client}}}`, "", ""),
	Entry("refuses an empty name of the client certificate", `spec: {tls: {clientSecretRef: {name: ""}}}`, "spec.tls.clientSecretRef.name", "at least 1 char"),
	Entry("refuses a bad name of the client certificate", `spec: {tls: {clientSecretRef: {name: "a/b"}}}`, "spec.tls.clientSecretRef.name", "must be the name of a Secret"),
	Entry("refuses a long name of the client certificate", `spec: {tls: {clientSecretRef: {name: `+strings.Repeat("x", 254)+`}}}`, "spec.tls.clientSecretRef.name", "Too long"),
	Entry("needs the name of that Secret", `spec: {tls: {caSecretRef: {key: ca.crt}}}`, "spec.tls.caSecretRef.name", "Required value"),
	Entry("refuses a bad name of that Secret", `spec: {tls: {caSecretRef: {name: CA}}}`, "spec.tls.caSecretRef.name", "must be the name of a Secret"),
	Entry("refuses an empty name of that Secret", `spec: {tls: {caSecretRef: {name: ""}}}`, "spec.tls.caSecretRef.name", "at least 1 char"),
	Entry("refuses a long name of that Secret", `spec: {tls: {caSecretRef: {name: `+strings.Repeat("x", 254)+`}}}`, "spec.tls.caSecretRef.name", "Too long"),
	Entry("refuses a long key", `spec: {tls: {caSecretRef: {name: ca, key: `+strings.Repeat("x", 254)+`}}}`, "spec.tls.caSecretRef.key", "Too long"),
	Entry("refuses a path as key", `spec: {tls: {caSecretRef: {name: airflow-ca, key: a/b}}}`, "spec.tls.caSecretRef.key", "key must be a key of that Secret"),
	Entry("refuses an empty key", `spec: {tls: {caSecretRef: {name: airflow-ca, key: ""}}}`, "spec.tls.caSecretRef.key", "at least 1 char"),

	// enums
	Entry("takes mode Observe", `spec: {mode: Observe}`, "", ""),
	Entry("takes mode Suspended", `spec: {mode: Suspended}`, "", ""),
	Entry("refuses another mode", `spec: {mode: Off}`, "spec.mode", `supported values: "Enforce", "Observe", "Suspended"`),
	Entry("takes drift Report", `spec: {drift: Report}`, "", ""),
	Entry("refuses another drift", `spec: {drift: Ignore}`, "spec.drift", `supported values: "Repair", "Report"`),
	Entry("takes leastPrivilege Enforce", `spec: {leastPrivilege: Enforce}`, "", ""),
	Entry("takes leastPrivilege Warn", `spec: {leastPrivilege: Warn}`, "", ""),
	Entry("refuses another leastPrivilege", `spec: {leastPrivilege: Ignore}`, "spec.leastPrivilege", `supported values: "Warn", "Enforce"`),
	Entry("takes deletion Abandon", `spec: {deletion: Abandon}`, "", ""),
	Entry("refuses another deletion", `spec: {deletion: Orphan}`, "spec.deletion", `supported values: "Revoke", "Abandon"`),

	// times (F59)
	Entry("takes the shortest interval", `spec: {interval: 1m}`, "", ""),
	Entry("takes the longest interval", `spec: {interval: 24h}`, "", ""),
	Entry("takes a mixed interval", `spec: {interval: 1h30m0s}`, "", ""),
	Entry("takes a fraction", `spec: {interval: 1.5h}`, "", ""),
	Entry("refuses a short interval", `spec: {interval: 59s}`, "spec.interval", "interval must be a time from 1m to 24h"),
	Entry("refuses a long interval", `spec: {interval: 24h1s}`, "spec.interval", "interval must be a time from 1m to 24h"),
	Entry("refuses a negative interval (F59)", `spec: {interval: -10m}`, "spec.interval", "interval must be a time from 1m to 24h"),
	Entry("refuses days, which Go cannot read", `spec: {interval: 1d}`, "spec.interval", "interval must be a time from 1m to 24h"),
	Entry("refuses words", `spec: {interval: "10 minutes"}`, "spec.interval", "interval must be a time from 1m to 24h"),
	Entry("refuses a number without unit", `spec: {interval: "600"}`, "spec.interval", "interval must be a time from 1m to 24h"),
	Entry("refuses a number", `spec: {interval: 600}`, "spec.interval", "must be of type string"),
	Entry("refuses what overflows", `spec: {interval: 9999999999999h}`, "spec.interval", "interval must be a time from 1m to 24h"),
	Entry("refuses a long text", `spec: {interval: 1m1m1m1m1m1m1m1m1m}`, "spec.interval", "Too long"),
	Entry("takes the shortest dagInterval", `spec: {dagInterval: 10s}`, "", ""),
	Entry("takes the longest dagInterval", `spec: {dagInterval: 1h}`, "", ""),
	Entry("refuses a short dagInterval", `spec: {dagInterval: 9999ms}`, "spec.dagInterval", "dagInterval must be a time from 10s to 1h"),
	Entry("refuses a long dagInterval", `spec: {dagInterval: 61m}`, "spec.dagInterval", "dagInterval must be a time from 10s to 1h"),
	Entry("refuses a dagInterval as a long text", `spec: {dagInterval: 1m1m1m1m1m1m1m1m1m}`, "spec.dagInterval", "Too long"),
	Entry("refuses a permission cache as a long text", `spec: {permissionCacheTTL: 1s1s1s1s1s1s1s1s1s}`, "spec.permissionCacheTTL", "Too long"),
	Entry("takes no dagGracePeriod (K4)", `spec: {dagGracePeriod: 0s}`, "", ""),
	Entry("takes the longest dagGracePeriod (K4)", `spec: {dagGracePeriod: 168h}`, "", ""),
	Entry("refuses a longer dagGracePeriod (K4)", `spec: {dagGracePeriod: 169h}`, "spec.dagGracePeriod", "dagGracePeriod must be a time from 0s to 168h"),
	Entry("refuses a negative dagGracePeriod (K4)", `spec: {dagGracePeriod: -1s}`, "spec.dagGracePeriod", "dagGracePeriod must be a time from 0s to 168h"),
	Entry("refuses a dagGracePeriod as a long text (K4)", `spec: {dagGracePeriod: 1s1s1s1s1s1s1s1s1s}`, "spec.dagGracePeriod", "Too long"),
	Entry("takes no permission cache", `spec: {permissionCacheTTL: 0s}`, "", ""),
	Entry("takes the longest permission cache", `spec: {permissionCacheTTL: 5m}`, "", ""),
	Entry("refuses a longer permission cache", `spec: {permissionCacheTTL: 301s}`, "spec.permissionCacheTTL", "set it to Airflow's [fab] cache_ttl"),
	Entry("refuses a negative permission cache", `spec: {permissionCacheTTL: -1s}`, "spec.permissionCacheTTL", "must be a time from 0s to 5m"),

	// allowedPermissions
	Entry("takes pairs", `spec: {allowedPermissions: [{action: can_read, resource: Pools}, {action: can_edit, resource: Pools}, {action: menu_access, resource: "Admin"}]}`, "", ""),
	Entry("refuses another action", `spec: {allowedPermissions: [{action: can_fly, resource: Pools}]}`, "spec.allowedPermissions[0].action", "Unsupported value"),
	Entry("needs an action", `spec: {allowedPermissions: [{resource: Pools}]}`, "spec.allowedPermissions[0].action", "Required value"),
	Entry("needs a resource", `spec: {allowedPermissions: [{action: can_read}]}`, "spec.allowedPermissions[0].resource", "Required value"),
	Entry("refuses an empty resource", `spec: {allowedPermissions: [{action: can_read, resource: ""}]}`, "spec.allowedPermissions[0].resource", "at least 1 char"),
	Entry("refuses a long resource", `spec: {allowedPermissions: [{action: can_read, resource: `+strings.Repeat("x", 129)+`}]}`, "spec.allowedPermissions[0].resource", "Too long"),
	Entry("refuses DAGs", `spec: {allowedPermissions: [{action: can_read, resource: DAGs}]}`, "spec.allowedPermissions[0].resource", neverAllowed),
	Entry("refuses DAGs in another case", `spec: {allowedPermissions: [{action: can_read, resource: dags}]}`, "spec.allowedPermissions[0].resource", neverAllowed),
	Entry("refuses one DAG", `spec: {allowedPermissions: [{action: can_read, resource: "DAG:x"}]}`, "spec.allowedPermissions[0].resource", neverAllowed),
	Entry("refuses runs of one DAG", `spec: {allowedPermissions: [{action: can_read, resource: "DAG Run:x"}]}`, "spec.allowedPermissions[0].resource", neverAllowed),
	Entry("refuses DAG Runs", `spec: {allowedPermissions: [{action: can_read, resource: "DAG Runs"}]}`, "spec.allowedPermissions[0].resource", neverAllowed),
	Entry("refuses Users", `spec: {allowedPermissions: [{action: can_read, resource: "Users"}]}`, "spec.allowedPermissions[0].resource", neverAllowed),
	Entry("refuses Roles", `spec: {allowedPermissions: [{action: can_edit, resource: "Roles"}]}`, "spec.allowedPermissions[0].resource", neverAllowed),
	Entry("refuses Permissions", `spec: {allowedPermissions: [{action: can_read, resource: "Permissions"}]}`, "spec.allowedPermissions[0].resource", neverAllowed),
	Entry("refuses Permission Views", `spec: {allowedPermissions: [{action: can_read, resource: "Permission Views"}]}`, "spec.allowedPermissions[0].resource", neverAllowed),
	Entry("refuses View Menus", `spec: {allowedPermissions: [{action: can_read, resource: "View Menus"}]}`, "spec.allowedPermissions[0].resource", neverAllowed),
	Entry("refuses Passwords", `spec: {allowedPermissions: [{action: can_edit, resource: "Passwords"}]}`, "spec.allowedPermissions[0].resource", neverAllowed),
	Entry("refuses a forbidden resource with spaces around it", `spec: {allowedPermissions: [{action: can_edit, resource: "Users "}]}`, "spec.allowedPermissions[0].resource", neverAllowed),
	Entry("refuses spaces around a resource", `spec: {allowedPermissions: [{action: can_edit, resource: "Pools "}]}`, "spec.allowedPermissions[0].resource", "must be the exact name of an Airflow resource"),
	Entry("refuses a line break in a resource", `spec: {allowedPermissions: [{action: can_edit, resource: "Po\nols"}]}`, "spec.allowedPermissions[0].resource", "must be the exact name of an Airflow resource"),
	Entry("refuses a pair twice", `spec: {allowedPermissions: [{action: can_read, resource: Pools}, {action: can_read, resource: Pools}]}`, "spec.allowedPermissions[1]", "Duplicate value"),
	Entry("takes 64 pairs", `spec: {allowedPermissions: `+list(64, pair)+`}`, "", ""),
	Entry("refuses 65 pairs", `spec: {allowedPermissions: `+list(65, pair)+`}`, "spec.allowedPermissions", "must have at most 64 items"),

	// adoptableRoles
	Entry("takes roles to adopt", `spec: {adoptableRoles: [finance, "a b", "für alle"]}`, "", ""),
	Entry("refuses a built-in role", `spec: {adoptableRoles: [aDmIn]}`, "spec.adoptableRoles[0]", ownRoles),
	Entry("refuses a slash in a role", `spec: {adoptableRoles: [a/b]}`, "spec.adoptableRoles[0]", roleName),
	Entry("refuses a tilde in a role", `spec: {adoptableRoles: [a~b]}`, "spec.adoptableRoles[0]", roleName),
	Entry("refuses an operator's role", `spec: {adoptableRoles: [oam.x.y]}`, "spec.adoptableRoles[0]", "cannot be adopted"),
	Entry("refuses spaces around a role", `spec: {adoptableRoles: [" a"]}`, "spec.adoptableRoles[0]", "must not begin or end with a space"),
	Entry("refuses an empty role", `spec: {adoptableRoles: [""]}`, "spec.adoptableRoles[0]", "at least 1 char"),
	Entry("refuses a role twice", `spec: {adoptableRoles: [a, a]}`, "spec.adoptableRoles[1]", "Duplicate value"),
	Entry("refuses a long role", `spec: {adoptableRoles: [`+strings.Repeat("x", 49)+`]}`, "spec.adoptableRoles[0]", "Too long"),
	Entry("refuses 65 roles", `spec: {adoptableRoles: `+list(65, word)+`}`, "spec.adoptableRoles", "must have at most 64 items"),

	// massRevocationLimit and release
	Entry("takes 0%", `spec: {massRevocationLimit: 0%}`, "", ""),
	Entry("takes 100%", `spec: {massRevocationLimit: 100%}`, "", ""),
	Entry("refuses 101%", `spec: {massRevocationLimit: 101%}`, "spec.massRevocationLimit", "must be a share from 0% to 100%"),
	Entry("refuses a number as share", `spec: {massRevocationLimit: "25"}`, "spec.massRevocationLimit", "must be a share from 0% to 100%"),
	Entry("refuses a share as a long text", `spec: {massRevocationLimit: "00025%"}`, "spec.massRevocationLimit", "Too long"),
	Entry("takes a hash to release", `spec: {release: 0123456789abcdef}`, "", ""),
	Entry("takes no release", `spec: {release: ""}`, "", ""),
	Entry("takes a UID to take over from", `spec: {takeOver: 0b1c2d3e-0000-4000-8000-0123456789ab}`, "", ""),
	Entry("takes no takeover", `spec: {takeOver: ""}`, "", ""),
	Entry("refuses a name to take over from", `spec: {takeOver: prod}`, "spec.takeOver", "must be the UID of an AirflowInstance"),
	Entry("refuses a long text to take over from", `spec: {takeOver: 0b1c2d3e-0000-4000-8000-0123456789abcdef}`, "spec.takeOver", "Too long"),
	Entry("refuses another word to release", `spec: {release: "yes"}`, "spec.release", "must be the hash that the condition InSync names"),
	Entry("refuses a long hash", `spec: {release: `+strings.Repeat("a", 65)+`}`, "spec.release", "Too long"),

	// size (F72)
	Entry("refuses a spec of 1 MB (F72)", `spec: {adoptableRoles: [`+strings.Repeat("x", 1<<20)+`]}`, "spec.adoptableRoles[0]", "Too long"),
	Entry("needs a spec", `spec: null`, "spec", "Required value"),
)

func pair(i int) string { return fmt.Sprintf("{action: can_read, resource: r%d}", i) }
func word(i int) string { return fmt.Sprintf("w%d", i) }

var _ = Describe("AirflowInstance", func() {
	It("is stored with its defaults, and a status that nobody has looked yet", func(ctx SpecContext) {
		stored := created(ctx, object(instance, `{metadata: {name: defaults}, spec: {tls: {caSecretRef: {name: ca}}}}`))
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(stored), stored)).To(Succeed())
		Expect(stored.Object["spec"]).To(Equal(map[string]any{
			"url":         "https://airflow.example.com/team-a",
			"credentials": map[string]any{"type": "Password", "secretRef": map[string]any{"name": "airflow-oam"}},
			"tls":         map[string]any{"caSecretRef": map[string]any{"name": "ca", "key": "ca.crt"}},
			"mode":        "Enforce", "interval": "10m", "dagInterval": "1m", "dagGracePeriod": "1h", "drift": "Repair",
			"leastPrivilege": "Warn", "massRevocationLimit": "25%", "deletion": "Revoke",
		}))
		Expect(stored.Object["status"]).To(Equal(map[string]any{"observedGeneration": int64(-1)}))
	})

	It("lets deletion be changed while it is being deleted", func(ctx SpecContext) {
		stored := created(ctx, object(instance, `metadata: {name: terminating, finalizers: [example.com/hold]}`))
		Expect(admin.Delete(ctx, stored)).To(Succeed())
		Expect(changed(ctx, admin, stored, `spec: {deletion: Abandon}`)).To(Succeed())
	})

	It("drops a field that it does not know, and strict clients are told", func(ctx SpecContext) {
		wanted := object(instance, `{metadata: {name: unknown}, spec: {tenants: []}}`)
		Expect(tried(ctx, wanted.DeepCopy())).To(MatchError(ContainSubstring(`unknown field "spec.tenants"`)))
		Expect(admin.Create(ctx, wanted, client.DryRunAll)).To(Succeed())
		_, found, err := unstructured.NestedFieldNoCopy(wanted.Object, "spec", "tenants")
		Expect(err).NotTo(HaveOccurred())
		Expect(found).To(BeFalse())
	})
})
