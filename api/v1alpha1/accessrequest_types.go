package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// RequestPhase is where a request is in its life. All but Pending and Approved are final; Approved is as well, since the
// grant that was made lives a life of its own.
// +kubebuilder:validation:Enum=Pending;Approved;Denied;NotApproved;Withdrawn
type RequestPhase string

const (
	// RequestPending waits to be admitted or decided.
	RequestPending RequestPhase = "Pending"
	// RequestApproved was agreed to, and its grant is made.
	RequestApproved RequestPhase = "Approved"
	// RequestDenied was refused by somebody who may decide, or by a rule.
	RequestDenied RequestPhase = "Denied"
	// RequestNotApproved was not agreed to in time, or its policy is gone.
	RequestNotApproved RequestPhase = "NotApproved"
	// RequestWithdrawn was taken back by its requester.
	RequestWithdrawn RequestPhase = "Withdrawn"
)

// VoteKind is what somebody says about a request.
// +kubebuilder:validation:Enum=Approve;Deny;Reviewed
type VoteKind string

const (
	// VoteApprove agrees.
	VoteApprove VoteKind = "Approve"
	// VoteDeny refuses, and ends the request.
	VoteDeny VoteKind = "Deny"
	// VoteReviewed says that emergency access was looked at afterwards.
	VoteReviewed VoteKind = "Reviewed"
)

// AccessRequestSpec says what somebody asks for. What was asked never changes; it can be withdrawn, and votes are added.
//
// +kubebuilder:validation:XValidation:rule="has(self.requester) && self.requester.size() > 0",message="requester is missing: write the name by which this cluster knows you, as \"kubectl auth whoami\" shows it",fieldPath=".requester",reason=FieldValueRequired
// +kubebuilder:validation:XValidation:rule="oldSelf.hasValue() || self.votes.size() == 0",optionalOldSelf=true,message="a new request has no votes: make it first, then approvers vote on it",fieldPath=".votes",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="oldSelf.hasValue() || !self.withdrawn",optionalOldSelf=true,message="a new request cannot be withdrawn already",fieldPath=".withdrawn",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="self.policyRef == oldSelf.policyRef",message="policyRef of a request cannot be changed: withdraw this one (withdrawn: true) and make another",fieldPath=".policyRef",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="has(self.dags) == has(oldSelf.dags) && (!has(self.dags) || self.dags == oldSelf.dags)",message="dags of a request cannot be changed: withdraw this one (withdrawn: true) and make another",fieldPath=".dags",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="has(self.access) == has(oldSelf.access) && (!has(self.access) || self.access == oldSelf.access)",message="access of a request cannot be changed: withdraw this one (withdrawn: true) and make another",fieldPath=".access",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="has(self.duration) == has(oldSelf.duration) && (!has(self.duration) || self.duration == oldSelf.duration)",message="duration of a request cannot be changed: withdraw this one (withdrawn: true) and make another",fieldPath=".duration",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="has(self.startsAt) == has(oldSelf.startsAt) && (!has(self.startsAt) || self.startsAt == oldSelf.startsAt)",message="startsAt of a request cannot be changed: withdraw this one (withdrawn: true) and make another",fieldPath=".startsAt",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="self.reason == oldSelf.reason",message="reason of a request cannot be changed: withdraw this one (withdrawn: true) and make another",fieldPath=".reason",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="self.requester == oldSelf.requester",message="requester of a request cannot be changed: withdraw this one (withdrawn: true) and make another",fieldPath=".requester",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="has(self.groups) == has(oldSelf.groups) && (!has(self.groups) || self.groups == oldSelf.groups)",message="groups of a request cannot be changed: withdraw this one (withdrawn: true) and make another",fieldPath=".groups",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="self.emergency == oldSelf.emergency",message="emergency of a request cannot be changed: withdraw this one (withdrawn: true) and make another",fieldPath=".emergency",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="!oldSelf.withdrawn || self.withdrawn",message="a request that was withdrawn stays withdrawn: make another",fieldPath=".withdrawn",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="oldSelf.votes.all(o, self.votes.exists(v, v == o))",message="a vote cannot be changed or removed: it is on record",fieldPath=".votes",reason=FieldValueForbidden
type AccessRequestSpec struct {
	// policyRef names the DagAccessPolicy under whose terms access is asked for.
	// +required
	PolicyRef PolicyReference `json:"policyRef"`
	// dags narrows the request to some of the policy's DAGs, by exact id; all of
	// them when unset.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=250
	// +kubebuilder:validation:items:XValidation:rule="!self.matches('[*?]')",message="dags holds exact ids: patterns belong into dags.ids of the policy"
	// +kubebuilder:validation:items:XValidation:rule="!self.matches('[\\\\p{Cc}\\\\p{Zl}\\\\p{Zp}\\\\x{202a}-\\\\x{202e}\\\\x{2066}-\\\\x{2069}]') && self.trim() == self",message="a DAG id must hold no control character, nor begin or end with a space"
	Dags []string `json:"dags,omitempty"`
	// access narrows the request to some of the policy's levels; all of them when
	// unset. Every level implies View.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=14
	Access []AccessLevel `json:"access,omitempty"`
	// duration is how long access is wanted, from 1s to 8760h, counted from its
	// beginning; grants.requests.defaultDuration of the policy when unset.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,3})?(ms|s|m|h))+$') && duration(self) >= duration('1s') && duration(self) <= duration('8760h')",message="duration must be a time from 1s to 8760h, such as 30m"
	Duration *metav1.Duration `json:"duration,omitempty"`
	// startsAt is the earliest moment of access; at once when unset.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self >= timestamp('2020-01-01T00:00:00Z') && self < timestamp('2100-01-01T00:00:00Z')",message="startsAt must be a moment from the year 2020 to 2099, such as 2026-11-23T18:00:00Z"
	StartsAt *metav1.Time `json:"startsAt,omitempty"`
	// reason says why, on one line. The policy may ask for a pattern.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="!self.matches('[\\\\p{Cc}\\\\p{Zl}\\\\p{Zp}\\\\x{202a}-\\\\x{202e}\\\\x{2066}-\\\\x{2069}]')",message="reason must be one line of plain text: no line breaks, control or direction characters"
	Reason string `json:"reason"`
	// requester is the name by which the cluster knows who asks, as "kubectl auth
	// whoami" shows it. The API server refuses any other name, and fills it in
	// from Kubernetes 1.36 on.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Requester string `json:"requester,omitempty"`
	// groups by which one asks. Only those that the policy names have an effect;
	// the API server refuses groups that one is not in.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	Groups []string `json:"groups,omitempty"`
	// emergency asks for access at once under the policy's terms for emergencies;
	// somebody has to review it afterwards.
	// +optional
	// +kubebuilder:default=false
	Emergency bool `json:"emergency"`
	// withdrawn takes the request back, by its requester and for good. Access that
	// was given under it ends as well.
	// +optional
	// +kubebuilder:default=false
	Withdrawn bool `json:"withdrawn"`
	// votes of those who decide. They are only added, each by its author.
	// +optional
	// +listType=map
	// +listMapKey=by
	// +kubebuilder:default={}
	// +kubebuilder:validation:MaxItems=16
	Votes []Vote `json:"votes"`
}

