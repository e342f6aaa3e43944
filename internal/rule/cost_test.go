package rule_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/rule"
)

// largest is the largest request that there can be.
func largest() rule.Input {
	in := request()
	in.Requester, in.Reason = strings.Repeat("a", 256), strings.Repeat("b", 256)
	in.Dags = nil
	words := make([]string, 64)
	for i := range words {
		words[i] = strings.Repeat("t", 247) + fmt.Sprintf("%03d", i)
	}
	for i := range 64 {
		in.Dags = append(in.Dags, rule.Dag{ID: words[i], Tags: words, Owners: words, Path: strings.Repeat("p", 2000)})
	}
	return in
}

// What people write costs little, for the largest request as well.
func TestUsefulExpressionsAreCheapEnough(t *testing.T) {
	for _, when := range []string{
		`dags.all(d, d.tags.exists(t, t == 'finance'))`,
		`dags.all(d, d.tags.exists(t, t.startsWith('team-')) && d.owners.all(o, o in ['a', 'b', 'c', 'd']))`,
		`dags.exists(d, d.tags.exists(t, t.matches('^(pii|gdpr|sox)(-.*)?$')) || d.path.matches('^dags/(finance|hr)/.*[.]py$'))`,
		`dags.all(d, d.id.split('_')[0].lowerAscii() in ['finance', 'hr']) || reason.split(' ').exists(w, w.matches('^INC-[0-9]+$'))`,
		`reason.lowerAscii().replace('-', '_').contains('inc_') && requester.split('@').size() == 2`,
		`['a', 'b', 'c'].exists(x, dags.all(d, d.owners.exists(o, o == x)))`,
		`"%s by %s".format([reason, requester]).size() > 0`,
		`dags.map(d, d.id).isSorted() || dags.map(d, d.id).join(',').size() > 100`,
	} {
		compiled, err := rule.CompileRules([]v1alpha1.RequestRule{approvals("it", when)})
		if err != nil {
			t.Errorf("%s: %v", when, err)
			continue
		}
		if _, err := compiled.First(nil, largest()); err != nil && strings.Contains(err.Error(), "cost") {
			t.Errorf("%s: %v", when, err)
		}
	}
}

// Expressions that would never end, or fill memory, are refused or stopped.
func TestExpensiveExpressionsAreStopped(t *testing.T) {
	digits := `[0,1,2,3,4,5,6,7,8,9]`
	loops := func(depth int) string {
		out := "requester.matches('(a+)+$')"
		for i := range depth {
			out = fmt.Sprintf("%s.all(i%d, %s)", digits, i, out)
		}
		return out
	}
	chain := func(step string, times int) string {
		return "[requester]" + strings.Repeat(".map(a, "+step+")", times) + ".size() == 1"
	}
	for name, when := range map[string]string{
		"loops in loops":                loops(8),
		"loops in loops in loops":       loops(20),
		"a text that doubles":           chain("a + a", 40),
		"a text in each of its letters": chain("a.replace('a', a)", 4),
		"a text between all of a text":  chain("a.replace('', a)", 5),
		"a text between letters":        chain("a.split('').join(a)", 4),
		"a list joined":                 chain("[a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a].join(a)", 12),
		"a text that is formatted":      chain("'%s%s%s%s%s%s%s%s'.format([a,a,a,a,a,a,a,a])", 15),
		"a template with itself":        chain("(a + '%s').format([a])", 25),
		"pairs of all tags":             `dags.all(d, dags.all(e, d.tags.all(t, e.tags.all(u, t != u || true))))`,
		"a large range":                 `lists.range(1000000).map(i, lists.range(1000000)).size() > 0`,
		"a huge range":                  `lists.range(900000000000).size() > 0`,
		"a list that doubles":           "[[requester]]" + strings.Repeat(".map(a, a + a)", 40) + "[0].size() > 0",
		"bytes that double":             "[bytes(requester)]" + strings.Repeat(".map(a, a + a)", 40) + "[0].size() > 0",
		"sorting texts of texts":        "lists.range(10000).map(i, reason + string(i)).sort().size() > 0",
		"distinct texts":                "lists.range(16000).map(i, string(i)).distinct().size() > 0",
		"sets of many":                  "[lists.range(16000).map(i, string(i))].all(a, sets.contains(a, a))",
		"a large regular expression":    "reason.matches('(" + strings.Repeat("b?", 200) + "){1000}')",
		"a regular expression for all":  `dags.all(d, d.tags.all(t, !t.matches('(t?t?t?t?){100}$') || d.owners.all(o, !o.matches('(t?t?t?t?){100}$'))))`,
	} {
		t.Run(name, func(t *testing.T) {
			begin := time.Now()
			compiled, err := rule.CompileRules([]v1alpha1.RequestRule{approvals("it", when)})
			if err == nil {
				_, err = compiled.First(nil, largest())
			}
			if took := time.Since(begin); took > 10*time.Second {
				t.Errorf("it took %s", took)
			}
			if err == nil {
				t.Fatal("it was evaluated")
			}
			oneLine(t, err)
			t.Log(err)
		})
	}
}
