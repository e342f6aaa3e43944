package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Mode says what the operator may change in an Airflow.
// +kubebuilder:validation:Enum=Enforce;Observe;Suspended
type Mode string

const (
	// ModeEnforce gives, repairs and takes away.
	ModeEnforce Mode = "Enforce"
	// ModeObserve gives and repairs nothing and writes the plan to status. Endings
	// go on.
	ModeObserve Mode = "Observe"
	// ModeSuspended gives and repairs nothing. Endings go on.
	ModeSuspended Mode = "Suspended"
)

// DriftMode says what happens to changes that somebody else made to what is
// managed.
// +kubebuilder:validation:Enum=Repair;Report
type DriftMode string

const (
	// DriftRepair gives back what others took away.
	DriftRepair DriftMode = "Repair"
	// DriftReport gives nothing back and says so. Members without a cause and
	// permissions that others added are taken away all the same.
	DriftReport DriftMode = "Report"
)

// LeastPrivilege says what happens when roles combine to more than any of them
// gives.
// +kubebuilder:validation:Enum=Warn;Enforce
type LeastPrivilege string

const (
	// LeastPrivilegeWarn only says so.
	LeastPrivilegeWarn LeastPrivilege = "Warn"
	// LeastPrivilegeEnforce withholds the newest cause.
	LeastPrivilegeEnforce LeastPrivilege = "Enforce"
)

// InstanceDeletion says what happens to access when the AirflowInstance goes.
// +kubebuilder:validation:Enum=Revoke;Abandon
type InstanceDeletion string

const (
	// InstanceDeletionRevoke takes all managed access away before the object goes.
	InstanceDeletionRevoke InstanceDeletion = "Revoke"
	// InstanceDeletionAbandon lets go: Airflow stays as it is and nothing is
	// claimed about it.
	InstanceDeletionAbandon InstanceDeletion = "Abandon"
)

