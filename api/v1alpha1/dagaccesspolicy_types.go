package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AccessLevel is one thing that people do to DAGs. Every level implies View.
// What each level means in Airflow's own permissions, and what comes along
// with it, is in docs/airflow.md.
// +kubebuilder:validation:Enum=View;ViewLogs;ViewCode;ViewXComs;ViewAssets;ViewAudit;Pause;Trigger;EditRuns;DeleteRuns;EditTasks;EditXComs;RespondHITL;DeleteDag
type AccessLevel string

const (
	// AccessView sees the DAG, its runs and task instances.
	AccessView AccessLevel = "View"
	// AccessViewLogs reads task logs.
	AccessViewLogs AccessLevel = "ViewLogs"
	// AccessViewCode reads the DAG's source.
	AccessViewCode AccessLevel = "ViewCode"
	// AccessViewXComs reads XCom values.
	AccessViewXComs AccessLevel = "ViewXComs"
	// AccessViewAssets sees assets and asset aliases.
	AccessViewAssets AccessLevel = "ViewAssets"
	// AccessViewAudit reads Airflow's event log.
	AccessViewAudit AccessLevel = "ViewAudit"
	// AccessPause pauses and unpauses the DAG.
	AccessPause AccessLevel = "Pause"
	// AccessTrigger starts runs.
	AccessTrigger AccessLevel = "Trigger"
	// AccessEditRuns clears, marks and annotates whole runs.
	AccessEditRuns AccessLevel = "EditRuns"
	// AccessDeleteRuns deletes runs.
	AccessDeleteRuns AccessLevel = "DeleteRuns"
	// AccessEditTasks clears and marks task instances.
	AccessEditTasks AccessLevel = "EditTasks"
	// AccessEditXComs creates, changes and deletes XComs.
	AccessEditXComs AccessLevel = "EditXComs"
	// AccessRespondHITL answers human-in-the-loop tasks.
	AccessRespondHITL AccessLevel = "RespondHITL"
	// AccessDeleteDag deletes the DAG's record.
	AccessDeleteDag AccessLevel = "DeleteDag"
)

// PolicyState says whether a policy gives anything.
// +kubebuilder:validation:Enum=Active;Suspended
type PolicyState string

const (
	// PolicyActive gives what it says.
	PolicyActive PolicyState = "Active"
	// PolicySuspended gives nothing new and repairs nothing; endings go on.
	PolicySuspended PolicyState = "Suspended"
)

// Adoption says whether an existing Airflow role may be taken over.
// +kubebuilder:validation:Enum=Never;IfExists
type Adoption string

const (
	// AdoptionNever refuses a role name that exists in Airflow.
	AdoptionNever Adoption = "Never"
	// AdoptionIfExists takes an existing role over when the instance lists it in
	// adoptableRoles.
	AdoptionIfExists Adoption = "IfExists"
)

// PolicyDeletion says what happens to the role when its policy goes.
// +kubebuilder:validation:Enum=Revoke;Orphan
type PolicyDeletion string

const (
	// PolicyDeletionRevoke deletes the role.
	PolicyDeletionRevoke PolicyDeletion = "Revoke"
	// PolicyDeletionOrphan leaves the role with its standing members; time-bound
	// members are removed first.
	PolicyDeletionOrphan PolicyDeletion = "Orphan"
)

// GrantSource says in which namespaces grants of a policy may live.
// +kubebuilder:validation:Enum=Same;All;Selector
type GrantSource string

const (
	// GrantsFromSame allows the namespace of the policy only.
	GrantsFromSame GrantSource = "Same"
	// GrantsFromAll allows every namespace.
	GrantsFromAll GrantSource = "All"
	// GrantsFromSelector allows namespaces that a label selector matches.
	GrantsFromSelector GrantSource = "Selector"
)

