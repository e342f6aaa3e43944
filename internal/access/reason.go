package access

// Reasons of problems. They are the same words in conditions, events and metrics.
const (
	// ReasonUserNotFound: Airflow stores no such user yet.
	ReasonUserNotFound = "UserNotFound"
	// ReasonSubjectAmbiguous: more than one user matches without regard to case.
	ReasonSubjectAmbiguous = "SubjectAmbiguous"
	// ReasonSubjectReserved: the subject is the operator's own account.
	ReasonSubjectReserved = "SubjectReserved"
	// ReasonSubjectChanged: another person has the user name now.
	ReasonSubjectChanged = "SubjectChanged"
	// ReasonInvalidSelector: a pattern of a policy's dags cannot match anything or means nothing.
	ReasonInvalidSelector = "InvalidSelector"
	// ReasonInvalidRoleName: the role name cannot or must not be managed.
	ReasonInvalidRoleName = "InvalidRoleName"
	// ReasonRoleNameTaken: another policy has the role already.
	ReasonRoleNameTaken = "RoleNameTaken"
	// ReasonRoleExists: the role was there before us and may not be taken over.
	ReasonRoleExists = "RoleExists"
	// ReasonTooManyRoles: the instance manages as many roles as its status can hold.
	ReasonTooManyRoles = "TooManyRoles"
	// ReasonPermissionNotAllowed: airflowPermissions holds pairs that the instance does not allow.
	ReasonPermissionNotAllowed = "PermissionNotAllowed"
	// ReasonAdoptionReported: an existing role is being taken over; this pass only reports.
	ReasonAdoptionReported = "AdoptionReported"
	// ReasonContested: somebody else keeps undoing what is restored; it is left alone for a while.
	ReasonContested = "Contested"
	// ReasonMassRevocationHeld: too many DAGs disappeared at once; what would be lost waits for a release.
	ReasonMassRevocationHeld = "MassRevocationHeld"
	// ReasonLevelNotSupported: the version of Airflow does not know a level.
	ReasonLevelNotSupported = "LevelNotSupported"
	// ReasonPolicyNotFound: the grant's policy does not exist or belongs to another instance.
	ReasonPolicyNotFound = "PolicyNotFound"
	// ReasonPolicyRefused: the grant's policy gives nothing.
	ReasonPolicyRefused = "PolicyRefused"
	// ReasonPolicySuspended: the grant's policy is suspended and gives nothing new.
	ReasonPolicySuspended = "PolicySuspended"
	// ReasonAsGranted: nobody can do more than was given to them.
	ReasonAsGranted = "AsGranted"
	// ReasonExcessAccess: roles combine to more than any of them gives.
	ReasonExcessAccess = "ExcessAccess"
	// ReasonWithheld: nothing is given, because roles would combine to more than any of them gives.
	ReasonWithheld = "Withheld"
	// ReasonInstanceObserving: the instance only observes and gives nothing new.
	ReasonInstanceObserving = "InstanceObserving"
	// ReasonInstanceNotReady: nothing is given in this Airflow now, for a reason that its instance tells.
	ReasonInstanceNotReady = "InstanceNotReady"
	// ReasonInstanceSuspended: the instance is suspended and gives nothing new.
	ReasonInstanceSuspended = "InstanceSuspended"
)

// Causes of drift.
const (
	// CauseDagAccessControl: DAG code with access_control took the rights on a DAG away.
	CauseDagAccessControl = "DagAccessControl"
	// CauseLoginRoleSync: a login overwrote the user's roles.
	CauseLoginRoleSync = "LoginRoleSync"
	// CauseRoleDeleted: the role was deleted.
	CauseRoleDeleted = "RoleDeleted"
	// CauseRoleEdited: the role's permissions were edited.
	CauseRoleEdited = "RoleEdited"
	// CauseUserDeleted: the user was deleted.
	CauseUserDeleted = "UserDeleted"
	// CauseManual: none of the others.
	CauseManual = "Manual"
	// CauseUnknown: it happened while nobody looked, before the first pass after a start.
	CauseUnknown = "Unknown"
)
