package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// RequestTerms say who may ask for access by an AccessRequest, and who decides.
//
// +kubebuilder:validation:XValidation:rule="has(self.approvers) || (self.approvals == 0 && !has(self.emergency) && (!has(self.rules) || self.rules.all(r, has(r.deny) || r.approvals == 0)))",message="approvers is required: somebody must be able to agree or to review. It may be absent only where approvals is 0 everywhere and there is no emergency"
type RequestTerms struct {
	// requesters may ask. When absent, everybody may who is allowed to create
	// AccessRequests where grants.from allows them.
	// +optional
	Requesters *People `json:"requesters,omitempty"`
	// approvers decide. Required unless nobody ever has to agree.
	// +optional
	Approvers *Approvers `json:"approvers,omitempty"`
	// approvals is how many approvers must agree, from 0 to 4. With 0 nobody has
	// to, which is on record.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=4
	Approvals int32 `json:"approvals"`
	// timeout is how long a request waits for its decision, from 1m to 168h.
	// +optional
	// +kubebuilder:default="4h"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,3})?(ms|s|m|h))+$') && duration(self) >= duration('1m') && duration(self) <= duration('168h')",message="timeout must be a time from 1m to 168h, such as 30m"
	Timeout metav1.Duration `json:"timeout,omitempty,omitzero"`
	// defaultDuration of requests that name none, from 1m to 8760h; 1h when unset,
	// or maxDuration where that is shorter.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,3})?(ms|s|m|h))+$') && duration(self) >= duration('1m') && duration(self) <= duration('8760h')",message="defaultDuration must be a time from 1m to 8760h, such as 30m"
	DefaultDuration *metav1.Duration `json:"defaultDuration,omitempty"`
	// maxAutomaticPerDay is how many requests of one person nobody has to agree to
	// within 24 hours, from 1 to 48. Emergencies are not counted.
	// +optional
	// +kubebuilder:default=4
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=48
	MaxAutomaticPerDay int32 `json:"maxAutomaticPerDay,omitempty"`
	// rules are tried in their order; the first that fits replaces approvals.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Rules []RequestRule `json:"rules,omitempty"`
	// emergency gives access at once to some, to be reviewed afterwards. When
	// absent, there are no emergencies.
	// +optional
	Emergency *EmergencyTerms `json:"emergency,omitempty"`
}

// People are users and groups by the names that the cluster knows.
//
// +kubebuilder:validation:XValidation:rule="(has(self.groups) && self.groups.size() > 0) || (has(self.users) && self.users.size() > 0)",message="name at least one of groups and users"
type People struct {
	// groups by the names that the cluster knows, as "kubectl auth whoami" shows
	// them.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	Groups []string `json:"groups,omitempty"`
	// users by the names that the cluster knows, as "kubectl auth whoami" shows
	// them.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	Users []string `json:"users,omitempty"`
}

// Approvers decide about requests.
//
// +kubebuilder:validation:XValidation:rule="(has(self.groups) && self.groups.size() > 0) || (has(self.users) && self.users.size() > 0) || (has(self.owners) && self.owners)",message="name at least one of groups and users, or set owners"
type Approvers struct {
	// groups by the names that the cluster knows, as "kubectl auth whoami" shows
	// them.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	Groups []string `json:"groups,omitempty"`
	// users by the names that the cluster knows, as "kubectl auth whoami" shows
	// them. A service account here is a program that votes:
	// system:serviceaccount:<namespace>:<name>.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	Users []string `json:"users,omitempty"`
	// owners adds those whom the AirflowInstance's owners name for the owner of
	// every DAG that is asked for. It has an effect only on requests that name
	// their DAGs.
	// +optional
	Owners bool `json:"owners,omitempty"`
}

// RequestRule decides how many must agree, or that nobody can.
//
// +kubebuilder:validation:XValidation:rule="has(self.approvals) != has(self.deny)",message="say exactly one of approvals and deny"
type RequestRule struct {
	// name of the rule, shown to the requester and kept on record.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="name must be lower-case letters, digits and '-'"
	Name string `json:"name"`
	// groups of which the requester must say one; anybody when unset.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	Groups []string `json:"groups,omitempty"`
	// when is a CEL expression that gives a bool; always true when unset. Its
	// variables are requester, duration, startsAt (optional), access, dags,
	// reason, emergency and now. A request for which it fails is undecided: it
	// waits, and nobody can approve it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	When string `json:"when,omitempty"`
	// approvals is how many approvers must agree, from 0 to 4.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=4
	Approvals *int32 `json:"approvals,omitempty"`
	// deny refuses the request, with this text on one line.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="!self.matches('[\\\\p{Cc}\\\\p{Zl}\\\\p{Zp}\\\\x{202a}-\\\\x{202e}\\\\x{2066}-\\\\x{2069}]')",message="deny must be one line of plain text: no line breaks, control or direction characters"
	Deny string `json:"deny,omitempty"`
}

// EmergencyTerms give access at once to some, to be reviewed afterwards.
//
// +kubebuilder:validation:XValidation:rule="(has(self.groups) && self.groups.size() > 0) || (has(self.users) && self.users.size() > 0)",message="name at least one of groups and users"
type EmergencyTerms struct {
	// groups of which the requester must say one.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	Groups []string `json:"groups,omitempty"`
	// users by the names that the cluster knows.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	Users []string `json:"users,omitempty"`
	// maxDuration is the longest time of such access, from 1m to 8760h.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,3})?(ms|s|m|h))+$') && duration(self) >= duration('1m') && duration(self) <= duration('8760h')",message="maxDuration must be a time from 1m to 8760h, such as 30m"
	MaxDuration metav1.Duration `json:"maxDuration"`
	// reviewWithin is the time in which an approver must have reviewed it, from 1h
	// to 720h.
	// +optional
	// +kubebuilder:default="24h"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,3})?(ms|s|m|h))+$') && duration(self) >= duration('1h') && duration(self) <= duration('720h')",message="reviewWithin must be a time from 1h to 720h, such as 24h"
	ReviewWithin metav1.Duration `json:"reviewWithin,omitempty,omitzero"`
}

// Identity says how a name that the cluster knows becomes an Airflow user.
//
// +kubebuilder:validation:XValidation:rule="has(self.email) != has(self.username)",message="say exactly one of email and username"
type Identity struct {
	// email is a CEL expression over requester, the name that the cluster knows,
	// that gives the e-mail of the Airflow user. An empty result or an error means
	// that this person cannot ask.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Email string `json:"email,omitempty"`
	// username is a CEL expression over requester, the name that the cluster
	// knows, that gives the name of the Airflow user. An empty result or an error
	// means that this person cannot ask.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Username string `json:"username,omitempty"`
}

// DagOwner says which people an owner in DAG code means. Authors of DAGs choose owners as they like; the platform team says
// here what they mean.
//
// +kubebuilder:validation:XValidation:rule="(has(self.groups) && self.groups.size() > 0) || (has(self.users) && self.users.size() > 0)",message="name at least one of groups and users"
type DagOwner struct {
	// owner as DAGs name it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=250
	Owner string `json:"owner"`
	// groups by the names that the cluster knows.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	Groups []string `json:"groups,omitempty"`
	// users by the names that the cluster knows.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	Users []string `json:"users,omitempty"`
}