// DagAccessPolicySpec says which DAGs, what access, who has it standing and on
// what terms others may hold it.
//
// +kubebuilder:validation:XValidation:rule="(has(self.role) && has(self.role.name) ? self.role.name : \"\") == (has(oldSelf.role) && has(oldSelf.role.name) ? oldSelf.role.name : \"\")",message="role.name is immutable: create another policy, move people over, then delete this one"
type DagAccessPolicySpec struct {
	// instanceRef names the AirflowInstance, in the same namespace, to which this
	// policy belongs.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="instanceRef is immutable: create another policy for another instance"
	InstanceRef InstanceReference `json:"instanceRef"`

	// state: a Suspended policy gives nothing new and repairs nothing; endings go
	// on.
	// +optional
	// +kubebuilder:default=Active
	State PolicyState `json:"state,omitempty"`

	// dags select the DAGs. Entries are alternatives; inside an entry every field
	// must match.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="self.map(d, (has(d.ids) ? d.ids.size() : 0) + (has(d.tags) ? d.tags.size() : 0) + (has(d.owners) ? d.owners.size() : 0) + (has(d.bundles) ? d.bundles.size() : 0) + (has(d.paths) ? d.paths.size() : 0) + (has(d.exclude) ? d.exclude.size() : 0)).sum() <= 512",message="all entries of dags together may hold at most 512 values: use wildcards, or split the policy"
	Dags []DagSelector `json:"dags"`

	// access lists what may be done. Every level implies View.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=14
	Access []AccessLevel `json:"access"`

	// airflowPermissions adds global pairs that the instance allows in
	// allowedPermissions.
	// +optional
	// +listType=map
	// +listMapKey=action
	// +listMapKey=resource
	// +kubebuilder:validation:MaxItems=32
	AirflowPermissions []AirflowPermission `json:"airflowPermissions,omitempty"`

	// role says which Airflow role carries this policy.
	// +optional
	Role *PolicyRole `json:"role,omitempty"`

	// members hold the access standing, without an end.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=512
	Members []Subject `json:"members,omitempty"`

	// grants are the terms for time-bound access. When absent, no AccessGrant may
	// be made; removing them ends those that are live.
	// +optional
	Grants *GrantTerms `json:"grants,omitempty"`

	// deletion: Revoke deletes the role with the policy, Orphan leaves it with its
	// standing members.
	// +optional
	// +kubebuilder:default=Revoke
	Deletion PolicyDeletion `json:"deletion,omitempty"`
}

// InstanceReference names an AirflowInstance.
type InstanceReference struct {
	// name of the AirflowInstance.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",message="name must be the name of an AirflowInstance in this namespace: lower-case letters, digits, '-' and '.'"
	Name string `json:"name"`
}