// AirflowInstanceSpec describes one Airflow and how it is governed.
type AirflowInstanceSpec struct {
	// url is the address of the Airflow API server, with its path prefix if it has
	// one. Use https; http is accepted only for hosts that the operator was
	// started with (--allow-http-host).
	// +required
	// +kubebuilder:validation:MinLength=8
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getHost() != \"\" && (self.startsWith('https://') || self.startsWith('http://'))",message="url must be an http or https address such as https://airflow.example.com/team-a"
	// +kubebuilder:validation:XValidation:rule="!self.contains('@') && !self.contains('?') && !self.contains('#')",message="url must hold no user, query or fragment: put the user name and password into the Secret"
	URL string `json:"url"`

	// credentials say how the operator makes itself known to Airflow as its own
	// account there.
	// +required
	Credentials Credentials `json:"credentials"`

	// tls says which certificates are trusted, and which one the operator shows.
	// Without it the operator's system roots are trusted, and none is shown.
	// +optional
	TLS *TLS `json:"tls,omitempty"`

	// mode says what the operator may change: Enforce, Observe (write the plan to
	// status only) or Suspended. What was given before still ends on time in every
	// mode.
	// +optional
	// +kubebuilder:default=Enforce
	Mode Mode `json:"mode,omitempty"`

	// interval is the time between two full comparisons with Airflow, from 1m to
	// 24h.
	// +optional
	// +kubebuilder:default="10m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,3})?(ms|s|m|h))+$') && duration(self) >= duration('1m') && duration(self) <= duration('24h')",message="interval must be a time from 1m to 24h, such as 30m"
	Interval metav1.Duration `json:"interval,omitempty,omitzero"`

	// dagInterval is the time between two looks at the DAG list and at users that
	// grants wait for, from 10s to 1h.
	// +optional
	// +kubebuilder:default="1m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,3})?(ms|s|m|h))+$') && duration(self) >= duration('10s') && duration(self) <= duration('1h')",message="dagInterval must be a time from 10s to 1h, such as 30m"
	DagInterval metav1.Duration `json:"dagInterval,omitempty,omitzero"`

	// dagGracePeriod is how long access to a DAG stays that the DAG list marks
	// stale, as Airflow does while the DAG's file cannot be parsed, or that the
	// list lacks, from 0s to 168h. Access to a DAG that was deleted in Airflow
	// does not stay.
	// +optional
	// +kubebuilder:default="1h"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,3})?(ms|s|m|h))+$') && duration(self) >= duration('0s') && duration(self) <= duration('168h')",message="dagGracePeriod must be a time from 0s to 168h, such as 30m"
	DagGracePeriod *metav1.Duration `json:"dagGracePeriod,omitempty"`

	// permissionCacheTTL is how long Airflow's workers may go on using permissions
	// that were taken away: the value of [fab] cache_ttl, from 0s to 5m. When
	// unset, 30s is assumed where that Airflow caches (condition CacheTTLAssumed).
	// Grants are taken away this much, and one second, before their end, so that
	// access has really ended at that moment.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,3})?(ms|s|m|h))+$') && duration(self) >= duration('0s') && duration(self) <= duration('5m')",message="permissionCacheTTL must be a time from 0s to 5m, such as 90s: set it to Airflow's [fab] cache_ttl"
	PermissionCacheTTL *metav1.Duration `json:"permissionCacheTTL,omitempty"`

	// identity says which Airflow user a requester of an AccessRequest is. When
	// absent, nobody can ask on this instance.
	// +optional
	Identity *Identity `json:"identity,omitempty"`

	// owners say which people the owners in DAG code mean, for policies whose
	// approvers include owners.
	// +optional
	// +listType=map
	// +listMapKey=owner
	// +kubebuilder:validation:MaxItems=64
	Owners []DagOwner `json:"owners,omitempty"`

	// allowedPermissions are the pairs that policies may use in
	// airflowPermissions.
	// +optional
	// +listType=map
	// +listMapKey=action
	// +listMapKey=resource
	// +kubebuilder:validation:MaxItems=64
	AllowedPermissions []AirflowPermission `json:"allowedPermissions,omitempty"`

	// adoptableRoles are existing Airflow roles that a policy may take over.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=48
	// +kubebuilder:validation:items:XValidation:rule="!self.contains('/') && !self.contains('~') && !self.matches('[\\\\p{Cc}\\\\p{Zl}\\\\p{Zp}\\\\x{202a}-\\\\x{202e}\\\\x{2066}-\\\\x{2069}]')",message="a role name must hold no slash, tilde or control character: Airflow's API cannot reach such roles, or the operator uses them itself"
	// +kubebuilder:validation:items:XValidation:rule="!(self.trim().lowerAscii() in ['admin','op','user','viewer','public'])",message="Airflow's own roles are never managed: choose another name"
	// +kubebuilder:validation:items:XValidation:rule="!self.lowerAscii().startsWith('oam.')",message="names that begin with oam. are made by the operator and cannot be adopted"
	// +kubebuilder:validation:items:XValidation:rule="self.trim() == self",message="a role name must not begin or end with a space"
	AdoptableRoles []string `json:"adoptableRoles,omitempty"`

	// drift says whether what somebody else took away is given back (Repair) or
	// only reported (Report). Members without a cause and permissions that
	// somebody else added are taken away in both.
	// +optional
	// +kubebuilder:default=Repair
	Drift DriftMode `json:"drift,omitempty"`

	// leastPrivilege says what happens when somebody's roles together let them
	// do what none of the roles gives: Warn says so in the condition
	// LeastPrivilege of the policies and grants that combine; Enforce also
	// withholds the newest of them from that person, in mode Enforce.
	// +optional
	// +kubebuilder:default=Warn
	LeastPrivilege LeastPrivilege `json:"leastPrivilege,omitempty"`

	// massRevocationLimit guards against a broken DAG list: when more than this
	// share of a policy's DAGs (and more than five) would be lost because DAGs
	// disappeared, the loss is held until it is released or 24 hours have passed.
	// +optional
	// +kubebuilder:default="25%"
	// +kubebuilder:validation:MaxLength=4
	// +kubebuilder:validation:XValidation:rule="self.matches('^(100|[1-9]?[0-9])%$')",message="massRevocationLimit must be a share from 0% to 100%, such as 25%"
	MassRevocationLimit string `json:"massRevocationLimit,omitempty"`

	// release lets a held plan go: the hash that the condition InSync names. It
	// counts once: the same loss at another time has another hash.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-f0-9]*$')",message="release must be the hash that the condition InSync names"
	Release string `json:"release,omitempty"`

	// takeOver takes this Airflow over from the AirflowInstance with this UID,
	// which the condition Ready names (EndpointTaken): its claim is replaced by
	// the one of this instance, and its roles with names that begin with oam.
	// become this instance's. It counts once.
	// +optional
	// +kubebuilder:validation:MaxLength=36
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?$')",message="takeOver must be the UID of an AirflowInstance, as the condition Ready names it"
	TakeOver string `json:"takeOver,omitempty"`

	// deletion says what happens to access when this object is deleted: Revoke
	// takes it away first, Abandon lets go. It may be changed while the object is
	// being deleted.
	// +optional
	// +kubebuilder:default=Revoke
	Deletion InstanceDeletion `json:"deletion,omitempty"`
}

