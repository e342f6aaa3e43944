package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// GrantPhase is where a grant is in its life. Expired and Revoked are final.
// +kubebuilder:validation:Enum=Pending;Scheduled;Active;Ending;Expired;Revoked
type GrantPhase string

const (
	// GrantPending waits: not admitted, or its user, DAG or instance is not ready.
	GrantPending GrantPhase = "Pending"
	// GrantScheduled is admitted and starts later.
	GrantScheduled GrantPhase = "Scheduled"
	// GrantActive was seen in Airflow after it was given.
	GrantActive GrantPhase = "Active"
	// GrantEnding is being taken away.
	GrantEnding GrantPhase = "Ending"
	// GrantExpired reached its end and was proved gone, or was never given.
	GrantExpired GrantPhase = "Expired"
	// GrantRevoked was ended early and was proved gone.
	GrantRevoked GrantPhase = "Revoked"
)

// EndReason says why a grant ended.
// +kubebuilder:validation:Enum=Expired;Revoked;Withdrawn;Deleted;PolicyDeleted;PolicyChanged;SubjectChanged;InstanceDeleted;NeverActivated;AlreadySpent
type EndReason string

const (
	// EndExpired: its time was over.
	EndExpired EndReason = "Expired"
	// EndRevoked: spec.revoke was set.
	EndRevoked EndReason = "Revoked"
	// EndWithdrawn: its request was withdrawn or deleted.
	EndWithdrawn EndReason = "Withdrawn"
	// EndDeleted: the object was deleted.
	EndDeleted EndReason = "Deleted"
	// EndPolicyDeleted: its policy was deleted.
	EndPolicyDeleted EndReason = "PolicyDeleted"
	// EndPolicyChanged: the policy's grants were removed.
	EndPolicyChanged EndReason = "PolicyChanged"
	// EndSubjectChanged: the Airflow user is no longer the one that was given
	// access.
	EndSubjectChanged EndReason = "SubjectChanged"
	// EndInstanceDeleted: its instance was deleted or abandoned.
	EndInstanceDeleted EndReason = "InstanceDeleted"
	// EndNeverActivated: it was never given, and its time is over.
	EndNeverActivated EndReason = "NeverActivated"
	// EndAlreadySpent: a twin with the same terms was ended early and deleted.
	EndAlreadySpent EndReason = "AlreadySpent"
)

