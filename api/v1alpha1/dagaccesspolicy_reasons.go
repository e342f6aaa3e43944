package v1alpha1

// Reasons of policies, besides those above.
const (
	// ReasonReady: everything is as declared.
	ReasonReady = "Ready"
	// ReasonProgressing: the first pass over this generation is under way.
	ReasonProgressing = "Progressing"
	// ReasonInSync: Airflow stores exactly what was declared.
	ReasonInSync = "InSync"
	// ReasonNotInSync: Airflow stores something else than was declared; the message names differences.
	ReasonNotInSync = "NotInSync"
	// ReasonRefusedInFront: something in front of Airflow refuses to have a role or a user of the policy written.
	ReasonRefusedInFront = "RefusedInFront"
	// ReasonInstanceNotFound: there is no such AirflowInstance.
	ReasonInstanceNotFound = "InstanceNotFound"
	// ReasonInstanceNotReady: the AirflowInstance could not be reached, or not yet.
	ReasonInstanceNotReady = "InstanceNotReady"
	// ReasonInstanceObserving: the AirflowInstance is in mode Observe, which gives and repairs nothing.
	ReasonInstanceObserving = "InstanceObserving"
	// ReasonInstanceSuspended: the AirflowInstance is in mode Suspended, which gives and repairs nothing.
	ReasonInstanceSuspended = "InstanceSuspended"
	// ReasonInvalidPattern: grants.reason.pattern is no regular expression (RE2).
	ReasonInvalidPattern = "InvalidPattern"
	// ReasonInvalidSelector: a selector cannot be understood.
	ReasonInvalidSelector = "InvalidSelector"
	// ReasonInvalidRoleName: role.name cannot or must not be managed.
	ReasonInvalidRoleName = "InvalidRoleName"
	// ReasonRoleNameTaken: another policy holds the role name.
	ReasonRoleNameTaken = "RoleNameTaken"
	// ReasonRoleExists: Airflow has a role of that name which is not ours and may not be adopted.
	ReasonRoleExists = "RoleExists"
	// ReasonTooManyRoles: the AirflowInstance manages as many roles as its status can hold.
	ReasonTooManyRoles = "TooManyRoles"
	// ReasonPermissionNotAllowed: airflowPermissions holds a pair that the instance does not allow.
	ReasonPermissionNotAllowed = "PermissionNotAllowed"
	// ReasonAdoptionReported: the existing role was only looked at in this first pass.
	ReasonAdoptionReported = "AdoptionReported"
	// ReasonMassRevocationHeld: a loss of access because DAGs disappeared waits for a release.
	ReasonMassRevocationHeld = "MassRevocationHeld"
	// ReasonLevelNotSupported: that Airflow lacks something that a level stands for; the rest is applied.
	ReasonLevelNotSupported = "LevelNotSupported"
	// ReasonLevelsSupported: that Airflow has everything that the levels stand for.
	ReasonLevelsSupported = "LevelsSupported"
	// ReasonDagsUnknown: Airflow does not know some of the DAGs yet.
	ReasonDagsUnknown = "DagsUnknown"
	// ReasonDagsStaleOrMissing: the DAG list marks DAGs stale or lacks them, and access to them stays for dagGracePeriod.
	ReasonDagsStaleOrMissing = "DagsStaleOrMissing"
	// ReasonMatched: the selectors match DAGs.
	ReasonMatched = "Matched"
	// ReasonNothingMatched: the selectors match no DAG, and the policy gives no access to any.
	ReasonNothingMatched = "NothingMatched"
	// ReasonDeleting: the object waits until what it gave is proved gone.
	ReasonDeleting = "Deleting"
	// ReasonGrantsRemain: the policy being deleted waits for the end of its grants.
	ReasonGrantsRemain = "GrantsRemain"
	// ReasonRoleRemains: the policy being deleted waits until its roles are proved gone.
	ReasonRoleRemains = "RoleRemains"
)
