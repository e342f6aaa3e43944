package grant_test

import (
	"testing"
	"time"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/decision/grant"
)

// asked makes the grant of the facts one that was made for a request of alice.
func asked(f *grant.Facts) {
	f.Request = &v1alpha1.AccessRequest{}
	f.Request.Namespace, f.Request.Name, f.Request.UID = "finance", "bob-4711", "request-uid"
	f.Request.Spec.Requester = "alice@example.com"
	f.Grant.Spec.RequestRef = &v1alpha1.RequestReference{Name: f.Request.Name, UID: string(f.Request.UID)}
}

func TestAGrantEndsWithItsRequest(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*grant.Facts)
		actor  string
	}{
		"its requester withdraws": {func(f *grant.Facts) { f.Request.Spec.Withdrawn = true }, "alice@example.com"},
		"it is being deleted":     {func(f *grant.Facts) { f.Request.DeletionTimestamp = new(at(time.Second)) }, ""},
		"it is gone":              {func(f *grant.Facts) { f.Request = nil }, ""},
	} {
		t.Run("live: "+name, func(t *testing.T) {
			f := live(t, asked)
			c.change(f)
			v := settle(t, f)
			expect(t, f.Grant, v1alpha1.GrantEnding, "False/Ending", "True/Admitted", "Unknown/Ending")
			if v.End.Reason != v1alpha1.EndWithdrawn || v.Entries[0].Actor != c.actor {
				t.Errorf("ends as %s by %q, want %s by %q", v.End.Reason, v.Entries[0].Actor, v1alpha1.EndWithdrawn, c.actor)
			}
		})
		t.Run("not activated: "+name, func(t *testing.T) {
			f := world()
			asked(f)
			c.change(f)
			settle(t, f)
			expect(t, f.Grant, v1alpha1.GrantRevoked, "True/Withdrawn", "False/Withdrawn", "False/Withdrawn")
		})
	}
}

func TestAGrantThatNobodyAskedForNeedsNoRequest(t *testing.T) {
	f := live(t)
	settle(t, f)
	expect(t, f.Grant, v1alpha1.GrantActive, "True/Active", "True/Admitted", "True/Active")
}

func TestARevocationNamesWhoRevokes(t *testing.T) {
	f := live(t)
	f.Grant.Spec.Revoke = &v1alpha1.Revocation{Reason: "laptop lost", By: "carol@example.com"}
	entry := settle(t, f).Entries[0]
	if entry.Actor != "carol@example.com" || entry.Message != "the grant was revoked: laptop lost" {
		t.Errorf("%q by %q", entry.Message, entry.Actor)
	}
}