// AccessGrantSpec says who holds which policy's access, and until when.
//
// +kubebuilder:validation:XValidation:rule="has(self.expiresAt) != has(self.duration)",message="say exactly one of expiresAt and duration"
// +kubebuilder:validation:XValidation:rule="!has(self.expiresAt) || !has(self.startsAt) || self.startsAt < self.expiresAt",message="startsAt must be before expiresAt"
// +kubebuilder:validation:XValidation:rule="has(self.dags) == has(oldSelf.dags) && (!has(self.dags) || self.dags == oldSelf.dags)",message="dags is immutable: create another grant"
// +kubebuilder:validation:XValidation:rule="has(self.access) == has(oldSelf.access) && (!has(self.access) || self.access == oldSelf.access)",message="access is immutable: create another grant"
// +kubebuilder:validation:XValidation:rule="has(self.startsAt) == has(oldSelf.startsAt) && (!has(self.startsAt) || self.startsAt == oldSelf.startsAt)",message="startsAt is immutable: create another grant"
// +kubebuilder:validation:XValidation:rule="has(self.expiresAt) == has(oldSelf.expiresAt)",message="expiresAt and duration cannot be exchanged: change the value of the one that is there"
// +kubebuilder:validation:XValidation:rule="has(self.requestRef) == has(oldSelf.requestRef) && (!has(self.requestRef) || self.requestRef == oldSelf.requestRef)",message="requestRef is immutable"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.revoke) || has(self.revoke) && self.revoke == oldSelf.revoke",message="a revoked grant stays revoked: create another grant"
type AccessGrantSpec struct {
	// policyRef names the DagAccessPolicy whose access is held. Immutable.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="policyRef is immutable: create another grant"
	PolicyRef PolicyReference `json:"policyRef"`
	// subject is the Airflow user who holds it. Immutable.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="subject is immutable: create another grant"
	Subject Subject `json:"subject"`
	// dags narrows the grant to some of the policy's DAGs, by exact id. Immutable.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=250
	// +kubebuilder:validation:items:XValidation:rule="!self.matches('[*?]')",message="dags holds exact ids: patterns belong into dags.ids of the policy"
	// +kubebuilder:validation:items:XValidation:rule="!self.matches('[\\\\p{Cc}\\\\p{Zl}\\\\p{Zp}\\\\x{202a}-\\\\x{202e}\\\\x{2066}-\\\\x{2069}]') && self.trim() == self",message="a DAG id must hold no control character, nor begin or end with a space"
	Dags []string `json:"dags,omitempty"`
	// access narrows the grant to some of the policy's levels. Every level implies
	// View. Immutable.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=14
	Access []AccessLevel `json:"access,omitempty"`
	// startsAt is the earliest moment of access; at once when unset. Immutable.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self >= timestamp('2020-01-01T00:00:00Z') && self < timestamp('2100-01-01T00:00:00Z')",message="startsAt must be a moment from the year 2020 to 2099, such as 2026-11-23T18:00:00Z"
	StartsAt *metav1.Time `json:"startsAt,omitempty"`
	// expiresAt is the moment at which access has ended. It may be changed until
	// the grant ends.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self >= timestamp('2020-01-01T00:00:00Z') && self < timestamp('2100-01-01T00:00:00Z')",message="expiresAt must be a moment from the year 2020 to 2099, such as 2026-11-23T18:00:00Z"
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`
	// duration counts from startsAt, else from activation. It may be changed until
	// the grant ends. It is refused on objects that Git tools re-apply, where it
	// would start again: use expiresAt there.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,3})?(ms|s|m|h))+$') && duration(self) >= duration('1s') && duration(self) <= duration('8760h')",message="duration must be a time from 1s to 8760h, such as 30m"
	Duration *metav1.Duration `json:"duration,omitempty"`
	// reason says why, on one line. The policy may ask for a pattern. Immutable
	// from activation on.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="!self.matches('[\\\\p{Cc}\\\\p{Zl}\\\\p{Zp}\\\\x{202a}-\\\\x{202e}\\\\x{2066}-\\\\x{2069}]')",message="reason must be one line of plain text: no line breaks, control or direction characters"
	Reason string `json:"reason,omitempty"`
	// requestRef names the AccessRequest for which the operator made this grant.
	// Only the operator sets it, and such a grant ends with its request.
	// Immutable.
	// +optional
	RequestRef *RequestReference `json:"requestRef,omitempty"`
	// revoke ends the grant at once, for good.
	// +optional
	Revoke *Revocation `json:"revoke,omitempty"`
}

// PolicyReference names a DagAccessPolicy.
type PolicyReference struct {
	// name of the DagAccessPolicy.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",message="name must be the name of a DagAccessPolicy: lower-case letters, digits, '-' and '.'"
	Name string `json:"name"`
	// namespace of the DagAccessPolicy; the grant's own when unset.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="namespace must be the name of a namespace: lower-case letters, digits and '-'"
	Namespace string `json:"namespace,omitempty"`
}

// Revocation ends a grant early.
type Revocation struct {
	// reason says why, on one line.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="!self.matches('[\\\\p{Cc}\\\\p{Zl}\\\\p{Zp}\\\\x{202a}-\\\\x{202e}\\\\x{2066}-\\\\x{2069}]')",message="reason must be one line of plain text: no line breaks, control or direction characters"
	Reason string `json:"reason,omitempty"`
	// by is the name by which the cluster knows who revokes, as "kubectl auth
	// whoami" shows it. The API server refuses any other name.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	By string `json:"by,omitempty"`
}

// RequestReference names the AccessRequest, in the same namespace, for which a grant was made.
type RequestReference struct {
	// name of the AccessRequest.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// uid of the AccessRequest.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	UID string `json:"uid"`
}

// AccessGrantStatus is what became of a grant.
type AccessGrantStatus struct {
	// observedGeneration is the generation of spec that this status belongs to; -1
	// before the first look.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// phase is where the grant is in its life. Expired and Revoked are final.
	// +optional
	Phase GrantPhase `json:"phase,omitempty"`
	// activation is written before the first write to Airflow and holds all that
	// is needed to end the grant.
	// +optional
	Activation *Activation `json:"activation,omitempty"`
	// end is final.
	// +optional
	End *End `json:"end,omitempty"`
	// removedAt is when an observation proved that Airflow no longer stores it,
	// everywhere.
	// +optional
	RemovedAt *metav1.Time `json:"removedAt,omitempty"`
	// revokedAt is removedAt plus the permission cache of Airflow: the latest
	// moment at which it can have worked.
	// +optional
	RevokedAt *metav1.Time `json:"revokedAt,omitempty"`
	// conditions: Ready, Reconciling, Stalled, Admitted, Active, InSync,
	// LeastPrivilege, LevelsSupported, DagsPending.
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

// Activation pins what a grant was given.
type Activation struct {
	// at is when the grant was activated.
	// +required
	At metav1.Time `json:"at"`
	// expiresAt is when its access has ended.
	// +required
	ExpiresAt metav1.Time `json:"expiresAt"`
	// access that was given; never more later.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=14
	Access []AccessLevel `json:"access,omitempty"`
	// dags by id, for narrowed grants; others follow the policy's selector.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=250
	Dags []string `json:"dags,omitempty"`
	// airflowPermissions that were given; narrowed grants hold none.
	// +optional
	// +listType=map
	// +listMapKey=action
	// +listMapKey=resource
	// +kubebuilder:validation:MaxItems=32
	AirflowPermissions []AirflowPermission `json:"airflowPermissions,omitempty"`
	// instances in which it was given; one today.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=1
	Instances []GrantInstance `json:"instances"`
}

// GrantInstance pins who holds a grant in one Airflow.
type GrantInstance struct {
	// name of the AirflowInstance.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// namespace of the AirflowInstance.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace"`
	// uid of the AirflowInstance.
	// +required
	// +kubebuilder:validation:MaxLength=64
	UID string `json:"uid"`
	// endpoint at which it was given.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Endpoint string `json:"endpoint,omitempty"`
	// username of the one Airflow user whom the subject meant.
	// +required
	// +kubebuilder:validation:MaxLength=256
	Username string `json:"username"`
	// userCreatedOn of that user: names are re-used, so that another value means
	// another person.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	UserCreatedOn string `json:"userCreatedOn,omitempty"`
	// role that carries it.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Role string `json:"role"`
}