// Vote is what one person says about a request.
//
// +kubebuilder:validation:XValidation:rule="self.by.size() > 0",message="by is missing: write the name by which this cluster knows you, as \"kubectl auth whoami\" shows it",fieldPath=".by",reason=FieldValueRequired
type Vote struct {
	// by is the name by which the cluster knows who votes, as "kubectl auth
	// whoami" shows it. The API server refuses any other name.
	// +optional
	// +kubebuilder:default=""
	// +kubebuilder:validation:MaxLength=256
	By string `json:"by"`
	// groups by which one decides. The API server refuses groups that one is not
	// in.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	Groups []string `json:"groups,omitempty"`
	// vote: Approve agrees, Deny ends the request, Reviewed closes an emergency
	// afterwards.
	// +required
	Vote VoteKind `json:"vote"`
	// comment, on one line.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="!self.matches('[\\\\p{Cc}\\\\p{Zl}\\\\p{Zp}\\\\x{202a}-\\\\x{202e}\\\\x{2066}-\\\\x{2069}]')",message="comment must be one line of plain text: no line breaks, control or direction characters"
	Comment string `json:"comment,omitempty"`
}

// AccessRequestStatus is what became of a request.
type AccessRequestStatus struct {
	// observedGeneration is the generation of spec that this status belongs to; -1
	// before the first look.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// phase is where the request is in its life. All but Pending are final.
	// +optional
	Phase RequestPhase `json:"phase,omitempty"`
	// terms under which the request is decided, stored when it is admitted and
	// before anybody can vote.
	// +optional
	Terms *RequestTermsPinned `json:"terms,omitempty"`
	// given is how many votes to approve count.
	// +optional
	Given int32 `json:"given"`
	// decideBy is when the request ends undecided.
	// +optional
	DecideBy *metav1.Time `json:"decideBy,omitempty"`
	// decision is final, and stored before a grant is made.
	// +optional
	Decision *RequestDecision `json:"decision,omitempty"`
	// ignored votes, and why they do not count.
	// +optional
	// +listType=map
	// +listMapKey=by
	// +kubebuilder:validation:MaxItems=16
	Ignored []IgnoredVote `json:"ignored,omitempty"`
	// review of an emergency.
	// +optional
	Review *RequestReview `json:"review,omitempty"`
	// grant that was made, copied for readers: the AccessGrant is the truth.
	// +optional
	Grant *RequestGrant `json:"grant,omitempty"`
	// conditions: Ready, Reconciling, Stalled, Admitted, Approved, Reviewed.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// history tells what happened, newest last.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	History []HistoryEntry `json:"history,omitempty"`
}

