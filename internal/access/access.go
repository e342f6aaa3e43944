package access

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/dag"
	"github.com/airflow-oam/airflow-oam/internal/permission"
)

// User is one stored Airflow user.
type User struct {
	Username, Email string
	// CreatedOn is Airflow's text, compared as it is: another value under the same name means another person.
	CreatedOn string
	// LastLogin is Airflow's text.
	LastLogin string
	// Roles are the names of all roles of the user, sorted.
	Roles []string
}

// Observed is what an Airflow stores. Roles and their permissions, users and DAGs are sorted by name.
type Observed struct {
	Roles map[string][]permission.Pair
	Users []User
	Dags  []dag.Dag
	// Away are DAGs that the list marks stale or lacks, as far as one is known to have had them, sorted by id.
	Away []dag.Away
	// ListedFrom and ListedAt are the moments of the first and of the last complete DAG list. A DAG that the list lacks and
	// that is not among Away is away since the first.
	ListedFrom, ListedAt time.Time
}

// Input is all that a decision depends on.
type Input struct {
	// Now is the latest of our clock, the API server's and Airflow's for endings.
	Now time.Time
	// CacheTTL is how much earlier than its end a grant is taken away.
	CacheTTL time.Duration
	// Account is the operator's own user name in Airflow.
	Account string
	// Instance gives the spec and, in its status, the stored inventory and held plans.
	Instance *v1alpha1.AirflowInstance
	// Policies of the instance, in any order.
	Policies []*v1alpha1.DagAccessPolicy
	// Grants of these policies and grants that were activated in this instance, in any order.
	Grants []*v1alpha1.AccessGrant
	// Observed is the last snapshot.
	Observed Observed
	// Previous is the snapshot at the end of the previous pass; nil after a start.
	Previous *Observed
	// DagList is what is known of the DAG list.
	DagList DagList
	// UnknownDags are DAGs in the list that Airflow does not know as a resource yet.
	UnknownDags map[string]bool
	// UnknownResources are other resources that Airflow does not know: nothing is given of them.
	UnknownResources map[string]bool
	// NoGain are roles that get nothing more now: somebody who should leave one could not be taken off, or Airflow refused
	// to store more in it. They lose what they should lose.
	NoGain map[string]bool
	// Contested are items (Drift.Key) whose restoration is given up for now.
	Contested map[string]bool
	// AllowPrivileged lets airflowPermissions hold write actions on global resources.
	AllowPrivileged bool
	// Giving is how much may be done now: what should go goes in either case, as far as that gives no user anything.
	Giving Giving
	// Version of Airflow; empty means the newest.
	Version string
	// Capabilities say how the server behaves where releases differ; empty fields mean the newest behaviour.
	Capabilities v1alpha1.Capabilities
}

// DagList is what is known of the list of DAGs. Where less is known than DagListKnown, policies retain the permissions that
// their roles have on DAGs which their selectors may mean; nothing is granted or revoked because a list lacks a DAG.
type DagList int

const (
	// DagListKnown: at least two complete lists were read. A DAG is gone only after two.
	DagListKnown DagList = iota
	// DagListFirst: one complete list was read.
	DagListFirst
	// DagListOld: the list cannot be read at present. What an earlier one had counts.
	DagListOld
	// DagListUnread: no list was ever read. What roles hold says which DAGs their policies cover.
	DagListUnread
)

// Readable reports whether the list can be read.
func (l DagList) Readable() bool { return l <= DagListFirst }

// Problem is why something is not as it was asked for: a documented reason and a message that a person can act on.
type Problem struct{ Reason, Message string }

// Desired is what should hold.
type Desired struct {
	// Roles by name, managed ones only.
	Roles map[string]Role
	// Members are the managed roles that each user should have, and why.
	Members Members
	// Inventory is the inventory as it should be stored before the first step; entries for roles that are to be
	// deleted stay until Assess proves that they are gone.
	Inventory []v1alpha1.ManagedRole
	// Policies has an entry for every policy of the input.
	Policies map[types.NamespacedName]PolicyDesire
	// Grants has an entry for every grant of the input.
	Grants map[types.UID]GrantDesire
	// Held are losses that wait for a release.
	Held []v1alpha1.HeldRevocation
	// Claim is whose the Airflow is. The own claim is in Roles where the instance is to have one, and in Doomed where it is to
	// go; it is never in the inventory.
	Claim Claim
	// Doomed are inventoried roles that are to be emptied, and deleted unless they were there before us or the server
	// cannot delete roles.
	Doomed []string
}

