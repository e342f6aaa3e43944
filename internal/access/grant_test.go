package access_test

import (
	"slices"
	"testing"
	"time"

	"github.com/airflow-oam/airflow-oam/internal/access"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

func TestLive(t *testing.T) {
	ttl := 30 * time.Second
	for sentence, c := range map[string]struct {
		change func(g *v1alpha1.AccessGrant)
		now    time.Time
		live   bool
	}{
		"an activated grant is live":                             {nil, testNow, true},
		"it is not live without an activation":                   {func(g *v1alpha1.AccessGrant) { g.Status.Activation = nil }, testNow, false},
		"it is live just before the cache must have run out":     {nil, testNow.Add(time.Hour - access.Lead(ttl) - time.Nanosecond), true},
		"it is not live when the cache needs the rest":           {nil, testNow.Add(time.Hour - access.Lead(ttl)), false},
		"an end is final":                                        {func(g *v1alpha1.AccessGrant) { g.Status.End = &v1alpha1.End{Reason: v1alpha1.EndExpired} }, testNow, false},
		"a revoked grant is not live":                            {func(g *v1alpha1.AccessGrant) { g.Spec.Revoke = &v1alpha1.Revocation{} }, testNow, false},
		"a deleted grant is not live":                            {func(g *v1alpha1.AccessGrant) { g.DeletionTimestamp = &metav1.Time{Time: testNow} }, testNow, false},
		"an earlier end in the spec counts at once":              {func(g *v1alpha1.AccessGrant) { g.Spec.ExpiresAt = &metav1.Time{Time: testNow.Add(time.Minute)} }, testNow.Add(30 * time.Second), false},
		"a later end in the spec counts only when it was pinned": {func(g *v1alpha1.AccessGrant) { g.Spec.ExpiresAt = &metav1.Time{Time: testNow.Add(9 * time.Hour)} }, testNow.Add(time.Hour), false},
		"a shorter duration counts from activation":              {func(g *v1alpha1.AccessGrant) { g.Spec.Duration = &metav1.Duration{Duration: time.Hour} }, testNow, false},
		"a duration counts from the start where there is one": {func(g *v1alpha1.AccessGrant) {
			g.Spec.Duration, g.Spec.StartsAt = &metav1.Duration{Duration: time.Hour}, &metav1.Time{Time: testNow}
		}, testNow, true},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld()
			g := w.grant("g", w.policy("p", levels("View"), []string{"*"}), "bob")
			if c.change != nil {
				c.change(g)
			}
			if got := access.Live(g, c.now, ttl); got != c.live {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestGrantEndsWithThePolicysLongestDuration(t *testing.T) {
	w := newWorld()
	w.user("bob")
	p := w.policy("p", levels("View"), []string{"*"})
	g := w.grant("g", p, "bob")
	p.Spec.Grants.MaxDuration.Duration = time.Hour + access.Lead(0) // it was activated an hour ago
	if Desire(w.Input).Grants[g.UID].Live {
		t.Error("it is still live")
	}
	p.Spec.Grants.MaxDuration.Duration = time.Hour + access.Lead(0) + time.Second
	if !Desire(w.Input).Grants[g.UID].Live {
		t.Error("it is not live")
	}
	if got := access.RemovalAt(&v1alpha1.AccessGrant{}, time.Second); !got.IsZero() {
		t.Errorf("a grant without activation is removed at %v", got)
	}
}

func TestResolveSubject(t *testing.T) {
	users := []access.User{
		{Username: "alice", Email: "alice@example.com"}, {Username: "Bob", Email: "b@example.com"}, {Username: "BOB", Email: "b2@example.com"},
		{Username: "carol", Email: "same@example.com"}, {Username: "dave", Email: "Same@Example.com"}, {Username: account, Email: "ops@example.com"},
		{Username: "github_gustav", Email: "github_gustav@email.notfound"},
	}
	for sentence, c := range map[string]struct {
		subject      v1alpha1.Subject
		name, reason string
	}{
		"a user name in another case is the same person":        {v1alpha1.Subject{Username: "ALICE"}, "alice", ""},
		"an e-mail in another case is the same person":          {v1alpha1.Subject{Email: "Alice@Example.COM"}, "alice", ""},
		"nobody is waited for":                                  {v1alpha1.Subject{Username: "erin"}, "", v1alpha1.ReasonUserNotFound},
		"two spellings of one name are ambiguous":               {v1alpha1.Subject{Username: "bob"}, "", v1alpha1.ReasonSubjectAmbiguous},
		"an e-mail that leads to such a name is ambiguous":      {v1alpha1.Subject{Email: "b@example.com"}, "", v1alpha1.ReasonSubjectAmbiguous},
		"two users with one e-mail are ambiguous":               {v1alpha1.Subject{Email: "same@example.com"}, "", v1alpha1.ReasonSubjectAmbiguous},
		"the operator's account is nobody's subject":            {v1alpha1.Subject{Username: "OAM-operator"}, "", v1alpha1.ReasonSubjectReserved},
		"neither is it by its e-mail":                           {v1alpha1.Subject{Email: "ops@example.com"}, "", v1alpha1.ReasonSubjectReserved},
		"a placeholder of Airflow is no e-mail":                 {v1alpha1.Subject{Email: "github_gustav@email.notfound"}, "", v1alpha1.ReasonUserNotFound},
		"an empty subject is nobody, also beside empty e-mails": {v1alpha1.Subject{}, "", v1alpha1.ReasonUserNotFound},
		"letters that only look alike are another person":       {v1alpha1.Subject{Username: "аlice"}, "", v1alpha1.ReasonUserNotFound},
	} {
		t.Run(sentence, func(t *testing.T) {
			user, problem := access.ResolveSubject(c.subject, users, account)
			reason := ""
			if problem != nil {
				reason = problem.Reason
			}
			if user.Username != c.name || reason != c.reason {
				t.Errorf("got %q, %q", user.Username, reason)
			}
		})
	}
}

func TestALiveGrantSaysThatItGivesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		narrow  []string
		left    []string // what the policy still covers
		add     bool     // the server's role updates only add
		empty   bool
		pending []string
	}{
		"its DAG is covered":                        {[]string{"a"}, []string{"a", "b"}, false, false, nil},
		"its DAG is not covered any more":           {[]string{"a"}, []string{"b"}, false, true, []string{"a"}},
		"nor where role updates only add":           {[]string{"a"}, []string{"b"}, true, true, []string{"a"}},
		"one of its DAGs is not covered any more":   {[]string{"a", "b"}, []string{"b"}, false, false, []string{"a"}},
		"its policy covers nothing any more":        {nil, []string{"zz"}, false, true, nil},
		"nor of a policy where updates only add":    {nil, []string{"zz"}, true, true, nil},
		"a grant of the whole policy loses one DAG": {nil, []string{"b"}, false, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.Instance.Spec.MassRevocationLimit = "100%"
			if c.add {
				w.Capabilities.RoleUpdate = v1alpha1.RoleUpdateAdd
			}
			w.dags("a", "b")
			w.user("bob")
			p := w.policy("finance", levels("View", "Trigger"), []string{"a", "b"})
			g := w.grant("g", p, "bob", c.narrow...)
			w.pass(t)
			p.Spec.Dags = []v1alpha1.DagSelector{{IDs: c.left}}
			p.Generation++
			before := Desire(w.Input)
			if proofs, _, _ := Assess(w.Input, before); proofs[g.UID].Empty {
				t.Error("it is said to give nothing although Airflow still stores it")
			}
			d, _ := w.pass(t)
			proofs, _, _ := Assess(w.Input, d)
			if got := proofs[g.UID]; !got.Present || got.Empty != c.empty {
				t.Errorf("proof %+v, want empty %t", got, c.empty)
			}
			if got := d.Grants[g.UID].Pending; !slices.Equal(got, c.pending) {
				t.Errorf("pending are %v, want %v", got, c.pending)
			}
		})
	}
}
