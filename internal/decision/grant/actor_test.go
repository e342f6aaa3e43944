package grant_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/decision"
	"github.com/airflow-oam/airflow-oam/internal/decision/grant"
)

func TestTheActorIsNamedOnlyWhereItIsKnown(t *testing.T) {
	const operator, unknown = v1alpha1.ActorOperator, ""
	for name, c := range map[string]struct {
		change func(*grant.Facts)
		event  string
		actor  string
	}{
		"time ends it":                {func(f *grant.Facts) { f.Now = t0.Add(time.Hour) }, "Expired", operator},
		"another user has the name":   {func(f *grant.Facts) { f.Report.Desire.Problem = &access.Problem{Reason: v1alpha1.ReasonSubjectChanged} }, "SubjectChanged", operator},
		"it is not observed":          {func(f *grant.Facts) { f.Now = t0.Add(30 * time.Minute) }, "NotObserved", operator},
		"it is revoked":               {func(f *grant.Facts) { f.Grant.Spec.Revoke = &v1alpha1.Revocation{Reason: "laptop lost"} }, "Revoked", unknown},
		"it is deleted":               {func(f *grant.Facts) { f.Grant.DeletionTimestamp = new(at(time.Second)) }, "Deleted", unknown},
		"its policy is deleted":       {func(f *grant.Facts) { f.Policy = nil }, "PolicyDeleted", unknown},
		"its policy allows no grants": {func(f *grant.Facts) { f.Policy.Spec.Grants = nil }, "PolicyChanged", unknown},
		"its instance is deleted":     {func(f *grant.Facts) { f.Instance.DeletionTimestamp = new(at(time.Second)) }, "InstanceDeleted", unknown},
		"its end is moved":            {func(f *grant.Facts) { f.Grant.Spec.Duration = span(2 * time.Hour) }, "Extended", unknown},
		"its end cannot be moved":     {func(f *grant.Facts) { f.Grant.Spec.Duration = span(20 * time.Hour) }, "ExtensionTooLong", operator},
	} {
		t.Run(name, func(t *testing.T) {
			f := live(t)
			c.change(f)
			v := grant.Decide(*f)
			for _, entry := range v.Entries {
				if entry.Event == c.event {
					if entry.Actor != c.actor {
						t.Errorf("actor %q, want %q", entry.Actor, c.actor)
					}
					return
				}
			}
			t.Errorf("no entry %s: %+v", c.event, v.Entries)
		})
	}
}

func TestTheHistoryOfAGrantNamesTheOperator(t *testing.T) {
	f := live(t)
	var got []string
	for _, entry := range f.Grant.Status.History {
		got = append(got, entry.Event+" by "+entry.Actor)
	}
	if diff := cmp.Diff([]string{"Activating by airflow-oam", "Active by airflow-oam"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAnEntryRefersToPolicyInstanceAndRole(t *testing.T) {
	f := world()
	want := []decision.Reference{
		{Kind: decision.KindPolicy, Namespace: "finance", Name: "operators", UID: "policy-uid"},
		{Kind: decision.KindInstance, Namespace: "finance", Name: "prod", UID: "instance-uid"},
		{Kind: decision.KindRole, Name: "oam.finance.operators"},
	}
	for _, entry := range settle(t, f).Entries {
		if diff := cmp.Diff(want, entry.References); diff != "" {
			t.Errorf("%s: %s", entry.Event, diff)
		}
	}
	f = world()
	f.Policy, f.Instance = nil, nil
	for _, entry := range settle(t, f).Entries {
		if diff := cmp.Diff([]decision.Reference{{Kind: decision.KindPolicy, Namespace: "finance", Name: "operators"}}, entry.References); diff != "" {
			t.Errorf("%s without a policy: %s", entry.Event, diff)
		}
	}
}
