package grant_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/decision/grant"
)

// revoked is a grant that was revoked before it was given, with an end in some minutes.
func revoked(uid string, minutes int) *v1alpha1.AccessGrant {
	g := &v1alpha1.AccessGrant{}
	g.Namespace, g.Name, g.UID = "finance", uid, types.UID(uid)
	g.Spec.ExpiresAt = new(at(time.Duration(minutes) * time.Minute))
	g.Status.End = &v1alpha1.End{Reason: v1alpha1.EndRevoked, At: at(0)}
	return g
}

func deleted(g *v1alpha1.AccessGrant) *v1alpha1.AccessGrant {
	g.DeletionTimestamp = new(at(0))
	return g
}

// full is a status without room, whose entries end one minute after the other.
func full() []v1alpha1.SpentGrant {
	var out []v1alpha1.SpentGrant
	for i := range grant.MaxSpent {
		out = append(out, v1alpha1.SpentGrant{UID: fmt.Sprintf("old-%04d", i), Until: at(time.Duration(i+1) * time.Minute)})
	}
	return out
}

func TestWhatIsKeptOfSpentGrants(t *testing.T) {
	cases := map[string]struct {
		stored []v1alpha1.SpentGrant
		grants []*v1alpha1.AccessGrant
		// want are the names of new entries, by time; gone is how many stored ones are not kept.
		want []string
		gone int
	}{
		"one that is being deleted":             {nil, []*v1alpha1.AccessGrant{deleted(revoked("a", 5))}, []string{"a"}, 0},
		"one that stays needs no other witness": {nil, []*v1alpha1.AccessGrant{revoked("a", 5)}, nil, 0},
		"one whose time is over":                {nil, []*v1alpha1.AccessGrant{deleted(revoked("a", 0))}, nil, 0},
		"one that was kept before": {
			[]v1alpha1.SpentGrant{{UID: "a", Until: at(5 * time.Minute)}}, []*v1alpha1.AccessGrant{deleted(revoked("a", 5))}, nil, 0},
		"stored ones go when their time is over": {
			[]v1alpha1.SpentGrant{{UID: "a", Until: at(0)}, {UID: "b", Until: at(time.Second)}}, nil, nil, 1},
		"no stored one makes room": {full(), []*v1alpha1.AccessGrant{deleted(revoked("a", 99999))}, nil, 0},
		"where there is room for one, the one that would wait longest": {
			full()[1:], []*v1alpha1.AccessGrant{deleted(revoked("a", 5)), deleted(revoked("b", 9)), deleted(revoked("c", 7))}, []string{"b"}, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := grant.Spent(c.stored, c.grants, t0)
			if len(got) > grant.MaxSpent {
				t.Fatalf("%d entries", len(got))
			}
			var added []string
			kept := 0
			for _, entry := range got {
				if slices.ContainsFunc(c.stored, func(old v1alpha1.SpentGrant) bool { return old.UID == entry.UID }) {
					kept++
				} else {
					added = append(added, entry.UID)
				}
			}
			if !slices.Equal(added, c.want) || kept != len(c.stored)-c.gone {
				t.Errorf("new: %v, kept: %d of %d", added, kept, len(c.stored))
			}
			if !slices.IsSortedFunc(got, func(a, b v1alpha1.SpentGrant) int { return a.Until.Compare(b.Until.Time) }) {
				t.Error("not sorted by time")
			}
		})
	}
}

func TestADeletedGrantForWhoseTermsThereIsNoRoomSaysWhyItStays(t *testing.T) {
	f := live(t)
	f.Grant.DeletionTimestamp = new(at(2 * time.Second))
	settle(t, f)
	seen(f, 3*time.Second, false)
	f.Instance.Status.Spent = full()
	v := settle(t, f)
	if ready := v.Conditions[0]; v.Release || ready.Type != v1alpha1.ConditionReady || !strings.Contains(ready.Message, "status.spent") {
		t.Errorf("release %t, %s says %q", v.Release, v.Conditions[0].Type, ready.Message)
	}
	spent, _ := grant.SpentEntry(f.Grant)
	f.Instance.Status.Spent = slices.Concat(full()[1:], []v1alpha1.SpentGrant{spent})
	v = settle(t, f)
	if ready := v.Conditions[0]; !v.Release || strings.Contains(ready.Message, "status.spent") {
		t.Errorf("release %t, Ready says %q", v.Release, ready.Message)
	}
}

func TestTheTermsOfAGrantAreRetainedUntilTheLaterOfItsEnds(t *testing.T) {
	for name, c := range map[string]struct {
		asked, pinned, want time.Duration
	}{
		"an extension that was not followed": {2 * time.Hour, time.Hour, 2 * time.Hour},
		"a later end was pinned":             {time.Hour, 2 * time.Hour, 2 * time.Hour},
	} {
		g := live(t).Grant.DeepCopy()
		g.Spec.Duration, g.Spec.ExpiresAt = nil, new(at(c.asked))
		g.Status.Activation.ExpiresAt, g.Status.End = at(c.pinned), &v1alpha1.End{Reason: v1alpha1.EndRevoked, At: at(time.Minute)}
		if spent, early := grant.SpentEntry(g); !early || !spent.Until.Equal(new(at(c.want))) {
			t.Errorf("%s: early %t, until %s, want %s", name, early, spent.Until, at(c.want))
		}
	}
}
