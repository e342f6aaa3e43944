package rule_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/rule"
)

var (
	// sunday is a moment on a Sunday in UTC, which is a Monday in Auckland.
	sunday = time.Date(2026, 11, 29, 21, 0, 0, 0, time.UTC)
	later  = sunday.Add(36 * time.Hour)
)

// request is one that uses every variable.
func request() rule.Input {
	return rule.Input{
		Requester: "alice@example.com", Duration: 30 * time.Minute, StartsAt: &later, Access: []v1alpha1.AccessLevel{"View", "Trigger"},
		Dags: []rule.Dag{
			{ID: "finance_daily", Tags: []string{"finance", "pii"}, Owners: []string{"team-finance"}, Path: "dags/finance/daily.py"},
			{ID: "finance_hourly"},
		},
		Reason: "INC-4711 late file", Emergency: false, Now: sunday,
	}
}

// approvals is a rule that needs no approver.
func approvals(name, when string, groups ...string) v1alpha1.RequestRule {
	none := int32(0)
	return v1alpha1.RequestRule{Name: name, When: when, Groups: groups, Approvals: &none}
}

// first is the name of the rule that fits a request; empty where none does.
func first(t *testing.T, groups []string, in rule.Input, rules ...v1alpha1.RequestRule) (string, error) {
	t.Helper()
	compiled, err := rule.CompileRules(rules)
	if err != nil {
		t.Fatal(err)
	}
	found, err := compiled.First(groups, in)
	if found == nil {
		return "", err
	}
	return found.Name, err
}

func TestWhatExpressionsSayOfARequest(t *testing.T) {
	for when, want := range map[string]bool{
		`duration <= duration('30m')`:                            true,
		`duration < duration('30m')`:                             false,
		`duration.getMinutes() == 30`:                            true,
		`requester == 'alice@example.com'`:                       true,
		`requester.endsWith('@example.org')`:                     false,
		`startsAt.hasValue()`:                                    true,
		`startsAt.orValue(now) - now > duration('24h')`:          true,
		`startsAt.value() > timestamp('2027-01-01T00:00:00Z')`:   false,
		`now.getDayOfWeek() in [0, 6]`:                           true,
		`now.getDayOfWeek('Pacific/Auckland') in [0, 6]`:         false,
		`now.getHours('Europe/Berlin') == 22`:                    true,
		`access.all(a, a in ['View', 'Trigger'])`:                true,
		`access.exists(a, a == 'Edit')`:                          false,
		`'Trigger' in access`:                                    true,
		`sets.contains(['View', 'Trigger', 'Clear'], access)`:    true,
		`dags.size() == 2`:                                       true,
		`dags.all(d, d.id.startsWith('finance_'))`:               true,
		`dags.exists(d, 'pii' in d.tags)`:                        true,
		`dags.all(d, 'pii' in d.tags)`:                           false,
		`dags.exists(d, d.tags.exists(t, t.matches('^p.i$')))`:   true,
		`dags[1].tags.size() == 0 && dags[1].owners == []`:       true,
		`dags.exists(d, has(d.path) && d.path.contains('/fin'))`: true,
		`dags.map(d, d.owners.size()).sum() == 1`:                true,
		`reason.matches('^INC-[0-9]+ .+')`:                       true,
		`reason.find('INC-[0-9]+') == 'INC-4711'`:                true,
		`emergency`: false,
		`!emergency && now < startsAt.orValue(now)`:               true,
		`true || 1 / (duration.getMinutes() - 30) == 0`:           true,
		"requester != ''\n  && // as in a policy\n  reason != ''": true,
	} {
		got, err := first(t, nil, request(), approvals("it", when))
		if err != nil || (got == "it") != want {
			t.Errorf("%s: %q %v, want %t", when, got, err, want)
		}
	}
}

// A request that leaves out what it can.
func TestARequestForEverythingAtOnce(t *testing.T) {
	for _, when := range []string{
		`!startsAt.hasValue()`, `startsAt.orValue(now) == now`, `startsAt == optional.none()`, `dags.size() == 0`, `dags.all(d, false)`, `access == []`,
		`duration == duration('0s')`, `requester == '' && reason == ''`,
	} {
		if got, err := first(t, nil, rule.Input{Now: sunday}, approvals("it", when)); err != nil || got != "it" {
			t.Errorf("%s: %q %v", when, got, err)
		}
	}
}

