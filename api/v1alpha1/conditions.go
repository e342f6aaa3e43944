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
	// ConditionDagsAway is there while access to DAGs stays that Airflow's DAG list marks stale or lacks.
	ConditionDagsAway = "DagsAway"
	// ConditionDagsMatched says whether the selectors of a policy match DAGs. It is left out while that is not known.
	ConditionDagsMatched = "DagsMatched"
	// ConditionLevelsSupported says whether that Airflow has everything that the policy's access levels stand for.
	ConditionLevelsSupported = "LevelsSupported"
	// ConditionLeastPrivilege says whether nobody can do more than was given to
	// them, by all roles that they have. It is left out while that is not known.
	ConditionLeastPrivilege = "LeastPrivilege"
	// ConditionApproved says how a request was decided; Unknown while it waits.
	ConditionApproved = "Approved"
	// ConditionReviewed says whether somebody looked at an emergency afterwards.
	ConditionReviewed = "Reviewed"
	// ConditionRequestsReady says whether access can be requested under a policy. It is there where the policy has terms for
	// requests, and changes nothing for members and grants.
	ConditionRequestsReady = "RequestsReady"
	// ConditionMembersResolved says whether every standing member was found among Airflow's users.
	ConditionMembersResolved = "MembersResolved"
)

// Types of conditions of AirflowInstance, besides those that every kind has.
const (
	// ConditionReachable says whether the server answers.
	ConditionReachable = "Reachable"
	// ConditionAuthenticated says whether the server knows the operator's account, and lets it do what it must.
	ConditionAuthenticated = "Authenticated"
	// ConditionCompatible says whether this Airflow can be governed.
	ConditionCompatible = "Compatible"
	// ConditionIdentityReady says whether the instance's identity can be used. It is there where the instance has one, and
	// changes nothing but requests.
	ConditionIdentityReady = "IdentityReady"
	// ConditionCacheTTLAssumed is there while permissionCacheTTL is unset and 30s is assumed.
	ConditionCacheTTLAssumed = "CacheTTLAssumed"
)