// Role is one managed role as it should be.
type Role struct {
	Name        string
	Kind        v1alpha1.ManagedRoleKind
	Policy      types.NamespacedName
	Permissions []permission.Pair
	// Follows is the role whose place this one takes, as long as that one is in use: the server cannot take permissions
	// away.
	Follows string
	// Giving is how much may be done for it: a role that is not granted gets no member and no permission, and is not
	// created. Members without a cause are removed all the same.
	Giving Giving
	// Upkeep is what becomes of its permissions.
	Upkeep Upkeep
}

// Upkeep is what a plan may do to the permissions of a role.
type Upkeep int

const (
	// UpkeepFull: the role comes to hold what it should.
	UpkeepFull Upkeep = iota
	// UpkeepNarrow: the role loses what it should not hold and gains nothing, since the pass may only revoke. Where the
	// server cannot take permissions away, it stays as it is.
	UpkeepNarrow
	// UpkeepNone: the role stays as it is, since the instance or the policy is told to leave things as they are.
	UpkeepNone
)

// PolicyDesire is what a policy comes to.
type PolicyDesire struct {
	// Role is the Airflow role that carries the policy: the one of that name or its successor.
	Role string
	// Dags are covered, Pending are selected by exact id or listed but unknown to Airflow.
	Dags, Pending []string
	// Leaving are DAGs that the role holds and is to lose because the DAG list lacks them or has them with other
	// properties now, sorted: a newer list could say otherwise.
	Leaving []string
	// Away are DAGs that the list marks stale or lacks and that are covered all the same until a moment, sorted by id.
	Away []AwayDag
	// Matching reports whether the selectors match DAGs.
	Matching    Matching
	Permissions int
	// Members are resolved standing members.
	Members []string
	// Unresolved standing members.
	Unresolved []Problem
	// Withheld are standing members who get nothing, because the role would combine with others of theirs; they are not
	// in Members. Withholding says why, and names none of them.
	Withheld    []string
	Withholding *Problem
	// Refused is set when the policy gives nothing: RoleNameTaken, RoleExists, PermissionNotAllowed, InvalidSelector...
	Refused *Problem
	// Notes are conditions that do not refuse: AdoptionReported, MassRevocationHeld, LevelNotSupported...
	Notes []Problem
}

// AwayDags are the ids of the DAGs to which access stays for a time only, sorted.
func (d *Desired) AwayDags() []string {
	ids := sets.New[string]()
	for _, policy := range d.Policies {
		for _, away := range policy.Away {
			ids.Insert(away.ID)
		}
	}
	return sets.List(ids)
}

// AwayDag is a DAG that the list marks stale or lacks, and to which access stays until a moment by the operator's clock.
type AwayDag struct {
	ID    string
	Until metav1.Time // reports are compared with what compares these
}

// Matching is whether the selectors of a policy match DAGs.
type Matching int

const (
	// MatchingUnknown: nothing is known of it.
	MatchingUnknown Matching = iota
	// MatchingSome: they match at least one, or access to one that they matched stays.
	MatchingSome
	// MatchingNone: they match no DAG of the list.
	MatchingNone
)

// GrantDesire is what a grant comes to.
type GrantDesire struct {
	// Live is true when the grant is a cause of access at Input.Now.
	Live bool
	// Username and Role that it should give while it is live; the role is the one in Airflow, as in PolicyDesire.
	Username, Role string
	// Pending are DAGs of a narrowed grant that its policy does not cover now, sorted.
	Pending []string
	// Problem is set when a live grant gives nothing now: SubjectChanged, UserNotFound, PolicyRefused...
	Problem *Problem
	// Notes say what a live grant does not give although it was asked for: LevelNotSupported.
	Notes []Problem
}

// Gives says whether the grant gives its user a role at present.
func (g GrantDesire) Gives() bool { return g.Live && g.Problem == nil }

// StepKind names what a step does.
type StepKind string

const (
	// StepRemoveMember takes managed roles off a user, because the cause ended or there never was one.
	StepRemoveMember StepKind = "RemoveMember"
	// StepCreateRole creates a role.
	StepCreateRole StepKind = "CreateRole"
	// StepWidenRole adds permissions to a role and takes none away.
	StepWidenRole StepKind = "WidenRole"
	// StepAddMember gives managed roles to a user.
	StepAddMember StepKind = "AddMember"
	// StepRemoveReplaced takes managed roles off a user who keeps the access by another role.
	StepRemoveReplaced StepKind = "RemoveReplaced"
	// StepSwapMember gives a user managed roles and takes others off in one write, so that the user is never without
	// both and never has both.
	StepSwapMember StepKind = "SwapMember"
	// StepReplaceRole adds permissions to a role and takes others away in one write.
	StepReplaceRole StepKind = "ReplaceRole"
	// StepNarrowRole takes permissions away from a role.
	StepNarrowRole StepKind = "NarrowRole"
	// StepDeleteRole deletes a role that nobody holds.
	StepDeleteRole StepKind = "DeleteRole"
)

