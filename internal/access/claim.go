package access

import (
	"maps"

	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
)

// Claim is whose an Airflow is, as its roles show: an empty role oam.claim~<uid> names the instance that governs it. It is the
// one rule about ownership; docs/design/claims.md has the reasons. The zero value claims nothing.
type Claim struct {
	// State is whose the Airflow is.
	State ClaimState
	// Role is the own claim, Stands whether Airflow stores it.
	Role   string
	Stands bool
	// Foreign is the UID of the instance in whose way no takeover stands; of several, the first by name. Empty where
	// there is none.
	Foreign string
	// Superseded is the claim that spec.takeOver names, as long as Airflow stores it and it is to go.
	Superseded string
	// Complete is true where nothing is left to do for spec.takeOver.
	Complete bool
	// Lost is true where this instance had the claim, and another one has it now: the roles went with it, so that nothing is
	// left in the inventory.
	Lost bool
	// Confirmed is true where an earlier pass read the own claim back and no foreign one beside it.
	Confirmed bool
}

// ClaimState is whose an Airflow is.
type ClaimState int

const (
	// ClaimNone: no claim stands that counts. An instance in mode Enforce makes its own before it writes anything else.
	ClaimNone ClaimState = iota
	// ClaimMine: the own claim stands, and no foreign one. Roles with names that only the operator gives are the instance's.
	ClaimMine
	// ClaimForeign: another instance has claimed the Airflow, of whatever operator, cluster and URL. Nothing is granted.
	ClaimForeign
)

// Mine reports whether the Airflow is this instance's.
func (c Claim) Mine() bool { return c.State == ClaimMine }

// Taken reports whether the Airflow is another instance's.
func (c Claim) Taken() bool { return c.State == ClaimForeign }

// ForeignRole is the claim of the other instance.
func (c Claim) ForeignRole() string { return rolename.Claim(c.Foreign) }

// Withdraws reports whether the own claim is to go: two instances claimed the Airflow at the same time. An instance that had
// the claim before keeps it, and waits for the other one.
func (c Claim) Withdraws() bool { return c.Taken() && c.Stands && !c.Confirmed }

// Claim is whose the observed Airflow is.
func (in *Input) Claim() Claim {
	stored := in.Instance.Status.Claim
	c := Claim{Role: rolename.Claim(string(in.Instance.UID)), Confirmed: stored != nil}
	_, c.Stands = in.Observed.Roles[c.Role]
	for name := range in.Observed.Roles {
		uid, claims := rolename.Claimant(name)
		switch {
		case !claims, name == c.Role:
		case in.takesOver(uid, c.Stands):
			c.Superseded = name
		case c.Foreign == "", uid < c.Foreign:
			c.Foreign = uid
		}
	}
	c.Complete = c.Superseded == "" || !in.Deletes()
	switch {
	case c.Foreign != "":
		c.State, c.Lost = ClaimForeign, c.Confirmed && !c.Stands
	case c.Stands:
		c.State = ClaimMine
	}
	return c
}

// takesOver reports whether the spec takes the Airflow over from an instance. It counts once, so that two instances that name
// each other do not take the Airflow from each other by turns. Where roles cannot be deleted, the claim that was taken over
// stays, and is ignored as long as the own one stands.
func (in *Input) takesOver(uid string, stands bool) bool {
	stored := in.Instance.Status.Claim
	switch {
	case in.Instance.Spec.TakeOver != uid:
		return false
	case stored == nil, stored.TookOver != uid:
		return true
	}
	return stands && !in.Deletes()
}

// Claims reports whether the instance is to have a claim in Airflow: only where it may grant. An instance that observes, is
// suspended or goes makes none.
func (in *Input) Claims(c Claim) bool {
	switch {
	case !in.Instance.Enforces(), in.Instance.DeletionTimestamp != nil:
		return false
	case c.Taken():
		return false
	}
	return in.Giving.All()
}

// Own reports whether roles are the instance's by a name that only the operator gives: under its own claim, and never in
// a mode that only observes.
func (in *Input) Own(c Claim) bool { return c.Mine() && in.Instance.Enforces() }

// Claiming is what will be observed when the instance has made its claim.
func (in *Input) Claiming(c Claim) Observed {
	observed := in.Observed
	observed.Roles = make(map[string][]permission.Pair, len(in.Observed.Roles)+1)
	maps.Copy(observed.Roles, in.Observed.Roles)
	observed.Roles[c.Role] = nil
	return observed
}