// DagSelector matches DAGs. A DAG matches when every field that is set matches
// it; * and ? are wildcards, ** crosses folders in paths.
//
// +kubebuilder:validation:XValidation:rule="has(self.ids) || has(self.tags) || has(self.owners) || has(self.bundles) || has(self.paths)",message="an entry must select by ids, tags, owners, bundles or paths: for every DAG write ids: [\"*\"]"
type DagSelector struct {
	// ids are DAG ids: letters, digits, '_', '-' and '.', as Airflow has them; *
	// and ? are wildcards.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=250
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^[\\\\p{L}\\\\p{N}_.*?-]+$')",message="no DAG has such an id: Airflow's ids hold letters, digits, '_', '-' and '.' alone; * and ? are wildcards"
	IDs []string `json:"ids,omitempty"`
	// tags of which the DAG has at least one. DAG authors set them.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=100
	// +kubebuilder:validation:items:XValidation:rule="self.trim() == self && !self.matches('[\\\\p{Cc}\\\\p{Zl}\\\\p{Zp}\\\\x{202a}-\\\\x{202e}\\\\x{2066}-\\\\x{2069}]')",message="an entry must hold no control character, nor begin or end with a space"
	Tags []string `json:"tags,omitempty"`
	// owners of which the DAG has at least one. DAG authors set them.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=250
	// +kubebuilder:validation:items:XValidation:rule="self.trim() == self && !self.matches('[\\\\p{Cc}\\\\p{Zl}\\\\p{Zp}\\\\x{202a}-\\\\x{202e}\\\\x{2066}-\\\\x{2069}]')",message="an entry must hold no control character, nor begin or end with a space"
	Owners []string `json:"owners,omitempty"`
	// bundles are names of DAG bundles.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=250
	// +kubebuilder:validation:items:XValidation:rule="self.trim() == self && !self.matches('[\\\\p{Cc}\\\\p{Zl}\\\\p{Zp}\\\\x{202a}-\\\\x{202e}\\\\x{2066}-\\\\x{2069}]')",message="an entry must hold no control character, nor begin or end with a space"
	Bundles []string `json:"bundles,omitempty"`
	// paths of the DAG file, relative to its bundle; * and ? stay in a folder, **
	// crosses folders.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=512
	// +kubebuilder:validation:items:XValidation:rule="self.trim() == self && !self.matches('[\\\\p{Cc}\\\\p{Zl}\\\\p{Zp}\\\\x{202a}-\\\\x{202e}\\\\x{2066}-\\\\x{2069}]')",message="an entry must hold no control character, nor begin or end with a space"
	// +kubebuilder:validation:items:XValidation:rule="!self.startsWith('/') && !self.matches('(^|/)[.][.]?(/|$)') && !self.contains('\\\\')",message="paths are relative to the bundle: write them like finance/** without a leading slash, backslashes, . or .."
	Paths []string `json:"paths,omitempty"`
	// exclude are DAG ids that this entry leaves out; * and ? are wildcards.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=250
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^[\\\\p{L}\\\\p{N}_.*?-]+$')",message="no DAG has such an id: Airflow's ids hold letters, digits, '_', '-' and '.' alone; * and ? are wildcards"
	Exclude []string `json:"exclude,omitempty"`
}

// PolicyRole says which Airflow role carries a policy.
type PolicyRole struct {
	// name of the role in Airflow; oam.<namespace>.<policy> when unset. Immutable.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=48
	// +kubebuilder:validation:XValidation:rule="!self.contains('/') && !self.contains('~') && !self.matches('[\\\\p{Cc}\\\\p{Zl}\\\\p{Zp}\\\\x{202a}-\\\\x{202e}\\\\x{2066}-\\\\x{2069}]')",message="a role name must hold no slash, tilde or control character: Airflow's API cannot reach such roles, or the operator uses them itself"
	// +kubebuilder:validation:XValidation:rule="!(self.trim().lowerAscii() in ['admin','op','user','viewer','public'])",message="Airflow's own roles are never managed: choose another name"
	// +kubebuilder:validation:XValidation:rule="!self.lowerAscii().startsWith('oam.')",message="names that begin with oam. are made by the operator: choose another name or leave it out"
	// +kubebuilder:validation:XValidation:rule="self.trim() == self",message="a role name must not begin or end with a space"
	Name string `json:"name,omitempty"`
	// adoption: IfExists takes an existing role over when the instance lists it in
	// adoptableRoles.
	// +optional
	// +kubebuilder:default=Never
	Adoption Adoption `json:"adoption,omitempty"`
}

// Subject is one person in Airflow, by user name or by e-mail.
//
// +kubebuilder:validation:XValidation:rule="has(self.username) != has(self.email)",message="say exactly one of username and email"
type Subject struct {
	// username in Airflow.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="!self.contains('/') && !self.matches('[\\\\p{Cc}\\\\p{Zl}\\\\p{Zp}\\\\x{202a}-\\\\x{202e}\\\\x{2066}-\\\\x{2069}]')",message="a user name must hold no slash and no control character: Airflow's API cannot reach such users"
	// +kubebuilder:validation:XValidation:rule="self.trim() == self",message="a user name must not begin or end with a space"
	Username string `json:"username,omitempty"`
	// email in Airflow; it must belong to exactly one user.
	// +optional
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=320
	// +kubebuilder:validation:XValidation:rule="self.matches('^[^@\\\\x00-\\\\x20\\\\x7f]+@[^@\\\\x00-\\\\x20\\\\x7f]+$')",message="email must look like carol@example.com"
	Email string `json:"email,omitempty"`
}