// CredentialsType says how the operator makes itself known to Airflow.
// +kubebuilder:validation:Enum=Password;Token;Exchange
type CredentialsType string

const (
	// CredentialsPassword sends a user name and a password, and uses the token
	// that Airflow issues for them.
	CredentialsPassword CredentialsType = "Password"
	// CredentialsToken sends a token as it is.
	CredentialsToken CredentialsType = "Token"
	// CredentialsExchange sends a token to Airflow's login, and uses the token
	// that Airflow issues for it.
	CredentialsExchange CredentialsType = "Exchange"
)

// Credentials say how the operator makes itself known to Airflow.
// +kubebuilder:validation:XValidation:rule="self.type != 'Password' || has(self.secretRef)",message="type Password needs secretRef: a Secret with the keys username, password and url"
// +kubebuilder:validation:XValidation:rule="self.type != 'Password' || !(has(self.serviceAccountToken) || has(self.oauth2) || has(self.username))",message="type Password reads everything from secretRef: remove serviceAccountToken, oauth2 and username, or set type to Token or Exchange"
// +kubebuilder:validation:XValidation:rule="self.type == 'Password' || [has(self.secretRef), has(self.serviceAccountToken), has(self.oauth2)].filter(x, x).size() == 1",message="types Token and Exchange need one source of the token: exactly one of secretRef, serviceAccountToken and oauth2"
// +kubebuilder:validation:XValidation:rule="self.type == 'Password' || has(self.secretRef) || has(self.username)",message="username is required where no Secret names the account: set it to the name of the operator's account in Airflow"
type Credentials struct {
	// type is Password, Token or Exchange. Password sends a user name and a
	// password to Airflow's login. Token sends a token as it is with every call.
	// Exchange sends a token to Airflow's login, which issues a token of its own:
	// that needs contrib/airflow-auth in Airflow. An Airflow whose users sign in
	// without passwords may accept no password of the operator either.
	// +optional
	// +kubebuilder:default=Password
	Type CredentialsType `json:"type,omitempty"`

	// secretRef names a Secret in the namespace of this object. For Password its
	// keys are username, password and url, for Token and Exchange token, url and,
	// unless username is set here, username. Its url must have the same origin and
	// prefix as spec.url, so that no other Secret can be sent anywhere.
	// +optional
	SecretRef SecretReference `json:"secretRef,omitempty,omitzero"`

	// serviceAccountToken takes tokens of the operator's own ServiceAccount, which
	// it asks the Kubernetes API for.
	// +optional
	ServiceAccountToken *ServiceAccountToken `json:"serviceAccountToken,omitempty"`

	// oauth2 takes tokens of an identity provider, by client credentials.
	// +optional
	OAuth2 *OAuth2 `json:"oauth2,omitempty"`

	// username is the name of the operator's account in Airflow, for Token and
	// Exchange; it wins over the key username of a Secret. This account is never a
	// subject.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.trim() == self && !self.contains('/') && !self.matches('[\\\\p{Cc}\\\\p{Zl}\\\\p{Zp}]')",message="username must be the exact name of the account in Airflow, without a slash: Airflow's API cannot reach such accounts"
	Username string `json:"username,omitempty"`
}

// ServiceAccountToken asks for tokens of the operator's own ServiceAccount.
type ServiceAccountToken struct {
	// audience of the tokens; spec.url when unset. Another one than spec.url must
	// be bound to spec.url where the operator is started (--token-audience), so
	// that no other address can get tokens that this Airflow accepts.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Audience string `json:"audience,omitempty"`
}