// OnUser reports whether steps of this kind write the roles of a user; the others write a role.
func (k StepKind) OnUser() bool {
	switch k {
	case StepAddMember, StepRemoveMember, StepRemoveReplaced, StepSwapMember:
		return true
	case StepCreateRole, StepWidenRole, StepReplaceRole, StepNarrowRole, StepDeleteRole:
	}
	return false
}

// Gives reports whether steps of this kind add anything in Airflow: a role, permissions to a role, or roles to a user.
func (k StepKind) Gives() bool {
	switch k {
	case StepCreateRole, StepWidenRole, StepReplaceRole, StepAddMember, StepSwapMember:
		return true
	case StepRemoveMember, StepRemoveReplaced, StepNarrowRole, StepDeleteRole:
	}
	return false
}

// Takes reports whether steps of this kind remove anything in Airflow: a role, permissions of a role, or roles of a user. A
// kind may give and take in one write.
func (k StepKind) Takes() bool {
	switch k {
	case StepRemoveMember, StepRemoveReplaced, StepSwapMember, StepReplaceRole, StepNarrowRole, StepDeleteRole:
		return true
	case StepCreateRole, StepWidenRole, StepAddMember:
	}
	return false
}

// Step is one change in Airflow. It may be applied twice.
type Step struct {
	Kind StepKind
	// Role of role steps.
	Role string
	// Permissions that the role has after the step.
	Permissions []permission.Pair
	// Gained and Lost are the permissions that a role which is there has only after the step, and only before it. A deleted
	// role loses all.
	Gained, Lost []permission.Pair
	// Username of member steps.
	Username string
	// Roles that are given or taken in member steps, sorted. In StepSwapMember they are given.
	Roles []string
	// Replaced are the roles that StepSwapMember takes, sorted.
	Replaced []string
	// Policy is the policy whose role it is, and RoleKind what the role carries, in role steps. Both are empty for a role
	// that nothing needs any more.
	Policy   types.NamespacedName
	RoleKind v1alpha1.ManagedRoleKind
	// Follows is the role whose place a created role takes; Lost is then what that one has and this one has not.
	Follows string
	// Successor is the role that has taken the place of a deleted one.
	Successor string
	// For are the causes that a member step serves: those of the roles that are granted, or that stay when others are
	// revoked. The oldest is first.
	For []Cause
	// Ended are grants that ended and gave a role which StepRemoveMember revokes, the oldest first. Empty where the role never
	// had a cause.
	Ended []Cause
	// Repair is the Drift.Key that this step undoes, if any.
	Repair string
}

// Ending says whether a grant that ended is the cause: such steps are taken in every mode.
func (s Step) Ending() bool { return len(s.Ended) > 0 }

// Plan is the way from observed to desired.
type Plan struct {
	// Phases are taken in order; the steps inside one are independent of each other, and no role and no user is in two
	// of them. Phases are never empty.
	Phases [][]Step
	// Drift is what others changed since Input.Previous, sorted by key.
	Drift []Drift
}

// Drift is a change by somebody else.
type Drift struct {
	// Key identifies what is contested: the role, or the user and role. A role and its successors have one key.
	Key                         string
	Role, Username, What, Cause string
	// Successor is the role that takes the place of Role in this plan.
	Successor string
	// Taken is true when something was taken away, and false when things were only added.
	Taken bool
	// Repaired is true when the plan undoes it.
	Repaired bool
}

// ComesBack reports whether the change is repeated as long as its cause is there: Airflow parses the file of a DAG again and
// again.
func (d Drift) ComesBack() bool { return d.Taken && d.Cause == v1alpha1.DriftCauseDagAccessControl }

// GrantProof is what an observation proves about a grant.
type GrantProof struct {
	// Present: the user stores the role and the role stores at least the permissions that the grant gives.
	Present bool
	// Empty: that role stores nothing, and should not, since the policy covers none of the grant's DAGs now.
	Empty bool
	// Contested are DAGs, sorted, whose files take the rights on them away: they are left out of what is present.
	Contested []string
	// Absent: nothing that this grant gave is stored for the user without another cause.
	Absent  bool
	Problem *Problem
	// LeastPrivilege of a live grant: AsGranted, ExcessAccess or Withheld. Empty while the grant gives nothing for
	// another reason.
	LeastPrivilege Problem
}

// PolicyProof is what an observation proves about a policy.
type PolicyProof struct {
	// InSync: the roles of the policy and their members are exactly as desired, and nothing is refused or held.
	InSync bool
	// Differences are what is not yet so, as short sentences, bounded to 8.
	Differences []string
	// LeastPrivilege is AsGranted, ExcessAccess or Withheld. Empty while the policy gives nothing.
	LeastPrivilege Problem
}