// GrantTerms are the terms on which others may hold a policy's access for a
// while.
//
// +kubebuilder:validation:XValidation:rule="self.from == 'Selector' ? has(self.namespaceSelector) : !has(self.namespaceSelector)",message="namespaceSelector belongs to from: Selector, and is needed there"
// +kubebuilder:validation:XValidation:rule="!has(self.requests) || !has(self.requests.defaultDuration) || duration(self.requests.defaultDuration) <= duration(self.maxDuration)",message="requests.defaultDuration must not be longer than maxDuration"
// +kubebuilder:validation:XValidation:rule="!has(self.requests) || !has(self.requests.emergency) || duration(self.requests.emergency.maxDuration) <= duration(self.maxDuration)",message="requests.emergency.maxDuration must not be longer than maxDuration"
type GrantTerms struct {
	// from says in which namespaces grants may live: Same, All or Selector.
	// +optional
	// +kubebuilder:default=Same
	From GrantSource `json:"from,omitempty"`
	// namespaceSelector selects namespaces by label, for from: Selector.
	// +optional
	// +kubebuilder:validation:XValidation:rule="(has(self.matchLabels) && self.matchLabels.size() > 0) || (has(self.matchExpressions) && self.matchExpressions.size() > 0)",message="an empty namespaceSelector matches every namespace: if that is meant, say from: All"
	// +kubebuilder:validation:XValidation:rule="(!has(self.matchLabels) || self.matchLabels.size() <= 16) && (!has(self.matchExpressions) || self.matchExpressions.size() <= 16)",message="namespaceSelector may hold at most 16 matchLabels and 16 matchExpressions"
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`
	// maxDuration is the longest time from activation to the end, from 1m to
	// 8760h.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,3})?(ms|s|m|h))+$') && duration(self) >= duration('1m') && duration(self) <= duration('8760h')",message="maxDuration must be a time from 1m to 8760h, such as 30m"
	MaxDuration metav1.Duration `json:"maxDuration"`
	// maxAhead is how far in the future a start may be.
	// +optional
	// +kubebuilder:default="168h"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,3})?(ms|s|m|h))+$') && duration(self) >= duration('0s') && duration(self) <= duration('8760h')",message="maxAhead must be a time from 0s to 8760h, such as 30m"
	MaxAhead *metav1.Duration `json:"maxAhead,omitempty"`
	// activateWithin: a grant whose user, DAG or instance does not become ready in
	// this time ends unused.
	// +optional
	// +kubebuilder:default="24h"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,3})?(ms|s|m|h))+$') && duration(self) >= duration('1m') && duration(self) <= duration('8760h')",message="activateWithin must be a time from 1m to 8760h, such as 30m"
	ActivateWithin metav1.Duration `json:"activateWithin,omitempty,omitzero"`
	// reason is what a grant's reason must look like. When absent, any text will
	// do, also none.
	// +optional
	Reason *ReasonTerms `json:"reason,omitempty"`
	// requests are the terms on which people may ask for access by an
	// AccessRequest. When absent, nobody can ask.
	// +optional
	Requests *RequestTerms `json:"requests,omitempty"`
}

// ReasonTerms say what a reason must look like.
type ReasonTerms struct {
	// pattern is a regular expression (RE2) that the reason must match.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="\"\".matches(self) in [true, false]",message="pattern must be a regular expression in RE2 syntax"
	Pattern string `json:"pattern"`
	// hint tells people what is expected.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="!self.matches('[\\\\p{Cc}\\\\p{Zl}\\\\p{Zp}\\\\x{202a}-\\\\x{202e}\\\\x{2066}-\\\\x{2069}]')",message="hint must be one line of plain text: no line breaks, control or direction characters"
	Hint string `json:"hint,omitempty"`
}

// DagAccessPolicyStatus is what was last observed.
type DagAccessPolicyStatus struct {
	// observedGeneration is the generation of spec that this status belongs to; -1
	// before the first pass.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions: Ready, Reconciling, Stalled, Admitted, InSync, DagsMatched,
	// DagsAway, DagsPending, LevelsSupported, LeastPrivilege, MembersResolved.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// instances say what was made of this policy in each Airflow; one today.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=1
	Instances []PolicyInstance `json:"instances,omitempty"`
	// history tells what happened, newest last.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	History []HistoryEntry `json:"history,omitempty"`
}

// PolicyInstance says what was made of a policy in one Airflow.
type PolicyInstance struct {
	// name of the AirflowInstance.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// namespace of the AirflowInstance.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace"`
	// role in Airflow.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Role string `json:"role,omitempty"`
	// dags that are covered: those that are matched, and those that are away and
	// to which access stays for now.
	// +optional
	Dags int32 `json:"dags"`
	// pendingDags that Airflow does not know yet.
	// +optional
	PendingDags int32 `json:"pendingDags"`
	// permissions in the role.
	// +optional
	Permissions int32 `json:"permissions"`
	// members that hold it standing.
	// +optional
	Members int32 `json:"members"`
	// activeGrants that give it for a while.
	// +optional
	ActiveGrants int32 `json:"activeGrants"`
	// observedAt is when the numbers above were last seen to change.
	// +optional
	ObservedAt *metav1.Time `json:"observedAt,omitempty"`
	// syncedDags identifies the text of spec.dags with which Airflow was last in
	// sync: 16 hexadecimal digits. Only what is lost with the same text was lost
	// by a change of the DAG list, and may be held.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	SyncedDags string `json:"syncedDags,omitempty"`
}

