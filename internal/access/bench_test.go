package access_test

import (
	"fmt"
	"testing"

	"github.com/airflow-oam/airflow-oam/internal/access"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/dag"
)

// largeWorld has 5,000 users, 500 policies and 5,000 grants, a tenth of them narrowed.
func largeWorld() *world {
	w := newWorld()
	for i := range 2000 {
		w.Observed.Dags = append(w.Observed.Dags, dag.Dag{ID: fmt.Sprintf("team%03d_dag%04d", i%500, i), Path: fmt.Sprintf("team%03d/dag%04d.py", i%500, i)})
	}
	for i := range 5000 {
		name := fmt.Sprintf("user%04d", i)
		w.Observed.Users = append(w.Observed.Users, access.User{
			Username: name, Email: name + "@example.com", CreatedOn: "2026-01-01T00:00:00", Roles: []string{"Public"},
		})
	}
	for i := range 500 {
		p := w.policy(fmt.Sprintf("p%03d", i), levels(v1alpha1.AccessView, v1alpha1.AccessViewLogs, v1alpha1.AccessTrigger),
			[]string{fmt.Sprintf("team%03d_*", i)}, fmt.Sprintf("user%04d", i), fmt.Sprintf("user%04d", i+500))
		p.Spec.Dags = append(p.Spec.Dags, v1alpha1.DagSelector{Paths: []string{fmt.Sprintf("team%03d/**", i)}})
	}
	for i := range 5000 {
		var narrow []string
		if i%10 == 0 {
			narrow = []string{fmt.Sprintf("team%03d_dag%04d", i%500, i%500)}
		}
		w.grant(fmt.Sprintf("g%04d", i), w.Policies[i%500], fmt.Sprintf("user%04d", i), narrow...)
	}
	return w
}

func BenchmarkColdPass(b *testing.B) {
	w := largeWorld()
	for b.Loop() {
		d := Desire(w.Input)
		if len(NewPlan(w.Input, d).Phases) == 0 {
			b.Fatal("nothing to do")
		}
	}
}

func BenchmarkSteadyPass(b *testing.B) {
	w := largeWorld()
	w.pass(b)
	for b.Loop() {
		d := Desire(w.Input)
		if plan := NewPlan(w.Input, d); len(plan.Phases) != 0 {
			b.Fatalf("not steady: %s", Render(plan)[0])
		}
	}
}

// BenchmarkManyEndings ends all grants at once.
func BenchmarkManyEndings(b *testing.B) {
	w := largeWorld()
	w.pass(b)
	w.Now = w.Now.Add(2 * 3600e9)
	for b.Loop() {
		d := Desire(w.Input)
		if len(NewPlan(w.Input, d).Phases) == 0 {
			b.Fatal("nothing to do")
		}
	}
}

// BenchmarkManyTensions changes the DAGs of every policy while everybody is in two of them.
func BenchmarkManyTensions(b *testing.B) {
	w := largeWorld()
	for i, p := range w.Policies {
		next := fmt.Sprintf("team%03d_*", (i+1)%500)
		p.Spec.Dags = append(p.Spec.Dags, v1alpha1.DagSelector{IDs: []string{next}})
		for j := range 10 {
			p.Spec.Members = append(p.Spec.Members, v1alpha1.Subject{Username: fmt.Sprintf("user%04d", (i+500*j+1)%5000)})
		}
	}
	w.pass(b)
	for i := range w.Observed.Dags {
		w.Observed.Dags[i].ID += "_v2"
	}
	w.Instance.Spec.MassRevocationLimit = "100%"
	for b.Loop() {
		d := Desire(w.Input)
		if len(NewPlan(w.Input, d).Phases) == 0 {
			b.Fatal("nothing to do")
		}
	}
}

func BenchmarkAssess(b *testing.B) {
	w := largeWorld()
	w.pass(b)
	d := Desire(w.Input)
	for b.Loop() {
		if grants, _, _ := Assess(w.Input, d); len(grants) != 5000 {
			b.Fatal("too few proofs")
		}
	}
}
