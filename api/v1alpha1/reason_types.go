package v1alpha1

// Types of conditions. Ready is always there; Reconciling and Stalled only while they are True.
const (
	// ConditionReady is True when what the object asks for is so, or when nothing can be done but wait for others.
	ConditionReady = "Ready"
	// ConditionReconciling is there while the operator works towards Ready.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is there while a person has to change something first.
	ConditionStalled = "Stalled"
	// ConditionAdmitted says whether the object may have what it asks for.
	ConditionAdmitted = "Admitted"
	// ConditionActive says whether a grant's access was seen in Airflow. Unknown: it could not be looked at.
	ConditionActive = "Active"
	// ConditionInSync says whether Airflow stores exactly what was declared.
	ConditionInSync = "InSync"
	// ConditionDagsPending is there while a policy names or selects DAGs that Airflow does not know yet, or a live grant
	// names DAGs that cannot be given now.
	ConditionDagsPending = "DagsPending"
	// ConditionLevelsSupported says whether that Airflow has everything that the policy's access levels stand for.
	ConditionLevelsSupported = "LevelsSupported"
	// ConditionLeastPrivilege says whether nobody can do more than was given to
	// them, by all roles that they have. It is left out while that is not known.
	ConditionLeastPrivilege = "LeastPrivilege"
	// ConditionMembersResolved says whether every standing member was found among Airflow's users.
	ConditionMembersResolved = "MembersResolved"
)

// Reasons of grants. The same word stands in condition, event, history and metric. The reasons of an end are those of
// EndReason.
const (
	// ReasonAdmitted: the grant may have what it asks for.
	ReasonAdmitted = "Admitted"
	// ReasonScheduled: its start is in the future.
	ReasonScheduled = "Scheduled"
	// ReasonActivating: it was activated and is being written to Airflow.
	ReasonActivating = "Activating"
	// ReasonActive: it was seen in Airflow.
	ReasonActive = "Active"
	// ReasonMissing: it was seen in Airflow before and is not there now; it is being restored.
	ReasonMissing = "Missing"
	// ReasonNotObserved: its Airflow was not looked at for twice the interval.
	ReasonNotObserved = "NotObserved"
	// ReasonEnding: it is being taken away.
	ReasonEnding = "Ending"
	// ReasonRemoved: it was proved that Airflow no longer stores it.
	ReasonRemoved = "Removed"
	// ReasonExtended: its end was moved to a later moment.
	ReasonExtended = "Extended"
	// ReasonShortened: its end was moved to an earlier moment.
	ReasonShortened = "Shortened"
	// ReasonExtensionTooLong: its end was asked for later than the policy's maxDuration after activation allows.
	ReasonExtensionTooLong = "ExtensionTooLong"
	// ReasonExtensionNotAllowed: a later end was asked for while nothing new is given.
	ReasonExtensionNotAllowed = "ExtensionNotAllowed"
	// ReasonExtensionTooLate: its end was changed after it had ended.
	ReasonExtensionTooLate = "ExtensionTooLate"

	// ReasonAlreadyGiven: it is a copy of a grant that was given, as a restored backup makes them.
	ReasonAlreadyGiven = "AlreadyGiven"
	// ReasonPolicyNotFound: its policy does not exist, or is being deleted.
	ReasonPolicyNotFound = "PolicyNotFound"
	// ReasonPolicyNotReady: its policy is refused, or was not yet looked at.
	ReasonPolicyNotReady = "PolicyNotReady"
	// ReasonPolicySuspended: its policy is suspended and gives nothing new.
	ReasonPolicySuspended = "PolicySuspended"
	// ReasonGrantsNotAllowed: its policy has no terms for grants.
	ReasonGrantsNotAllowed = "GrantsNotAllowed"
	// ReasonNamespaceNotAllowed: its policy does not take grants from its namespace.
	ReasonNamespaceNotAllowed = "NamespaceNotAllowed"
	// ReasonTooLong: it asks for more time than the policy's maxDuration.
	ReasonTooLong = "TooLong"
	// ReasonTooShort: it asks for less time than twice the permission cache of Airflow.
	ReasonTooShort = "TooShort"
	// ReasonTooFarAhead: its start is later than the policy's maxAhead allows.
	ReasonTooFarAhead = "TooFarAhead"
	// ReasonReasonMismatch: its reason does not look as the policy asks.
	ReasonReasonMismatch = "ReasonMismatch"
	// ReasonDagsNotCovered: it names DAGs that the policy does not select.
	ReasonDagsNotCovered = "DagsNotCovered"
	// ReasonAccessNotCovered: it asks for levels that the policy does not give.
	ReasonAccessNotCovered = "AccessNotCovered"
	// ReasonSubjectReserved: its subject is the operator's own account.
	ReasonSubjectReserved = "SubjectReserved"
	// ReasonSubjectAmbiguous: its subject is the name or e-mail of more than one user.
	ReasonSubjectAmbiguous = "SubjectAmbiguous"
	// ReasonUserNotFound: its subject is no user of that Airflow yet.
	ReasonUserNotFound = "UserNotFound"
	// ReasonDagPending: it names DAGs that Airflow does not know yet or, while it is live, that its policy does not cover
	// any more.
	ReasonDagPending = "DagPending"

	// ReasonAsGranted: nobody can do more than was given to them.
	ReasonAsGranted = "AsGranted"
	// ReasonExcessAccess: roles combine to more than any of them gives; the message
	// names levels, DAGs and roles.
	ReasonExcessAccess = "ExcessAccess"
	// ReasonWithheld: nothing is given, because roles would combine to more than any
	// of them gives, and the instance enforces least privilege.
	ReasonWithheld = "Withheld"
)

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
	// ReasonDeleting: the object waits until what it gave is proved gone.
	ReasonDeleting = "Deleting"
	// ReasonGrantsRemain: the policy being deleted waits for the end of its grants.
	ReasonGrantsRemain = "GrantsRemain"
	// ReasonRoleRemains: the policy being deleted waits until its roles are proved gone.
	ReasonRoleRemains = "RoleRemains"
)