// OAuth2 asks an identity provider for tokens, by client credentials (RFC 6749, 4.4).
type OAuth2 struct {
	// tokenURL is the address that issues tokens. Use https; http is accepted only
	// for hosts that the operator was started with (--allow-http-host).
	// +required
	// +kubebuilder:validation:MinLength=8
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getHost() != \"\" && (self.startsWith('https://') || self.startsWith('http://'))",message="tokenURL must be an http or https address such as https://login.example.com/oauth2/token"
	// +kubebuilder:validation:XValidation:rule="!self.contains('@') && !self.contains('#')",message="tokenURL must hold no user or fragment: put client_id and client_secret into the Secret"
	TokenURL string `json:"tokenURL"`
	// clientSecretRef names a Secret in the namespace of this object with the keys
	// client_id, client_secret, token_url and url. Its token_url must be tokenURL,
	// and its url must have the same origin and prefix as spec.url.
	// +required
	ClientSecretRef SecretReference `json:"clientSecretRef"`
	// scopes to ask for.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^[!#-\\\\[\\\\]-~]+$')",message="a scope must hold no spaces and quotes: list each scope as an item of its own"
	Scopes []string `json:"scopes,omitempty"`
	// audience to ask for, where the identity provider has such a parameter.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Audience string `json:"audience,omitempty"`
}

// SecretReference names a Secret in the same namespace.
type SecretReference struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",message="name must be the name of a Secret in this namespace: lower-case letters, digits, '-' and '.'"
	Name string `json:"name"`
}

// TLS says which certificates are trusted, and which one the operator shows.
// +kubebuilder:validation:XValidation:rule="has(self.caSecretRef) || has(self.clientSecretRef)",message="tls needs caSecretRef, clientSecretRef or both: remove it to trust the system's authorities and to show no certificate"
type TLS struct {
	// caSecretRef names a Secret and the key in it that holds PEM certificates of
	// the authorities to trust.
	// +optional
	CASecretRef SecretKeyReference `json:"caSecretRef,omitempty,omitzero"`
	// clientSecretRef names a Secret of type kubernetes.io/tls, whose certificate
	// (tls.crt) and key (tls.key) the operator shows to a server that asks for a
	// certificate of its client.
	// +optional
	ClientSecretRef SecretReference `json:"clientSecretRef,omitempty,omitzero"`
}

// SecretKeyReference names one key of a Secret in the same namespace.
type SecretKeyReference struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",message="name must be the name of a Secret in this namespace: lower-case letters, digits, '-' and '.'"
	Name string `json:"name"`
	// key in the Secret.
	// +optional
	// +kubebuilder:default=ca.crt
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[-._a-zA-Z0-9]+$')",message="key must be a key of that Secret: letters, digits, '-', '_' and '.'"
	Key string `json:"key,omitempty"`
}

// AirflowPermission is one pair of Airflow's FAB permissions.
type AirflowPermission struct {
	// action is one of Airflow's actions.
	// +required
	// +kubebuilder:validation:Enum=can_read;can_create;can_edit;can_delete;menu_access
	Action string `json:"action"`
	// resource is the name of an Airflow resource such as Pools. DAGs and security
	// resources are never allowed here.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="!(self.trim().lowerAscii() in ['dags','dag runs','users','roles','permissions','permission views','view menus','passwords']) && !self.trim().lowerAscii().startsWith('dag:') && !self.trim().lowerAscii().startsWith('dag run:')",message="this resource is never allowed here: say access to DAGs with dags and access; security resources cannot be given"
	// +kubebuilder:validation:XValidation:rule="self.trim() == self && !self.matches('[\\\\p{Cc}\\\\p{Zl}\\\\p{Zp}\\\\x{202a}-\\\\x{202e}\\\\x{2066}-\\\\x{2069}]')",message="resource must be the exact name of an Airflow resource, such as Pools"
	Resource string `json:"resource"`
}