// RequestTermsPinned are the terms under which a request is decided.
type RequestTermsPinned struct {
	// policyUID of the DagAccessPolicy: a policy that was made again is another
	// one.
	// +required
	// +kubebuilder:validation:MaxLength=64
	PolicyUID string `json:"policyUID"`
	// subject is what the instance's identity made of the requester.
	// +required
	Subject Subject `json:"subject"`
	// access levels that are asked for; never more later.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=14
	Access []AccessLevel `json:"access,omitempty"`
	// dags by id, where the request names them.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=250
	Dags []string `json:"dags,omitempty"`
	// duration of access.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	Duration metav1.Duration `json:"duration"`
	// rule of the policy that fitted; empty where none did.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Rule string `json:"rule,omitempty"`
	// approvals that are needed.
	// +optional
	Approvals int32 `json:"approvals"`
	// approvers who decide. Only their votes are accepted.
	// +optional
	Approvers PinnedApprovers `json:"approvers,omitzero"`
}

// PinnedApprovers are the people who decide about a request, owners of DAGs included.
type PinnedApprovers struct {
	// groups by the names that the cluster knows.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=256
	Groups []string `json:"groups,omitempty"`
	// users by the names that the cluster knows.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=256
	Users []string `json:"users,omitempty"`
}

// RequestDecision says how a request was decided, by whom and when.
type RequestDecision struct {
	// outcome is the phase that was decided.
	// +required
	Outcome RequestPhase `json:"outcome"`
	// reason is the word of the condition Approved: Agreed, Rule, Emergency,
	// Denied, DeniedByRule, TimedOut and others.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason"`
	// by names those whose votes decided; empty where nobody had to agree.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=256
	By []string `json:"by,omitempty"`
	// at is when it was decided.
	// +required
	At metav1.Time `json:"at"`
	// message says more: the comment of who refused, or what a rule says.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Message string `json:"message,omitempty"`
}

// IgnoredVote is a vote that does not count.
type IgnoredVote struct {
	// by is the author of the vote.
	// +required
	// +kubebuilder:validation:MaxLength=256
	By string `json:"by"`
	// why it does not count: OwnRequest, NotAnApprover, SamePerson, NotYet.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Why string `json:"why"`
}

// RequestReview says who looked at emergency access afterwards, or until when somebody must.
type RequestReview struct {
	// due is the moment until which somebody must have reviewed it.
	// +required
	Due metav1.Time `json:"due"`
	// by is who reviewed it.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	By string `json:"by,omitempty"`
	// at is when that was seen.
	// +optional
	At *metav1.Time `json:"at,omitempty"`
}

// RequestGrant copies what matters of the grant that was made.
type RequestGrant struct {
	// name of the AccessGrant, in the namespace of the request.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// phase of the AccessGrant.
	// +optional
	Phase GrantPhase `json:"phase,omitempty"`
	// expiresAt is when its access has ended.
	// +optional
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`
	// revokedAt is the latest moment at which its access can have worked.
	// +optional
	RevokedAt *metav1.Time `json:"revokedAt,omitempty"`
}

// AccessRequest asks for a policy's access for a while. The operator answers
// with an AccessGrant when enough of those who decide agreed.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=afreq,categories=airflow-access
// +kubebuilder:selectablefield:JSONPath=`.spec.requester`
// +kubebuilder:selectablefield:JSONPath=`.spec.policyRef.name`
// +kubebuilder:selectablefield:JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Requester",type=string,JSONPath=`.spec.requester`
// +kubebuilder:printcolumn:name="Policy",type=string,JSONPath=`.spec.policyRef.name`
// +kubebuilder:printcolumn:name="For",type=string,JSONPath=`.status.terms.duration`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Given",type=integer,JSONPath=`.status.given`
// +kubebuilder:printcolumn:name="Needed",type=integer,JSONPath=`.status.terms.approvals`
// +kubebuilder:printcolumn:name="Access",type=string,JSONPath=`.status.grant.phase`
// +kubebuilder:printcolumn:name="Until",type=string,JSONPath=`.status.grant.expiresAt`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Approved")].reason`
// +kubebuilder:printcolumn:name="Dags",type=string,JSONPath=`.spec.dags`,priority=1
// +kubebuilder:printcolumn:name="Decide-By",type=string,JSONPath=`.status.decideBy`,priority=1
// +kubebuilder:printcolumn:name="By",type=string,JSONPath=`.status.decision.by`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 200",message="metadata.name must be at most 200 characters: the grant's name is made of it"
type AccessRequest struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is what is asked for.
	// +required
	Spec AccessRequestSpec `json:"spec"`
	// status is what became of it.
	// +optional
	// +kubebuilder:default={observedGeneration:-1}
	Status AccessRequestStatus `json:"status,omitempty"`
}

// AccessRequestList is a list of AccessRequest.
//
// +kubebuilder:object:root=true
type AccessRequestList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []AccessRequest `json:"items"`
}
