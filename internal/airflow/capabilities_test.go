package airflow_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

func TestCapabilitiesFollowFromTheProvider(t *testing.T) {
	type row struct {
		airflow, update, remove, users, list, model string
		caches, misleads                            bool
	}
	const (
		replace, add, refused = airflow.RoleUpdateReplace, airflow.RoleUpdateAdd, airflow.RoleUpdateRefused
		works, fails          = airflow.Works, airflow.Fails
		pairs, none, actions  = airflow.PermissionListPairs, airflow.PermissionListNone, airflow.PermissionListActions
		old, present          = airflow.PermissionModelAirflow2, airflow.PermissionModelAirflow3
	)
	for provider, want := range map[string]row{
		"1.0.0":          {"2.9.0", add, works, works, actions, old, false, false},
		"1.5.4":          {"2.11.2", add, works, works, actions, old, false, false},
		"2.0.0":          {"3.0.0", add, works, works, none, old, false, false},
		"2.4.1":          {"3.0.6", add, works, works, none, old, false, false},
		"2.4.2":          {"3.0.6", add, works, works, none, present, false, false},
		"3.0.1":          {"3.1.0", add, works, works, none, present, false, false},
		"3.0.2":          {"3.1.1", add, fails, works, none, present, false, true},
		"3.0.3":          {"3.1.2", refused, fails, works, none, present, false, false},
		"3.1.9":          {"3.1.5", refused, fails, works, none, present, false, false},
		"3.2.0":          {"3.1.7", refused, fails, fails, none, present, true, false},
		"3.3.0":          {"3.1.8", add, fails, fails, none, present, true, false},
		"3.4.0":          {"3.1.8", add, fails, works, none, present, true, false},
		"3.5.0":          {"3.2.0", add, fails, works, none, present, true, false},
		"3.6.0":          {"3.2.1", add, works, works, none, present, true, true},
		"3.6.3":          {"3.2.1", add, works, works, none, present, true, true},
		"3.6.4":          {"3.2.2", add, works, works, pairs, present, true, false},
		"3.8.0":          {"3.3.0", add, works, works, pairs, present, true, false},
		"3.8.1":          {"3.3.1", replace, works, works, pairs, present, true, false},
		"3.8.1rc1":       {"3.3.1", replace, works, works, pairs, present, true, true},
		"3.8.1.dev0":     {"3.3.1", replace, works, works, pairs, present, true, true},
		"3.8.1b2":        {"3.3.1", replace, works, works, pairs, present, true, true},
		"3.8.1.post1":    {"3.3.1", replace, works, works, pairs, present, true, false},
		"3.8.1+ours.2":   {"3.3.1", replace, works, works, pairs, present, true, false},
		"3.10.2":         {"3.3.2", replace, works, works, pairs, present, true, false},
		"3.10.3":         {"3.3.2", replace, works, works, pairs, present, true, true},
		"4.0.0":          {"3.4.0", replace, works, works, pairs, present, true, true},
		"3.10":           {"3.3.2", replace, works, works, pairs, present, true, false},
		"":               {"3.3.2", add, works, works, none, present, true, true},
		"latest":         {"3.3.2", add, works, works, none, present, true, true},
		"3":              {"3.3.2", add, works, works, none, present, true, true},
		"99999999999.1":  {"3.3.2", add, works, works, none, present, true, true},
		"3.10.2 ; x=1":   {"3.3.2", replace, works, works, pairs, present, true, true},
		"unknown of two": {"2.7.3", add, works, works, actions, old, false, false},
	} {
		server := airflow.Server{Version: want.airflow, AuthManager: airflow.AuthManagerFAB, FABProvider: provider}
		got := airflow.CapabilitiesOf(server)
		authentication := airflow.AuthenticationJWT
		if want.list == actions {
			authentication = airflow.AuthenticationSession
		}
		if diff := cmp.Diff(airflow.Capabilities{
			Authentication: authentication, RoleUpdate: want.update, RoleDelete: want.remove, Users: want.users,
			PermissionList: want.list, PermissionModel: want.model, Caches: want.caches,
		}, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", provider, diff)
		}
		if server.Misleads() != want.misleads {
			t.Errorf("%q misleads: %v, want %v", provider, server.Misleads(), want.misleads)
		}
	}
	if (airflow.Server{Version: "3.3.2", AuthManager: airflow.AuthManagerSimple}).Misleads() {
		t.Error("there is nothing to find out about the Simple auth manager")
	}
}
