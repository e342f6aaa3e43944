package notify_test

import (
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/airflow-oam/airflow-oam/internal/config"
	"github.com/airflow-oam/airflow-oam/internal/notify"
)

func TestFilters(t *testing.T) {
	all := samples()
	for expression, c := range map[string]struct {
		sample string
		want   bool
	}{
		"":                                {"waiting", true},
		"event.type == 'request.waiting'": {"waiting", true},
		"event.type.startsWith('grant.')": {"waiting", false},
		"event.type in ['grant.active', 'grant.ended']": {"revoked", true},
		"event.emergency":                      {"emergency", true},
		"event.emergency || event.type == 'x'": {"waiting", false},
		"event.namespace == 'data-platform' && event.kind == 'AccessRequest'":       {"waiting", true},
		"event.policy.matches('^finance-')":                                         {"ending", true},
		"event.requester.lowerAscii() == 'alice@example.com'":                       {"waiting", true},
		"event.requester == ''":                                                     {"unused", true},
		"event.subject == 'alice'":                                                  {"active", true},
		"event.dags.exists(d, d.startsWith('finance_'))":                            {"waiting", true},
		"sets.intersects(event.access, ['Clear', 'Trigger'])":                       {"waiting", true},
		"'finance-leads' in event.approverGroups && 'carol' in event.approverUsers": {"waiting", false},
		"event.why == 'Denied' && event.by == ['bob@example.com']":                  {"denied", true},
		"event.request == 'alice-x7k2p' && event.grant == '' && event.reason != ''": {"waiting", true},
		"event.name == event.request && event.policyNamespace == event.namespace":   {"denied", true},
	} {
		got, err := notify.Matches(expression, all[c.sample])
		if err != nil || got != c.want {
			t.Errorf("%q: %t, %v", expression, got, err)
		}
	}
}

func TestFiltersThatFailPassNothing(t *testing.T) {
	for name, expression := range map[string]string{
		"out of range": "event.by[3] == 'x'",
		"too costly":   "event.dags.all(a, event.dags.all(b, event.dags.all(c, event.dags.all(d, event.dags.all(e, a + b + c + d + e != '')))))",
	} {
		if got, err := notify.Matches(expression, samples()["waiting-hostile"]); err == nil || got {
			t.Errorf("%s: %t, %v", name, got, err)
		}
	}
}

func TestAFilterThatDoesNotCompileRefusesTheConfiguration(t *testing.T) {
	for expression, want := range map[string]string{
		"event.tpye == 'x'":           "undefined field 'tpye' (line 1, column 6",
		"event.type = 'x'":            "line 1",
		"event.type":                  "gives string, want true or false",
		"requester == 'x'":            "undeclared reference to 'requester'",
		"event.policy.matches('[')":   "does not compile",
		"event.type == 1":             "no matching overload",
		"event.dags.all(d, d.size())": "line 1",
	} {
		c, err := config.Parse([]byte(`apiVersion: config.access.airflow-oam.dev/v1alpha1
kind: OperatorConfiguration
notifiers:
- name: good
  type: Slack
  urlFile: /url
- name: team
  type: Slack
  urlFile: /url
  filter: "` + expression + `"
`))
		if err != nil {
			t.Fatal(err)
		}
		_, err = notify.New(c, clocktesting.NewFakeClock(time.Now()), nil)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "line 10: notifiers[1].filter: ") {
			t.Errorf("%q: error %v, want one that says %q", expression, err, want)
		}
	}
}
