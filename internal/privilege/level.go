package privilege

import (
	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
)

// levelVerbs are the verbs by which a level is known.
var levelVerbs = []struct {
	level v1alpha1.AccessLevel
	verbs verbs
}{
	{v1alpha1.AccessView, verb(0, EntityDag) | verb(0, EntityRun) | verb(0, EntityTask) | verb(0, EntityTaskInstance) |
		verb(0, EntityVersion) | verb(0, EntityDependencies) | verb(0, EntityWarning) | verb(0, EntityHITLDetail)},
	{v1alpha1.AccessViewLogs, verb(0, EntityTaskLogs)},
	{v1alpha1.AccessViewCode, verb(0, EntityCode)},
	{v1alpha1.AccessViewXComs, verb(0, EntityXCom)},
	{v1alpha1.AccessViewAudit, verb(0, EntityAuditLog)},
	{v1alpha1.AccessPause, verb(2, EntityDag)},
	{v1alpha1.AccessTrigger, verb(1, EntityRun)},
	{v1alpha1.AccessEditRuns, verb(2, EntityRun)},
	{v1alpha1.AccessDeleteRuns, verb(3, EntityRun)},
	{v1alpha1.AccessEditTasks, verb(2, EntityTaskInstance)},
	{v1alpha1.AccessEditXComs, verb(1, EntityXCom) | verb(2, EntityXCom) | verb(3, EntityXCom)},
	{v1alpha1.AccessRespondHITL, verb(2, EntityHITLDetail)},
	{v1alpha1.AccessDeleteDag, verb(3, EntityDag)},
}

// levelsOf names verbs by the levels of the server that have them, and the others by action and resource.
func levelsOf(server permission.Server, v verbs) []string {
	var names []string
	for _, known := range levelVerbs {
		if server.HasLevel(known.level) && v&known.verbs != 0 {
			names = append(names, string(known.level))
			v &^= known.verbs
		}
	}
	for method, action := range methods {
		for entity := range entityCount {
			if v&verb(method, entity) != 0 {
				names = append(names, permission.Pair{Action: action, Resource: entity.resource()}.String())
			}
		}
	}
	return names
}

// resource returns the resource by which an entity is named: the last of those that guard it.
func (e Entity) resource() string {
	need := guarding[e]
	if len(need) == 0 {
		return guardian[0]
	}
	return guardian[need[len(need)-1]]
}
