package v1alpha1

// Reasons of AirflowInstance.
const (
	// ReasonReachable: the server answered.
	ReasonReachable = "Reachable"
	// ReasonUnreachable: no answer, or a server error.
	ReasonUnreachable = "Unreachable"
	// ReasonThrottled: the server asks for fewer requests.
	ReasonThrottled = "Throttled"
	// ReasonProxyInFront: something in front of Airflow refused a call in its place.
	ReasonProxyInFront = "ProxyInFront"
	// ReasonTLSFailed: no trustworthy connection.
	ReasonTLSFailed = "TLSFailed"
	// ReasonAddressBlocked: the name resolves to an address that is never called.
	ReasonAddressBlocked = "AddressBlocked"
	// ReasonInvalidURL: the address cannot be used, such as http for a host that is not allowed.
	ReasonInvalidURL = "InvalidURL"
	// ReasonAuthenticated: the account may do what it must.
	ReasonAuthenticated = "Authenticated"
	// ReasonBadCredentials: Airflow refuses the user name or password, or the token.
	ReasonBadCredentials = "BadCredentials"
	// ReasonPasswordLoginDisabled: Airflow gave no token for a password, and its users sign in without one.
	ReasonPasswordLoginDisabled = "PasswordLoginDisabled"
	// ReasonExchangeDisabled: Airflow gives tokens for passwords alone, or the token did not reach it.
	ReasonExchangeDisabled = "ExchangeDisabled"
	// ReasonTokenUnavailable: the source of the operator's token gives none; the message says why.
	ReasonTokenUnavailable = "TokenUnavailable"
	// ReasonAudienceNotAllowed: tokens of this audience may not be sent to spec.url.
	ReasonAudienceNotAllowed = "AudienceNotAllowed"
	// ReasonMissingPermissions: the account lacks permissions; the message names them.
	ReasonMissingPermissions = "MissingPermissions"
	// ReasonSecretNotFound: a Secret does not exist.
	ReasonSecretNotFound = "SecretNotFound"
	// ReasonSecretForbidden: the operator may not read a Secret.
	ReasonSecretForbidden = "SecretForbidden"
	// ReasonSecretInvalid: a Secret lacks a key, or what the key has cannot be used.
	ReasonSecretInvalid = "SecretInvalid"
	// ReasonSecretURLMismatch: the Secret is for another address.
	ReasonSecretURLMismatch = "SecretURLMismatch"
	// ReasonCompatible: this Airflow can be governed.
	ReasonCompatible = "Compatible"
	// ReasonLimited: this Airflow can be governed, with limits that the message names.
	ReasonLimited = "Limited"
	// ReasonUntested: this Airflow is newer than all that were tried, and is governed like the newest of them.
	ReasonUntested = "Untested"
	// ReasonNotAirflow: the answers are not those of Airflow's API.
	ReasonNotAirflow = "NotAirflow"
	// ReasonUnsupportedAuthManager: the auth manager has no roles that can be governed.
	ReasonUnsupportedAuthManager = "UnsupportedAuthManager"
	// ReasonUnsupportedVersion: this version cannot do what is needed.
	ReasonUnsupportedVersion = "UnsupportedVersion"
	// ReasonNamespaceNotServed: the operator does not serve AirflowInstances of this namespace.
	ReasonNamespaceNotServed = "NamespaceNotServed"
	// ReasonEndpointTaken: another AirflowInstance governs the same Airflow: an older one of this operator with the same
	// address, or one of any operator that claims it in Airflow.
	ReasonEndpointTaken = "EndpointTaken"
	// ReasonEndpointChanged: spec.url changed and the managed roles are not found there.
	ReasonEndpointChanged = "EndpointChanged"
	// ReasonListShifted: a list kept changing while it was read.
	ReasonListShifted = "ListShifted"
	// ReasonRoleListUnreadable, ReasonUserListUnreadable and ReasonDagListUnreadable: Airflow answers, but not for this list;
	// what needs something new from it waits.
	ReasonRoleListUnreadable = "RoleListUnreadable"
	ReasonUserListUnreadable = "UserListUnreadable"
	ReasonDagListUnreadable  = "DagListUnreadable"
	// ReasonClockSkew: clocks differ too much to give anything.
	ReasonClockSkew = "ClockSkew"
	// ReasonStepsFailed: some writes did not take effect; the message names them.
	ReasonStepsFailed = "StepsFailed"
	// ReasonContested: somebody else keeps undoing what is restored; it is left alone until the next interval.
	ReasonContested = "Contested"
	// ReasonDriftReported: somebody else changed what is managed, and drift is Report.
	ReasonDriftReported = "DriftReported"
	// ReasonDriftRepaired: somebody else changed what is managed, and it was restored.
	ReasonDriftRepaired = "DriftRepaired"
	// ReasonRoleDeleted: the operator deleted a role in Airflow (Event).
	ReasonRoleDeleted = "RoleDeleted"
	// ReasonObserved: mode Observe; status.plan holds the steps that would be taken.
	ReasonObserved = "Observed"
	// ReasonSuspended: mode Suspended.
	ReasonSuspended = "Suspended"
	// ReasonAssumed: a value is assumed because the spec leaves it out.
	ReasonAssumed = "Assumed"
	// ReasonKubernetesFailed: the Kubernetes API did not take a write or answer a read.
	ReasonKubernetesFailed = "KubernetesFailed"
)

// Causes of drift, in status.drift of AirflowInstance: the best explanation of a change that the operator did not make.
const (
	// DriftCauseDagAccessControl: DAG code with access_control removed the rights on a DAG.
	DriftCauseDagAccessControl = "DagAccessControl"
	// DriftCauseLoginRoleSync: a login overwrote the user's roles.
	DriftCauseLoginRoleSync = "LoginRoleSync"
	// DriftCauseRoleDeleted: the role was deleted.
	DriftCauseRoleDeleted = "RoleDeleted"
	// DriftCauseRoleEdited: the role's permissions were edited.
	DriftCauseRoleEdited = "RoleEdited"
	// DriftCauseUserDeleted: the user was deleted.
	DriftCauseUserDeleted = "UserDeleted"
	// DriftCauseManual: none of the others.
	DriftCauseManual = "Manual"
	// DriftCauseUnknown: it happened before the first pass after a start.
	DriftCauseUnknown = "Unknown"
)