// AirflowInstanceStatus is what was last observed.
type AirflowInstanceStatus struct {
	// observedGeneration is the generation of spec that this status belongs to; -1
	// before the first pass.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions: Ready, Reconciling, Stalled, Reachable, Authenticated,
	// Compatible, InSync, CacheTTLAssumed.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// endpoint is the address at which the managed roles are.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Endpoint string `json:"endpoint,omitempty"`
	// account is the user name of the operator in Airflow; it is never a subject.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Account string `json:"account,omitempty"`
	// airflow says what server was found.
	// +optional
	Airflow *AirflowServer `json:"airflow,omitempty"`
	// capabilities say what that server can do.
	// +optional
	Capabilities *Capabilities `json:"capabilities,omitempty"`
	// counts of what was seen in the last pass that changed this status.
	// +optional
	Counts *InstanceCounts `json:"counts,omitempty"`
	// claim is the role that proves that this instance governs the Airflow, after
	// it was read back.
	// +optional
	Claim *InstanceClaim `json:"claim,omitempty"`
	// managedRoles is the inventory of Airflow roles that are ours. An entry is
	// stored before the role is created.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=4096
	ManagedRoles []ManagedRole `json:"managedRoles,omitempty"`
	// spent are the terms of grants that ended early and were deleted; a
	// re-created twin stays ended.
	// +optional
	// +listType=map
	// +listMapKey=uid
	// +kubebuilder:validation:MaxItems=1024
	Spent []SpentGrant `json:"spent,omitempty"`
	// lastPass describes the last pass that changed something.
	// +optional
	LastPass *Pass `json:"lastPass,omitempty"`
	// plan holds the steps that would be taken (mode Observe), as text.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=256
	Plan []string `json:"plan,omitempty"`
	// drift holds the last changes by others, newest first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Drift []Drift `json:"drift,omitempty"`
	// held holds losses that wait for a release, by policy.
	// +optional
	// +listType=map
	// +listMapKey=policy
	// +kubebuilder:validation:MaxItems=256
	Held []HeldRevocation `json:"held,omitempty"`
}

// InstanceClaim is the proof, in Airflow, that an instance governs it.
type InstanceClaim struct {
	// role is the name of the claim in Airflow: oam.claim~ and the UID of this
	// instance. The role has no permissions and no members.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Role string `json:"role"`
	// tookOver is the value of spec.takeOver that has been applied.
	// +optional
	// +kubebuilder:validation:MaxLength=36
	TookOver string `json:"tookOver,omitempty"`
}

// AirflowServer is the version of a server.
type AirflowServer struct {
	// version of Airflow.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Version string `json:"version,omitempty"`
	// authManager is FAB, Simple or Unknown.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	AuthManager string `json:"authManager,omitempty"`
	// fabProvider is the version of apache-airflow-providers-fab.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	FABProvider string `json:"fabProvider,omitempty"`
}

// InstanceCounts are numbers of what was seen.
type InstanceCounts struct {
	// dags in Airflow.
	// +optional
	Dags int32 `json:"dags"`
	// users in Airflow.
	// +optional
	Users int32 `json:"users"`
	// roles in Airflow.
	// +optional
	Roles int32 `json:"roles"`
	// managedRoles among them.
	// +optional
	ManagedRoles int32 `json:"managedRoles"`
	// managedMemberships: pairs of a user and a managed role.
	// +optional
	ManagedMemberships int32 `json:"managedMemberships"`
}

// ManagedRole is one Airflow role that is ours. A name that ends in ~g and a number
// is that of a successor: it took the place of a role that had to lose permissions
// in an Airflow that only adds them.
type ManagedRole struct {
	// name of the role in Airflow.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Name string `json:"name"`
	// policy that the role belongs to: namespace/name.
	// +required
	// +kubebuilder:validation:MaxLength=320
	Policy string `json:"policy"`
	// policyUID is the uid of that policy.
	// +required
	// +kubebuilder:validation:MaxLength=64
	PolicyUID string `json:"policyUID"`
	// kind is Policy for the role of a policy, Grant for the role of narrowed
	// grants.
	// +required
	// +kubebuilder:validation:Enum=Policy;Grant
	Kind ManagedRoleKind `json:"kind"`
	// adopted is true for a role that was there before us; it is never deleted.
	// +optional
	Adopted bool `json:"adopted,omitempty"`
	// orphaned is true for a role that is not changed: its policy let go of it
	// (deletion: Orphan), or it stood in Airflow before this instance claimed that
	// Airflow, and no policy wants it.
	// +optional
	Orphaned bool `json:"orphaned,omitempty"`
	// retired is true for a role that is not used any more and stays in
	// Airflow without members: Airflow cannot delete roles, or it was there
	// before us and a successor took its place.
	// +optional
	Retired bool `json:"retired,omitempty"`
}

