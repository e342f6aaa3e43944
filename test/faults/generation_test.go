package faults_test

import (
	"time"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

// servers are the kinds of Airflow that are tried: one whose role updates replace, one whose role updates only add and
// which adds a right to every role by itself, and one of another major release, which only adds, too.
var servers = []airflowtest.Generation{airflowtest.Airflow33, airflowtest.Airflow32, airflowtest.Airflow211}

// server is the Airflow of a run, where the fault has none of its own. Nine runs that follow each other have all scenarios
// on all servers.
func server(n int) *airflowtest.Generation { return &servers[n/len(scenarios)%len(servers)] }

// tokens is an Airflow that gives tokens: those before 3 do not.
func tokens(o *airflowtest.Options) {
	if o.Generation == &servers[2] {
		o.Generation = &servers[0]
	}
}

// adding is an Airflow whose role updates only add, and which adds a right to every role by itself.
func adding(o *airflowtest.Options) { o.Generation = &airflowtest.Airflow32 }

// generationFaults are those of older releases, and some others on such a release.
func generationFaults() []fault {
	const while = 30 * time.Second
	nothing := func(w *world) func(*world) { w.struck(); return nil }
	return []fault{
		{number: "F33", title: "role updates only add (Airflow 3.2)", options: adding, strike: nothing},
		{number: "F33", title: "role updates only add, and the process is killed at some write", lasts: 40 * time.Second, options: adding,
			strike: crashAtAny, excuse: "all endings, until a process runs"},
		{number: "F33", title: "role updates only add, and the process is killed while a successor takes the place of a role", lasts: 40 * time.Second,
			options: adding, strike: crashInSuccession, excuse: "all endings, until a process runs"},
		{number: "F33", title: "role updates only add, and a burst of 5xx", lasts: while, what: airflowAway, options: adding, strike: func(w *world) func(*world) {
			f := airflowtest.BadGateway(503)
			f.If = some(w.random.Uint64(), 5)
			return inject(w, f)
		}},
		{number: "F33", title: "role updates only add, and two leaders for half a minute", lasts: while, options: adding, strike: twoLeaders},
		{number: "F45", title: "role updates only add, and deleting a role fails", lasts: while, options: adding,
			strike: always(airflowtest.Status(500, "Internal Server Error").On("DELETE", roleEndpoint))},
		{number: "F78", title: "the server adds a right to every role, again and again (Airflow 3.2)", lasts: while, options: adding, strike: func(w *world) func(*world) {
			w.every(10*time.Second, func() {
				w.struck()
				w.sim.AddToEveryRole(airflow.Permission{Action: "can_read", Resource: "Website"})
			})
			return func(w *world) { w.habits = nil }
		}},
		{number: "F78", title: "the server adds a right to every role at its start", strike: done(func(w *world) {
			w.sim.AddToEveryRole(airflow.Permission{Action: "can_read", Resource: "Website"})
		})},
	}
}