func TestTheFirstRuleThatFits(t *testing.T) {
	failing := `1 / (duration.getMinutes() - 30) == 0`
	onCall, anybody, never := approvals("on-call", "", "oncall-data", "oncall-web"), approvals("anybody", ""), approvals("never", "false")
	fails, failsForOthers := approvals("fails", failing), approvals("fails-for-others", failing, "contractors")
	for name, test := range map[string]struct {
		rules  []v1alpha1.RequestRule
		groups []string
		want   string
		fails  bool
	}{
		"no rules, none fits":                              {},
		"none fits":                                        {rules: []v1alpha1.RequestRule{onCall, never}},
		"without an expression it always fits":             {rules: []v1alpha1.RequestRule{anybody}, want: "anybody"},
		"the order decides":                                {rules: []v1alpha1.RequestRule{never, anybody, onCall}, groups: []string{"oncall-data"}, want: "anybody"},
		"one of the groups is enough":                      {rules: []v1alpha1.RequestRule{onCall, anybody}, groups: []string{"staff", "oncall-web"}, want: "on-call"},
		"who does not say the group is somebody else":      {rules: []v1alpha1.RequestRule{onCall, anybody}, groups: []string{"oncall"}, want: "anybody"},
		"groups are compared as the cluster does":          {rules: []v1alpha1.RequestRule{onCall}, groups: []string{"OnCall-Data"}},
		"an expression that fails decides nothing":         {rules: []v1alpha1.RequestRule{fails, anybody}, fails: true},
		"one that fails after the fitting one is not seen": {rules: []v1alpha1.RequestRule{anybody, fails}, want: "anybody"},
		"one for others is not evaluated":                  {rules: []v1alpha1.RequestRule{failsForOthers, anybody}, want: "anybody"},
		"one for the requester's group is":                 {rules: []v1alpha1.RequestRule{failsForOthers, anybody}, groups: []string{"contractors"}, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := first(t, test.groups, request(), test.rules...)
			if got != test.want || (err != nil) != test.fails {
				t.Errorf("%q %v, want %q, fails %t", got, err, test.want, test.fails)
			}
			if err != nil && (!strings.Contains(err.Error(), `"fails`) || !strings.Contains(err.Error(), "correct spec.grants.requests.rules")) {
				t.Errorf("it does not say which rule and what to do: %v", err)
			}
		})
	}
}

// What is not known in an expression is no answer.
func TestExpressionsThatFailDecideNothing(t *testing.T) {
	for _, when := range []string{
		`startsAt.value() > now`, `dags[0].id == 'x'`, `int(reason) == 1`, `duration(reason) > duration('1h')`, `now.getHours('Nowhere/Land') == 1`,
		`requester.split('@')[1] == 'x'`, `reason.substring(3) == ''`,
	} {
		in := rule.Input{Now: sunday, Reason: "a\n\u202e" + strings.Repeat("b", 1000)}
		if strings.Contains(when, "substring") {
			in.Reason = ""
		}
		got, err := first(t, nil, in, approvals("it", when))
		if err == nil || got != "" {
			t.Fatalf("%s: %q", when, got)
		}
		oneLine(t, err)
	}
}

// The rule that fits is a copy: what a caller does with it changes no other decision.
func TestTheRuleIsACopy(t *testing.T) {
	given := []v1alpha1.RequestRule{approvals("it", "", "staff")}
	compiled, err := rule.CompileRules(given)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		found, err := compiled.First([]string{"staff"}, request())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(approvals("it", "", "staff"), *found); diff != "" {
			t.Error(diff)
		}
		*found.Approvals, found.Groups[0] = 4, "others"
		*given[0].Approvals, given[0].Groups[0] = 4, "others"
	}
}

func TestRulesThatDoNotCompile(t *testing.T) {
	for when, want := range map[string]string{
		`groups.exists(g, g == 'x')`:                "groups is no variable",
		`'contractors' in groups`:                   "1:18: ",
		"requester == 'a' &&\n  requestor":          "2:3: ",
		`duration <= '30m'`:                         "no matching overload",
		`dags.all(d, d.tag == 'x')`:                 "undefined field 'tag'",
		`requester`:                                 "it gives string",
		`dyn(true)`:                                 "it gives dyn",
		`optional.of(true)`:                         "optional_type",
		`startsAt > now`:                            "no matching overload",
		`reason.matches('(')`:                       "invalid matches argument",
		`reason.matches(requester)`:                 "not a text between quotes",
		`reason.find('a{1000}') == 'a'`:             "regular expression is too large",
		`matches(reason, 'a' + 'b')`:                "not a text between quotes",
		`reason.findAll('(') == []`:                 "is no regular expression",
		`duration <= duration('30')`:                "duration",
		`)`:                                         "1:1: ",
		`'` + strings.Repeat("x", 1023) + `'`:       "longer than 1024",
		`"` + "\u202e\n" + strings.Repeat("(", 500): "1:",
	} {
		_, err := rule.CompileRules([]v1alpha1.RequestRule{approvals("fine", "true"), approvals("odd-one", when)})
		if err == nil {
			t.Errorf("%.60s compiles", when)
			continue
		}
		oneLine(t, err)
		for _, part := range []string{`rule "odd-one"`, want, "correct spec.grants.requests.rules of the policy"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%.60s: no %q in %v", when, part, err)
			}
		}
	}
}

// oneLine fails where a message has more lines than one, or is too long for a condition.
func oneLine(t interface {
	Helper()
	Errorf(format string, args ...any)
}, err error) {
	t.Helper()
	if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r == 0x7f || r >= '\u2028' && r <= '\u202e' }) || len(err.Error()) > 1024 {
		t.Errorf("not one short line: %q", err.Error())
	}
}

// Rules that share an expression share nothing else: the memory is of expressions alone, and has errors as well.
func TestRulesAreRememberedByTheirExpressions(t *testing.T) {
	const when = "emergency || requester != ''"
	for range 2 {
		for _, name := range []string{"one", "other"} {
			compiled, err := rule.RulesOf([]v1alpha1.RequestRule{approvals(name, when)})
			if err != nil {
				t.Fatal(err)
			}
			if found, err := compiled.First(nil, request()); err != nil || found == nil || found.Name != name {
				t.Errorf("%+v %v, want %s", found, err, name)
			}
			if _, err := rule.RulesOf([]v1alpha1.RequestRule{approvals(name, "requester")}); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := rule.IdentityOf(username("requester")); err != nil {
			t.Errorf("the expression of a rule is mistaken for that of an identity: %v", err)
		}
	}
}