// End says why and when a grant ended.
type End struct {
	// reason of the end.
	// +required
	Reason EndReason `json:"reason"`
	// at is when the end was decided.
	// +required
	At metav1.Time `json:"at"`
}

// AccessGrant gives one person a policy's access until a moment in time. It
// stays as evidence after its end.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=afgrant,categories=airflow-access
// +kubebuilder:selectablefield:JSONPath=`.spec.policyRef.name`
// +kubebuilder:selectablefield:JSONPath=`.spec.subject.username`
// +kubebuilder:selectablefield:JSONPath=`.spec.subject.email`
// +kubebuilder:selectablefield:JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Subject",type=string,JSONPath=`.spec.subject.*`
// +kubebuilder:printcolumn:name="Policy",type=string,JSONPath=`.spec.policyRef.name`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Active",type=string,JSONPath=`.status.conditions[?(@.type=="Active")].status`
// +kubebuilder:printcolumn:name="Until",type=string,JSONPath=`.status.activation.expiresAt`
// +kubebuilder:printcolumn:name="Ended",type=string,JSONPath=`.status.revokedAt`
// +kubebuilder:printcolumn:name="Why",type=string,JSONPath=`.status.conditions[?(@.type=="Active")].reason`
// +kubebuilder:printcolumn:name="Starts",type=string,JSONPath=`.spec.startsAt`,priority=1
// +kubebuilder:printcolumn:name="Expires",type=string,JSONPath=`.spec.expiresAt`,priority=1
// +kubebuilder:printcolumn:name="Duration",type=string,JSONPath=`.spec.duration`,priority=1
// +kubebuilder:printcolumn:name="Access",type=string,JSONPath=`.spec.access`,priority=1
// +kubebuilder:printcolumn:name="Dags",type=string,JSONPath=`.spec.dags`,priority=1
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.spec.reason`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.status) || !has(oldSelf.status.activation) || has(self.spec.reason) == has(oldSelf.spec.reason) && (!has(self.spec.reason) || self.spec.reason == oldSelf.spec.reason)",message="reason is immutable from activation on: it is evidence; create another grant"
type AccessGrant struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is what is wanted.
	// +required
	Spec AccessGrantSpec `json:"spec"`
	// status is what became of it.
	// +optional
	// +kubebuilder:default={observedGeneration:-1}
	Status AccessGrantStatus `json:"status,omitempty"`
}

// AccessGrantList is a list of AccessGrant.
//
// +kubebuilder:object:root=true
type AccessGrantList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []AccessGrant `json:"items"`
}
