package v1alpha1

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
	// ReasonPolicyRefused: its policy is refused; the policy's conditions say why.
	ReasonPolicyRefused = "PolicyRefused"
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
	// ReasonSubjectNotAddressable: Airflow's API cannot address the subject's user name, such as one with a slash.
	ReasonSubjectNotAddressable = "SubjectNotAddressable"
	// ReasonSubjectChanged: another user has its subject's name now.
	ReasonSubjectChanged = "SubjectChanged"
	// ReasonSubjectGone: the user who was given access is no longer in Airflow.
	ReasonSubjectGone = "SubjectGone"
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
