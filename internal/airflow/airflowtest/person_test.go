package airflowtest_test

import (
	"testing"

	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

func TestPeopleAct(t *testing.T) {
	s := airflowtest.New(airflowtest.Options{Prefix: "/team-a"})
	s.SetDag(airflowtest.Dag{ID: "sales"})
	s.SetDag(airflowtest.Dag{ID: "other"})
	s.SetRole("r", pair("can_read", "DAG:sales"), pair("can_edit", "DAG:sales"), pair("can_create", "DAG Run:sales"))
	s.AddUser(airflowtest.User{Username: "bob", Roles: []string{"r"}})
	for what, statuses := range map[string][2]int{
		"see":     {s.See("bob", "sales"), s.See("bob", "other")},
		"trigger": {s.Trigger("bob", "sales"), s.Trigger("bob", "other")},
		"pause":   {s.Pause("bob", "sales"), s.Pause("bob", "other")},
	} {
		if statuses != [2]int{200, 403} {
			t.Errorf("%s: %v, want 200 and 403", what, statuses)
		}
	}
	triggered := s.Changes(func(c airflowtest.Change) bool { return c.Kind == airflowtest.RunTriggered })
	if len(triggered) != 1 || triggered[0].By != "bob" || triggered[0].Dag != "sales" {
		t.Errorf("triggered: %+v", triggered)
	}
	s.Inject(airflowtest.OverWire(airflowtest.Dropped))
	if got := s.See("bob", "sales"); got != 0 {
		t.Errorf("over a broken connection: %d", got)
	}
	s.SetUserRoles("bob")
	s.Heal()
	if got := s.Trigger("bob", "sales"); got != 403 {
		t.Errorf("without the role: %d", got)
	}
}
