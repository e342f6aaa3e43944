package faults_test

import (
	"slices"
	"time"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

// act is something that people, or others who write to Airflow, do at a moment.
type act struct {
	at time.Duration
	do func(*world)
}

// scenario is what happens in a world, but for the fault. It is the same for the same seed.
type scenario struct {
	name string
	acts func(*world) []act
}

var (
	view, trigger = v1alpha1.AccessView, v1alpha1.AccessTrigger
	editRuns      = v1alpha1.AccessEditRuns
	viewLogs      = v1alpha1.AccessViewLogs
)

// strikeAt is when the fault begins: not before everything is in place, and not at the same time for each seed.
func (w *world) strikeAt() time.Duration {
	return 60*time.Second + time.Duration(w.random.IntN(20000))*time.Millisecond
}

// someTime is a moment between two, in milliseconds.
func (w *world) someTime(from, to time.Duration) time.Duration {
	return from + time.Duration(w.random.Int64N(int64((to-from)/time.Millisecond)))*time.Millisecond
}

// furnish makes what is there before anything happens: two policies with standing members.
func (w *world) furnish() {
	w.secret(airflowtest.AdminPassword)
	w.instance()
	w.policy("finance", "finance_*", []v1alpha1.AccessLevel{view, trigger}, "alice", "erin")
	w.policy("marketing", "marketing_*", []v1alpha1.AccessLevel{view, viewLogs, editRuns}, "carol")
}

// common is part of every scenario: around the fault somebody is given access, somebody's time is over, and somebody's
// access is taken back.
func common(w *world, strike time.Duration) []act {
	early := w.ttl + lead
	ends := strike + w.someTime(time.Second, 25*time.Second)
	return []act{
		{3 * time.Second, func(w *world) {
			w.grantWith("ends-by-time", "gina", "finance", termsVersion{at: w.now(), expiresAt: w.began.Add(ends + early).Truncate(time.Second)})
			w.grant("taken-back", "heidi", "marketing", time.Hour)
			w.grant("lasts", "bob", "finance", 2*time.Hour, "finance_daily")
		}},
		{4 * time.Second, func(w *world) { w.policy("brief", "payroll", []v1alpha1.AccessLevel{view}, "dave") }},
		{strike + time.Millisecond, func(w *world) {
			w.grant("begins", "frank", "finance", 2*time.Hour)
			w.grant("begins-narrow", "erin", "finance", 2*time.Hour, "finance_audit")
		}},
		{strike + 2*time.Second, func(w *world) { w.deletePolicy("brief") }},
		{strike + w.someTime(time.Second, 10*time.Second), func(w *world) { w.revoke("taken-back") }},
		{strike + w.someTime(10*time.Second, 20*time.Second), func(w *world) {
			w.editPolicy("marketing", "dave becomes a member", func(p *v1alpha1.DagAccessPolicySpec) {
				p.Members = append(p.Members, v1alpha1.Subject{Username: "dave"})
			})
		}},
	}
}

var scenarios = []scenario{
	{"grants", func(w *world) []act {
		var acts []act
		for i, name := range []string{"one", "two", "three", "four"} {
			begin, length := w.someTime(5*time.Second, 40*time.Second), w.someTime(90*time.Second, 150*time.Second).Truncate(time.Second)
			person, policy := people[w.random.IntN(len(people))], []string{"finance", "marketing"}[w.random.IntN(2)]
			var narrow []string
			if policy == "finance" && w.random.IntN(2) == 0 {
				narrow = []string{"finance_weekly"}
			}
			acts = append(acts, act{begin, func(w *world) { w.grant(name, person, policy, length, narrow...) }})
			later := w.someTime(begin+5*time.Second, begin+70*time.Second)
			switch i {
			case 0:
				acts = append(acts, act{later, func(w *world) { w.extend(name, length+60*time.Second) }})
			case 1:
				acts = append(acts, act{later, func(w *world) { w.revoke(name) }})
			case 2:
				acts = append(acts, act{later, func(w *world) { w.deleteGrant(name) }})
			}
		}
		return acts
	}},
	{"policies", func(w *world) []act {
		at := func() time.Duration { return w.someTime(40*time.Second, 130*time.Second) }
		gone := w.someTime(30*time.Second, 60*time.Second)
		return []act{
			{5 * time.Second, func(w *world) { w.policy("audit", "finance_a*", []v1alpha1.AccessLevel{view}, "bob", "dave") }},
			{6 * time.Second, func(w *world) { w.grant("audited", "carol", "audit", time.Hour) }},
			{at(), func(w *world) {
				w.editPolicy("finance", "may edit runs, may not trigger", func(p *v1alpha1.DagAccessPolicySpec) { p.Access = []v1alpha1.AccessLevel{view, editRuns} })
			}},
			{at(), func(w *world) {
				w.editPolicy("finance", "erin leaves, heidi comes", func(p *v1alpha1.DagAccessPolicySpec) {
					p.Members = []v1alpha1.Subject{{Username: "alice"}, {Username: "heidi"}}
				})
			}},
			{at(), func(w *world) {
				w.editPolicy("marketing", "also covers payroll", func(p *v1alpha1.DagAccessPolicySpec) {
					p.Dags = append(p.Dags, v1alpha1.DagSelector{IDs: []string{"payroll"}})
				})
			}},
			{at(), func(w *world) { w.deletePolicy("audit") }},
			{gone, func(w *world) { w.sim.RemoveDag("finance_weekly"); w.note("DAG finance_weekly is gone") }},
			{gone + 45*time.Second, func(w *world) {
				w.sim.SetDag(airflowtest.Dag{ID: "finance_weekly"})
				w.note("DAG finance_weekly is there again")
			}},
		}
	}},
	{"others", func(w *world) []act {
		at := func() time.Duration { return w.someTime(20*time.Second, 140*time.Second) }
		return []act{
			{at(), func(w *world) { w.sneak("heidi", "finance") }},
			{at(), func(w *world) { w.sneak("dave", "finance") }},
			{at(), func(w *world) { w.strip("alice", "finance") }},
			{at(), func(w *world) { w.strip("carol", "marketing") }},
			{at(), func(w *world) {
				w.widen("finance", airflow.Permission{Action: "can_delete", Resource: "DAG:finance_daily"})
			}},
			{at(), func(w *world) { w.grant("amid", "dave", "finance", 100*time.Second) }},
		}
	}},
}

// play lets a scenario and a fault happen, and gives when all is over.
func (w *world) play(s scenario, f fault) {
	w.t.Helper()
	w.start()
	w.furnish()
	w.run(2 * time.Second)
	strike := w.strikeAt()
	acts := append(common(w, strike), s.acts(w)...)
	acts = append(acts, act{strike, f.begin})
	if f.lasts > 0 {
		acts = append(acts, act{strike + f.lasts, f.end})
	}
	slices.SortStableFunc(acts, func(a, b act) int { return int(a.at - b.at) })
	for _, a := range acts {
		if wait := a.at - w.at(); wait > 0 {
			w.run(wait)
		}
		if !w.over {
			a.do(w)
		}
	}
	w.run(max(4*time.Minute-w.at(), 2*time.Minute+5*time.Second+f.settles))
}
