package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

// generations are the kinds of servers of P3 and P8.
func generations() []airflowtest.Generation {
	return []airflowtest.Generation{airflowtest.Airflow33, airflowtest.Airflow32}
}

// drift changes one percent of the roles and of the people as others might: half of them have something taken away, half
// are given something. It gives the least number of writes that undo it.
func (w *world) drift() (changes int) {
	roles, users := max(2, w.settings.roles/100), max(2, w.settings.users/100)
	for i := range roles {
		name := roleName(i)
		held := slices.Clone(w.roles[name])
		if i%2 == 0 {
			held = held[1:]
		} else {
			held = append(held, airflow.Permission{Action: "can_delete", Resource: "DAG:" + dagName(i*dagsPerRole)})
		}
		changes += w.undo(i%2 != 0)
		w.sim.SetRole(name, held...)
	}
	for i := range users {
		name := userName(w.settings.users - 1 - i)
		if i%2 == 0 {
			w.sim.SetUserRoles(name, "Public")
		} else {
			w.sim.SetUserRoles(name, "Public", w.members[name], roleName(i))
		}
	}
	return changes + users
}

// undo is how many writes take something out of a role, or give it back. Where updates only add, a role that was given
// too much is replaced: another one is made, its members move, and it is deleted.
func (w *world) undo(given bool) int {
	if given && airflow.CapabilitiesOf(airflow.Server{FABProvider: w.settings.generation.FABProvider}).RoleUpdate == airflow.RoleUpdateAdd {
		return 2 + w.settings.users/w.settings.roles
	}
	return 1
}

// effective is the oracle of what people can do, whatever the names of roles are: everybody holds exactly the pairs of
// the role that they should have.
func (w *world) effective() error {
	for i := range w.settings.users {
		name := userName(i)
		held, _ := w.sim.UserRoles(name)
		var got []airflow.Permission
		for _, role := range held {
			if role == "Public" {
				continue
			}
			stored, _ := w.sim.Role(role)
			got = append(got, stored.Permissions...)
		}
		got = slices.DeleteFunc(airflow.SortPermissions(got), func(p airflow.Permission) bool { return p.Resource == "Website" })
		if !slices.Equal(got, w.roles[w.members[name]]) {
			return fmt.Errorf("%s can do %d things, want %d", name, len(got), len(w.roles[w.members[name]]))
		}
	}
	return nil
}

func drifted(ctx context.Context, s settings) ([]string, error) {
	fmt.Printf("\n### P3 one percent changed by others: %d roles, %d users, %d trials\n\n", s.roles, s.users, s.trials)
	fmt.Println("| server | latency | contestant | requests | of bound | repaired | seconds: median (min to max) | ratio to ours |")
	fmt.Println("|---|---|---|---|---|---|---|---|")
	var missed []string
	for _, generation := range generations() {
		s.generation = generation
		for _, latency := range s.latencies {
			out, err := driftedAt(ctx, s, latency)
			if err != nil {
				return nil, err
			}
			missed = append(missed, out...)
		}
	}
	return missed, nil
}

func driftedAt(ctx context.Context, s settings, latency time.Duration) ([]string, error) {
	server := s.generation.Version
	changes, repaired := 0, "all"
	missed, err := race(ctx, latency, func(ctx context.Context, c contestant) ([]sample, error) {
		changes, repaired = 0, "all"
		return trials(ctx, s.trials, func(ctx context.Context) (sample, error) {
			w, err := newWorld(s, 0)
			if err != nil {
				return sample{}, err
			}
			defer w.close()
			w.standing()
			if err := c.converge(ctx, w); err != nil {
				return sample{}, err
			}
			changes = w.drift()
			w.slow(latency)
			out, err := w.measure(func() error { return c.converge(ctx, w) }, func() error { return nil })
			if found := w.effective(); found != nil {
				repaired = "no: " + found.Error()
			}
			return out, err
		})
	}, func(r result) []string {
		bound := 1.2 * float64(allPages(s)+2*changes)
		fmt.Printf("| %s | %d ms | %s | %d | %.2f | %s | %.2f (%.2f to %.2f) | %.1f |\n", server, latency.Milliseconds(), r.name, r.requests(),
			float64(r.requests())/bound, repaired, r.mid, r.least, r.most, r.ratio())
		if repaired == "all" && float64(r.requests()) <= bound {
			return nil
		}
		return []string{fmt.Sprintf("P3 on %s at %s: %d requests (bound %.0f), repaired: %s", server, latency, r.requests(), bound, repaired)}
	}, naiveName) // it takes no permission away, and would give each again, as in P2
	if err != nil {
		return nil, fmt.Errorf("on %s: %w", server, err)
	}
	return missed, nil
}
