package privilege_test

import (
	"strings"
	"testing"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/privilege"
)

const (
	read, create, edit, remove = permission.CanRead, permission.CanCreate, permission.CanEdit, permission.CanDelete

	airflow2 = v1alpha1.PermissionModelAirflow2
	airflow3 = v1alpha1.PermissionModelAirflow3
)

// pairs reads permissions as they are printed, separated by commas.
func pairs(list string) []permission.Pair {
	var out []permission.Pair
	for text := range strings.SplitSeq(list, ", ") {
		if action, resource, ok := strings.Cut(text, " on "); ok {
			out = append(out, permission.Pair{Action: action, Resource: resource})
		}
	}
	return out
}

// The rules of the two models, one by one. A row lists the permissions of all roles of a user together; dag "" is a call
// that names no DAG.
func TestEffective(t *testing.T) {
	for sentence, c := range map[string]struct {
		model   v1alpha1.PermissionModel
		held    string
		action  string
		entity  privilege.Entity
		dag     string
		allowed bool
	}{
		"the empty model is that of Airflow 3":                          {"", "can_read on DAG:x, can_read on Task Instances, can_read on DAG Run:x", read, privilege.EntityTaskInstance, "x", false},
		"a right on a DAG opens this DAG":                               {airflow3, "can_read on DAG:x", read, privilege.EntityDag, "x", true},
		"and no other":                                                  {airflow3, "can_read on DAG:x", read, privilege.EntityDag, "y", false},
		"and does not imply another method":                             {airflow3, "can_read on DAG:x", edit, privilege.EntityDag, "x", false},
		"a right on DAGs opens every DAG":                               {airflow3, "can_edit on DAGs", edit, privilege.EntityDag, "x", true},
		"a list of DAGs needs one DAG that may be read":                 {airflow3, "can_read on DAG:x", read, privilege.EntityDag, "", true},
		"an entity needs its guardian":                                  {airflow3, "can_read on DAG:x", read, privilege.EntityTaskLogs, "x", false},
		"a guardian alone opens nothing on a DAG":                       {airflow3, "can_read on Task Logs", read, privilege.EntityTaskLogs, "x", false},
		"nor in a list":                                                 {airflow3, "can_read on Task Logs", read, privilege.EntityTaskLogs, "", false},
		"a guardian and a right on the DAG do":                          {airflow3, "can_read on DAG:x, can_read on Task Logs", read, privilege.EntityTaskLogs, "x", true},
		"but not on another DAG":                                        {airflow3, "can_read on DAG:x, can_read on Task Logs", read, privilege.EntityTaskLogs, "y", false},
		"a change of an entity needs can_edit on the DAG":               {airflow3, "can_read on DAG:x, can_create on DAG Run:x", create, privilege.EntityRun, "x", false},
		"with can_edit a run may be created":                            {airflow3, "can_edit on DAG:x, can_create on DAG Run:x", create, privilege.EntityRun, "x", true},
		"can_edit on DAGs counts, too":                                  {airflow3, "can_edit on DAGs, can_create on DAG Run:x", create, privilege.EntityRun, "x", true},
		"can_delete on the DAG does not replace can_edit for its runs":  {airflow3, "can_delete on DAG:x, can_delete on DAG Run:x", remove, privilege.EntityRun, "x", false},
		"a right on the runs of one DAG is none on those of another":    {airflow3, "can_edit on DAG:y, can_create on DAG Run:x", create, privilege.EntityRun, "y", false},
		"nor on a call without a DAG":                                   {airflow3, "can_read on DAG:x, can_read on DAG Run:x", read, privilege.EntityRun, "", false},
		"task instances need both guardians":                            {airflow3, "can_read on DAG:x, can_read on Task Instances", read, privilege.EntityTaskInstance, "x", false},
		"with both they are open":                                       {airflow3, "can_read on DAG:x, can_read on Task Instances, can_read on DAG Runs", read, privilege.EntityTaskInstance, "x", true},
		"tasks need one of them":                                        {airflow3, "can_read on DAG:x, can_read on Task Instances", read, privilege.EntityTask, "x", true},
		"on Airflow 3 DAG Run:x does not replace DAG Runs for them":     {airflow3, "can_read on DAG:x, can_read on Task Instances, can_read on DAG Run:x", read, privilege.EntityTaskInstance, "x", false},
		"on Airflow 2 it does":                                          {airflow2, "can_read on DAG:x, can_read on Task Instances, can_read on DAG Run:x", read, privilege.EntityTaskInstance, "x", true},
		"on Airflow 2 Task Instances is needed besides":                 {airflow2, "can_read on DAG:x, can_read on DAG Run:x", read, privilege.EntityTaskInstance, "x", false},
		"on Airflow 2 a list of an entity needs no DAG":                 {airflow2, "can_read on Task Logs", read, privilege.EntityTaskLogs, "", true},
		"a change that names no DAG needs the guardian only":            {airflow3, "can_edit on XComs", edit, privilege.EntityXCom, "", true},
		"menu_access is no method":                                      {airflow3, "menu_access on DAGs", permission.MenuAccess, privilege.EntityDag, "x", false},
		"an entity that does not exist is not open to a user with DAGs": {airflow3, "can_read on DAGs", read, privilege.Entity(99), "x", false},
	} {
		t.Run(sentence, func(t *testing.T) {
			if got := privilege.Effective(c.model, pairs(c.held)).Allows(c.action, c.entity, c.dag); got != c.allowed {
				t.Errorf("allowed: %v", got)
			}
		})
	}
}
