package v1alpha1

// Reasons of requests. The same word stands in condition, event, history and metric. Reasons that a grant of the same terms
// would have, such as TooLong, are those of grants.
const (
	// ReasonAwaitingApproval: it was admitted, and those who decide have not agreed yet.
	ReasonAwaitingApproval = "AwaitingApproval"
	// ReasonAgreed: enough of those who decide agreed.
	ReasonAgreed = "Agreed"
	// ReasonRule: nobody had to agree, by the policy's approvals or a rule of it.
	ReasonRule = "Rule"
	// ReasonEmergency: access was given at once under the policy's terms for emergencies.
	ReasonEmergency = "Emergency"
	// ReasonDenied: somebody who may decide refused.
	ReasonDenied = "Denied"
	// ReasonDeniedByRule: a rule of the policy refuses.
	ReasonDeniedByRule = "DeniedByRule"
	// ReasonTimedOut: nobody decided in time.
	ReasonTimedOut = "TimedOut"
	// ReasonPolicyGone: its policy was deleted, made again, or takes no requests any more.
	ReasonPolicyGone = "PolicyGone"
	// ReasonWithdrawn: its requester took it back.
	ReasonWithdrawn = "Withdrawn"

	// ReasonRequestsNotAllowed: its policy has no terms for requests.
	ReasonRequestsNotAllowed = "RequestsNotAllowed"
	// ReasonRequesterNotAllowed: its requester is not among those who may ask.
	ReasonRequesterNotAllowed = "RequesterNotAllowed"
	// ReasonEmergencyNotAllowed: its requester is not among those who may declare an emergency.
	ReasonEmergencyNotAllowed = "EmergencyNotAllowed"
	// ReasonSubjectUnmapped: the instance's identity makes no Airflow user of its requester.
	ReasonSubjectUnmapped = "SubjectUnmapped"
	// ReasonTooManyOpen: its requester has too many requests that wait, in its namespace.
	ReasonTooManyOpen = "TooManyOpen"
	// ReasonTooManyAutomatic: its requester had as many requests within 24 hours as nobody has to agree to.
	ReasonTooManyAutomatic = "TooManyAutomatic"
	// ReasonAdmissionNotProved: nothing proves that the API server checks names on requests.
	ReasonAdmissionNotProved = "AdmissionNotProved"
	// ReasonRuleFailed: a rule of the policy could not be evaluated, so that nobody can approve.
	ReasonRuleFailed = "RuleFailed"
	// ReasonReviewOverdue: an emergency of its requester waits for a review that is overdue.
	ReasonReviewOverdue = "ReviewOverdue"
	// ReasonAwaitingReview: nobody has reviewed the emergency yet.
	ReasonAwaitingReview = "AwaitingReview"
	// ReasonReviewed: somebody who may decide has reviewed the emergency.
	ReasonReviewed = "Reviewed"
	// ReasonInvalidRule: a rule of the policy does not compile.
	ReasonInvalidRule = "InvalidRule"
	// ReasonInvalidIdentity: the instance's identity does not compile.
	ReasonInvalidIdentity = "InvalidIdentity"
	// ReasonIdentityMissing: the instance has no identity, so that nobody can ask.
	ReasonIdentityMissing = "IdentityMissing"
	// ReasonRequestsReady: access can be requested under the policy.
	ReasonRequestsReady = "RequestsReady"
	// ReasonIdentityReady: the instance's identity can be used.
	ReasonIdentityReady = "IdentityReady"

	// ReasonOwnRequest: a vote on one's own request, by any spelling, does not count.
	ReasonOwnRequest = "OwnRequest"
	// ReasonNotAnApprover: a vote of somebody who is not among the policy's approvers now does not count.
	ReasonNotAnApprover = "NotAnApprover"
	// ReasonSamePerson: a vote to approve by a second account of somebody who approved already does not count.
	ReasonSamePerson = "SamePerson"
	// ReasonNotYet: a vote that comes before its time, such as a review of access that was not given, does not count.
	ReasonNotYet = "NotYet"

	// ReasonGrantNameTaken: it was approved, and another AccessGrant has the name of the one that is to be made.
	ReasonGrantNameTaken = "GrantNameTaken"
)