// ManagedRoleKind says what a managed role is for.
type ManagedRoleKind string

const (
	// ManagedRolePolicy is the role of a policy.
	ManagedRolePolicy ManagedRoleKind = "Policy"
	// ManagedRoleGrant is the role of one or more grants that hold less than their
	// policy.
	ManagedRoleGrant ManagedRoleKind = "Grant"
)

// SpentGrant keeps the terms of a grant that ended early and was deleted.
type SpentGrant struct {
	// uid of the deleted grant.
	// +required
	// +kubebuilder:validation:MaxLength=64
	UID string `json:"uid"`
	// grant is its namespace/name.
	// +required
	// +kubebuilder:validation:MaxLength=320
	Grant string `json:"grant"`
	// digest over its terms.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Digest string `json:"digest"`
	// until is when the terms would have ended; the entry is dropped then.
	// +required
	Until metav1.Time `json:"until"`
}

// Pass describes one pass over an instance.
type Pass struct {
	// startedAt is when it began.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// finishedAt is when it was over.
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
	// requests made to Airflow.
	// +optional
	Requests int32 `json:"requests"`
	// changes made in Airflow.
	// +optional
	Changes int32 `json:"changes"`
}

// Drift is one change that somebody else made.
type Drift struct {
	// at is when it was observed.
	// +required
	At metav1.Time `json:"at"`
	// username is the Airflow user whose roles were changed; empty where a role
	// was changed.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Username string `json:"username,omitempty"`
	// role in which it was seen.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Role string `json:"role,omitempty"`
	// what was seen.
	// +required
	// +kubebuilder:validation:MaxLength=256
	What string `json:"what"`
	// cause is the best explanation: DagAccessControl, LoginRoleSync, RoleDeleted,
	// RoleEdited, UserDeleted, Manual or Unknown.
	// +required
	// +kubebuilder:validation:MaxLength=32
	Cause string `json:"cause"`
	// repaired is true when it was undone.
	// +optional
	Repaired bool `json:"repaired"`
}

// HeldRevocation is a loss of access that waits for a release.
type HeldRevocation struct {
	// policy that would lose DAGs: namespace/name.
	// +required
	// +kubebuilder:validation:MaxLength=320
	Policy string `json:"policy"`
	// hash over the policy, the sorted DAGs and since; spec.release takes it. The
	// same loss at another time has another hash.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Hash string `json:"hash"`
	// since is when it was first held; after 24 hours it goes by itself.
	// +required
	Since metav1.Time `json:"since"`
	// dags that would be lost; the first ones.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=250
	Dags []string `json:"dags,omitempty"`
	// total number of DAGs that would be lost.
	// +optional
	Total int32 `json:"total"`
}

// AirflowInstance is one Airflow whose access is governed: its address, the
// operator's account in it, and the limits for policies.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=afi,categories=airflow-access
// +kubebuilder:selectablefield:JSONPath=`.spec.mode`
// +kubebuilder:printcolumn:name="URL",type=string,JSONPath=`.spec.url`
// +kubebuilder:printcolumn:name="Mode",type=string,JSONPath=`.spec.mode`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Airflow",type=string,JSONPath=`.status.airflow.version`
// +kubebuilder:printcolumn:name="FAB",type=string,JSONPath=`.status.airflow.fabProvider`,priority=1
// +kubebuilder:printcolumn:name="Roles",type=integer,JSONPath=`.status.counts.managedRoles`
// +kubebuilder:printcolumn:name="Members",type=integer,JSONPath=`.status.counts.managedMemberships`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type AirflowInstance struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is what is wanted.
	// +required
	Spec AirflowInstanceSpec `json:"spec"`
	// status is what was observed.
	// +optional
	// +kubebuilder:default={observedGeneration:-1}
	Status AirflowInstanceStatus `json:"status,omitempty"`
}

// AirflowInstanceList is a list of AirflowInstance.
//
// +kubebuilder:object:root=true
type AirflowInstanceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []AirflowInstance `json:"items"`
}