// ActorOperator is the actor of history entries of what the operator did.
const ActorOperator = "airflow-oam"

// HistoryEntry is one line of an object's story.
type HistoryEntry struct {
	// sequence counts the entries of an object from 1.
	// +required
	Sequence int64 `json:"sequence"`
	// at is when it happened.
	// +required
	At metav1.Time `json:"at"`
	// actor that caused it: airflow-oam where the operator did, by time, by the
	// rules or by what it read from Airflow; else who requested, voted, withdrew
	// or revoked. Empty where an object was changed or deleted otherwise, since
	// objects do not say by which user.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Actor string `json:"actor,omitempty"`
	// event is the reason word, as in conditions and events.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Event string `json:"event"`
	// message says more.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Message string `json:"message,omitempty"`
}

// DagAccessPolicy says who may do what to which DAGs. It becomes one role in
// Airflow.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=dagaccesspolicies,shortName=afpol,categories=airflow-access
// +kubebuilder:selectablefield:JSONPath=`.spec.instanceRef.name`
// +kubebuilder:selectablefield:JSONPath=`.spec.state`
// +kubebuilder:printcolumn:name="Instance",type=string,JSONPath=`.spec.instanceRef.name`
// +kubebuilder:printcolumn:name="Role",type=string,JSONPath=`.status.instances[0].role`
// +kubebuilder:printcolumn:name="Access",type=string,JSONPath=`.spec.access`
// +kubebuilder:printcolumn:name="Dags",type=integer,JSONPath=`.status.instances[0].dags`
// +kubebuilder:printcolumn:name="Members",type=integer,JSONPath=`.status.instances[0].members`
// +kubebuilder:printcolumn:name="Grants",type=integer,JSONPath=`.status.instances[0].activeGrants`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 128",message="metadata.name must be at most 128 characters"
type DagAccessPolicy struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is what is wanted.
	// +required
	Spec DagAccessPolicySpec `json:"spec"`
	// status is what was observed.
	// +optional
	// +kubebuilder:default={observedGeneration:-1}
	Status DagAccessPolicyStatus `json:"status,omitempty"`
}

// DagAccessPolicyList is a list of DagAccessPolicy.
//
// +kubebuilder:object:root=true
type DagAccessPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []DagAccessPolicy `json:"items"`
}
