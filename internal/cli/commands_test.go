package cli

import (
	"strings"
	"testing"
)

// TestSessions runs every command in a world of its own for each session and compares what it prints.
func TestSessions(t *testing.T) {
	type call struct {
		user string
		args []string
	}
	as := func(user string, args ...string) call { return call{user, args} }
	const alice, bob, carol, dora = "alice@example.com", "bob@example.com", "carol@example.com", "dora"
	for name, sessions := range map[string][][]call{
		"request": {
			{as(alice, "request", "finance-operators", "--for", "2h", "--dag", "finance_daily", "--reason", "INC-4711 late file")},
			{as(carol, "request", "finance-operators", "--for", "30m", "--emergency", "--reason", "INC-9", "-o", "yaml")},
			{as(carol, "request", "finance-operators", "--reason", "INC-9", "--dry-run=server", "-o", "name"), as(carol, "get")},
			{as(alice, "request", "finance-operators", "--at", "15:00", "--for", "1h", "--reason", "CHG-1", "-o", "json")},
			{as(alice, "request", "--dag", "finance_payroll", "--reason", "INC-1", "--name", "payroll")},
			{as(alice, "request", "--dag", "finance_daily", "--reason", "INC-1")},
			{as(alice, "request", "--dag", "finance_daily", "--access", "Trigger", "--reason", "INC-1", "-o", "name")},
			{as(alice, "request", "--dag", "other", "--access", "ViewLogs", "--reason", "INC-1", "-o", "name")},
			{as(alice, "request", "--dag", "finance_x", "--access", "DeleteDag", "--reason", "INC-1")},
			{as(alice, "request", "standing", "--reason", "INC-1")},
			{as(alice, "request", "finance-operators", "--reason", "because")},
			{as(alice, "request", "finance-operators", "--reason", "INC-1", "--for", "9h")},
			{as(alice, "request", "readers", "--reason", "INC-1", "--emergency")},
			{as(alice, "request", "finanse", "--reason", "INC-1")},
			{as(alice, "request", "--reason", "INC-1")},
			{as(alice, "request", "finance-operators")},
			{as(alice, "request", "finance-operators", "--reason", "INC-1", "--at", "noon")},
			{as(alice, "request", "finance-operators", "--reason", "INC-1", "-o", "xml")},
			{as(alice, "reqest"), as(alice, "request", "--duration", "1h"), as(alice, "request", "a", "b")},
		},
		"vote": {
			{as(bob, "approve", "waits", "--comment", "saw the ticket"), as(bob, "approve", "waits"), as(bob, "deny", "waits"),
				as(dora, "deny", "accessrequest/waits", "--comment", "no"), as(dora, "describe", "waits")},
			{as(bob, "approve", "waits", "--dry-run=server"), as(bob, "get", "--to-decide", "-o", "name")},
			{as(alice, "approve", "waits", "refused", "absent")},
			{as("mallory", "approve", "waits")},
			{as(bob, "approve", "not-admitted")},
			{as(dora, "deny", "refused")},
			{as(dora, "approve", "refused")},
			{as(bob, "reviewed", "fire", "--comment", "all fine"), as(bob, "reviewed", "waits"), as(carol, "reviewed", "fire")},
		},
		"end": {
			{as(alice, "withdraw", "waits"), as(alice, "withdraw", "waits")},
			{as(carol, "revoke", "fire-r4", "--reason", "over"), as(carol, "revoke", "fire-r4", "--reason", "over"), as(carol, "revoke", "absent", "--reason", "over")},
			{as(carol, "revoke", "fire-r4")},
		},
		"get": {
			{as(alice, "get"), as(alice, "get", "-o", "wide"), as(alice, "get", "-o", "name"), as(bob, "get")},
			{as(bob, "get", "--to-decide"), as(bob, "get", "--to-decide", "-A", "-o", "wide"), as(alice, "get", "--to-decide")},
			{as(bob, "get", "--active"), as(bob, "get", "--active", "--dag", "finance_daily", "-o", "wide"), as(bob, "get", "--active", "--dag", "sales")},
			{as(bob, "get", "--to-decide", "-o", "json")},
			{as(bob, "get", "--dag", "x"), as(bob, "get", "--active", "--to-decide"), as(bob, "get", "extra")},
		},
		"describe": {
			{as(alice, "describe", "waits"), as(alice, "describe", "refused"), as(alice, "describe", "not-admitted"), as(bob, "describe", "fire")},
			{as(alice, "describe", "fire-r4"), as(alice, "describe", "accessgrant.access.airflow-oam.dev/over"), as(alice, "describe", "direct")},
			{as(alice, "describe", "absent"), as(alice, "describe", "accessrequest/fire-r4")},
		},
		"whoami": {
			{as(carol, "whoami"), as("arn:aws:sts::111122223333:assumed-role/ops/erin", "whoami"), as("system:serviceaccount:data:bot", "whoami"), as("kubernetes-admin", "whoami", "--as", "kubernetes-admin")},
		},
		"rules": {
			{as("", "rules", "test", "-f", "testdata/policy.yaml", "--requester", "Alice@example.com", "--group", "oncall-data", "--for", "30m")},
			{as("", "rules", "test", "-f", "testdata/policy.yaml", "--requester", "alice@example.com", "--group", "data")},
			{as("", "rules", "test", "-f", "testdata/policy.yaml", "--requester", "alice@example.com", "--group", "data", "--now", "2026-11-28T10:00:00Z")},
			{as("", "rules", "test", "-f", "testdata/policy.yaml", "--requester", "alice@example.com", "--group", "data", "--dag", "a", "--tag", "pci")},
			{as("", "rules", "test", "-f", "testdata/policy.yaml", "--requester", "carol@example.com", "--group", "oncall-data", "--emergency")},
			{as("", "rules", "test", "-f", "testdata/policy.yaml", "--requester", "alice@example.com", "--group", "data", "--emergency")},
			{as("", "rules", "test", "-f", "testdata/policy.yaml", "--requester", "alice@example.com", "--group", "data", "--for", "9h")},
			{as("", "rules", "test", "-f", "testdata/policy.yaml", "--requester", "mallory")},
			{as("", "rules", "test", "-f", "testdata/broken.yaml", "--requester", "alice@example.com", "--policy", "broken")},
			{as("", "rules", "test", "-f", "testdata/broken.yaml", "--requester", "alice@example.com", "--policy", "fails")},
			{as("", "rules", "test", "-f", "testdata/broken.yaml", "--requester", "alice@example.com", "--policy", "empty")},
			{as("", "rules", "test", "-f", "testdata/broken.yaml", "--requester", "alice@example.com"), as("", "rules", "test", "-f", "testdata/broken.yaml", "--requester", "a", "--policy", "standing")},
			{as("", "rules", "test", "-f", "testdata/absent.yaml", "--requester", "alice@example.com"), as("", "rules", "test")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var all []string
			for _, session := range sessions {
				w := newWorld(t, "")
				for _, c := range session {
					w.user = c.user
					all = append(all, w.run(t.Context(), c.args...))
				}
			}
			golden(t, name, strings.Join(all, "\n"))
		})
	}
}
