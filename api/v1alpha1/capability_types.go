package v1alpha1

// Authentication is how the operator logs in.
type Authentication string

// The ways to log in.
const (
	// AuthenticationJWT exchanges the password for a token (Airflow 3).
	AuthenticationJWT Authentication = "JWT"
	// AuthenticationSession sends the password once and keeps the session's cookie
	// (Airflow 2).
	AuthenticationSession Authentication = "Session"
)

// RoleUpdate is what an update of a role does with its permissions.
type RoleUpdate string

// The kinds of role update.
const (
	// RoleUpdateReplace stores what was sent.
	RoleUpdateReplace RoleUpdate = "Replace"
	// RoleUpdateAdd only adds: what is to go needs another role.
	RoleUpdateAdd RoleUpdate = "Add"
	// RoleUpdateRefused answers 403 to everybody: every change needs another role.
	RoleUpdateRefused RoleUpdate = "Refused"
)

// RoleDelete is whether roles can be deleted.
type RoleDelete string

// The kinds of role delete.
const (
	// RoleDeleteWorks deletes.
	RoleDeleteWorks RoleDelete = "Works"
	// RoleDeleteFails answers 500: a role that is not needed stays without members.
	RoleDeleteFails RoleDelete = "Fails"
)

// PermissionList is what the list of permissions holds.
type PermissionList string

// The kinds of permission list.
const (
	// PermissionListPairs holds every stored pair of action and resource.
	PermissionListPairs PermissionList = "Pairs"
	// PermissionListActions holds the names of actions only.
	PermissionListActions PermissionList = "Actions"
	// PermissionListNone cannot be read.
	PermissionListNone PermissionList = "None"
)

// PermissionModel is by which rules a server decides what a person may do.
type PermissionModel string

// The permission models.
const (
	// PermissionModelAirflow3 lets DAG Run:<id> stand for DAG Runs on runs only
	// (fab 2.4.2 and later).
	PermissionModelAirflow3 PermissionModel = "Airflow3"
	// PermissionModelAirflow2 lets DAG Run:<id> stand for DAG Runs on runs and
	// task instances (Airflow 2.10 and later with fab 1.3 and later).
	PermissionModelAirflow2 PermissionModel = "Airflow2"
)

// PermissionCache is whether Airflow's workers remember what people may do.
type PermissionCache string

// The kinds of permission cache.
const (
	// PermissionCachePerWorker is remembered for [fab] cache_ttl (fab 3.2.0 and
	// later).
	PermissionCachePerWorker PermissionCache = "PerWorker"
	// PermissionCacheNone is none: a change works with the next request.
	PermissionCacheNone PermissionCache = "None"
)

// Capabilities say how a server behaves where releases differ. An empty field
// means the newest behaviour.
type Capabilities struct {
	// authentication is JWT or Session.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Authentication Authentication `json:"authentication,omitempty"`
	// roleUpdate is Replace, Add or Refused.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	RoleUpdate RoleUpdate `json:"roleUpdate,omitempty"`
	// roleDelete is Works or Fails.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	RoleDelete RoleDelete `json:"roleDelete,omitempty"`
	// permissionList is Pairs, Actions or None.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	PermissionList PermissionList `json:"permissionList,omitempty"`
	// permissionModel is Airflow3 or Airflow2.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	PermissionModel PermissionModel `json:"permissionModel,omitempty"`
	// permissionCache is PerWorker or None.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	PermissionCache PermissionCache `json:"permissionCache,omitempty"`
}
