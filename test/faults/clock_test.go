package faults_test

import (
	"fmt"
	"net/http"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// off sets the operator's clock off the true time. It sees that by the clocks of Airflow and of the API server.
func off(w *world, d time.Duration) {
	w.struck()
	w.ahead = max(w.ahead, d, noise)
	w.operatorClock.setOff(d)
	w.everyProcess(func(p *process) { p.skew.Observe(w.now(), w.operatorClock.Now()) })
	w.note("the operator's clock is off by %s", d)
}

// elsewhere moves the operator to a machine whose clock is off, and back. A clock that is set while a process runs is
// not tried: its waits go by a clock that cannot be set, which simulated time has not.
func elsewhere(d time.Duration) func(*world) func(*world) {
	move := func(w *world, d time.Duration) {
		w.crash(w.processes[0])
		w.blindFor(processAway, 0)
		w.blindFor(onlyRevoking, clockAway)
		off(w, d)
		w.start()
	}
	return func(w *world) func(*world) {
		move(w, d)
		return func(w *world) { move(w, 0) }
	}
}

// skewed sets Airflow's clock off the true time, as its answers tell.
func skewed(d time.Duration) func(*world) func(*world) {
	return func(w *world) func(*world) {
		w.struck()
		w.ahead = max(w.ahead, d)
		if d.Abs() > time.Minute {
			w.blindFor(onlyRevoking, clockAway)
		}
		w.sim.SetSkew(d)
		w.note("Airflow's clock is off by %s", d)
		return func(w *world) { w.sim.SetSkew(0) }
	}
}

// slow sets Airflow's clock half a minute back, and schedules a grant that ends before it begins by that clock.
func slow(w *world) func(*world) {
	heal := skewed(-30 * time.Second)(w)
	w.poke()
	w.run(time.Second)
	at := w.now().Truncate(time.Second)
	w.aside("too-early", "dave", "", func(g *v1alpha1.AccessGrant) {
		g.Spec.StartsAt, g.Spec.ExpiresAt = &metav1.Time{Time: at.Add(5 * time.Second)}, &metav1.Time{Time: at.Add(25 * time.Second)}
	})
	return heal
}

// noise is how exactly one clock is known by the Date headers of another, which have whole seconds.
const noise = 3 * time.Second

// clockAway is how long a clock is off.
const clockAway = 40 * time.Second

// narrowed is what waits while clocks differ by more than a minute.
const narrowed = "what a policy no longer grants to its users, where role updates only add"

func timeFaults() []fault {
	const while = clockAway
	return []fault{
		{number: "F55", title: "the operator's clock is an hour ahead", lasts: while, excuse: narrowed, strike: elsewhere(time.Hour)},
		{number: "F56", title: "the operator's clock is an hour behind", lasts: while, excuse: narrowed, strike: elsewhere(-time.Hour)},
		{number: "F57", title: "the machine is suspended for ten minutes",
			excuse: "all endings, until a minute after", strike: done(func(w *world) {
				const asleep = 10 * time.Minute
				w.blindFor(processAway, asleep+time.Minute) // waits go on for at most a minute after
				w.clock.SetTime(w.now().Add(asleep))
				for _, p := range w.processes {
					for _, q := range p.queues {
						q.postpone(asleep)
					}
				}
			})},
		{number: "F58", title: "a leap of a second", lasts: while, strike: func(w *world) func(*world) {
			off(w, []time.Duration{time.Second, -time.Second}[w.random.IntN(2)])
			return func(w *world) { off(w, 0) }
		}},
		{number: "F59", title: "durations of 0, of less, and of a second", strike: done(func(w *world) {
			for _, text := range []string{"0s", "-1m"} {
				w.refused("a duration of "+text, w.rawGrant("no-time", map[string]any{"duration": text}))
			}
			w.aside("a-second", "dave", v1alpha1.ReasonTooShort, func(g *v1alpha1.AccessGrant) { g.Spec.Duration = &metav1.Duration{Duration: time.Second} })
		}), also: func(w *world) { w.neverActive("a-second") }},
		{number: "F60", title: "an end in the year 9999, and one in 2099", strike: done(func(w *world) {
			w.refused("the year 9999", w.rawGrant("for-ever", map[string]any{"expiresAt": "9999-12-31T23:59:59Z"}))
			w.aside("for-long", "dave", v1alpha1.ReasonTooLong, func(g *v1alpha1.AccessGrant) {
				g.Spec.ExpiresAt = &metav1.Time{Time: time.Date(2099, 12, 31, 0, 0, 0, 0, time.UTC)}
			})
		}), also: func(w *world) { w.neverActive("for-long") }},
		{number: "F61", title: fmt.Sprintf("%d expiries in one second", crowd), strike: done(func(w *world) {
			ends := w.now().Add(40*time.Second + 2*w.ttl).Truncate(time.Second)
			for i := range crowd {
				name := fmt.Sprintf("person-%03d", i)
				w.person(name)
				w.grantWith(name, name, "finance", termsVersion{at: w.now(), expiresAt: ends})
			}
		})},
		{number: "F62", title: "Airflow's clock is 30 s ahead", lasts: while, strike: skewed(30 * time.Second)},
		{number: "F62", title: "Airflow's clock is 30 s behind", lasts: while, strike: slow, also: func(w *world) { w.neverActive("too-early") }},
		{number: "F62", title: "Airflow's clock is five minutes behind", lasts: while, excuse: narrowed, strike: skewed(-5 * time.Minute)},
		{number: "F63", title: "extensions race with expiries", strike: done(func(w *world) {
			early := w.ttl + lead
			for i, before := range []time.Duration{time.Second, time.Millisecond, 0, -time.Millisecond} {
				name := fmt.Sprintf("racing-%d", i)
				ends := w.now().Add(30*time.Second + 2*w.ttl + time.Duration(i)*3*time.Second).Truncate(time.Second)
				w.grantWith(name, "dave", "marketing", termsVersion{at: w.now(), expiresAt: ends}, "marketing_report")
				w.once(ends.Add(-early-before), func() { w.extend(name, 8*time.Minute) })
			}
		})},
	}
}

// crowd is how many grants end at once; the benchmarks have thousands.
const crowd = 60

// refused checks that the API server does not take an object.
func (w *world) refused(what string, err error) {
	w.t.Helper()
	if status := (&apiStatus{}); !status.of(err) || status.code != http.StatusUnprocessableEntity {
		w.wrong("%s was not refused: %v", what, err)
	}
}

// aside makes a grant that is no cause of anything. Where why is not empty it waits for people, for that reason.
func (w *world) aside(name, person, why string, change func(*v1alpha1.AccessGrant)) {
	w.t.Helper()
	grant := &v1alpha1.AccessGrant{ObjectMeta: w.meta(name), Spec: v1alpha1.AccessGrantSpec{
		PolicyRef: v1alpha1.PolicyReference{Name: "finance"}, Subject: v1alpha1.Subject{Username: person},
	}}
	change(grant)
	w.create(grant)
	if why != "" {
		w.unwell[name] = why
	}
	w.note("grant %s is made and must not be given", name)
}

// neverActive checks that a grant was not given.
func (w *world) neverActive(name string) {
	w.t.Helper()
	for _, v := range w.record.all() {
		if g, ok := v.object.(*v1alpha1.AccessGrant); ok && g.Name == name && g.Status.Activation != nil {
			w.wrong("grant %s was given", name)
			return
		}
	}
}
