package operator_test

import (
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// takenOff takes the policy's role off a member by hand.
func (w *world) takenOff(t *testing.T) {
	g, ctx, before := NewWithT(t), t.Context(), w.drifts(t)
	reads := func() int { return w.read(ctx, "alice", "finance_daily") }
	g.Expect(w.Airflow.SetRoles(ctx, "alice", "handmade")).To(Succeed())
	g.Eventually(reads, patience, "300ms").Should(Equal(http.StatusForbidden))
	w.compare(t)
	g.Eventually(reads, patience, "300ms").Should(Equal(http.StatusOK))
	w.drift(t, before, "Manual", HaveField("What", "role "+w.role(t)+" was revoked from user alice"), HaveField("Username", "alice"), HaveField("Role", w.role(t)))
	g.Expect(w.rolesOf(t, "alice")).To(Equal([]string{"handmade", w.role(t)}), "and nothing else is changed")
}

// impostor deletes the policy's role and makes another one of that name, with another right and with somebody else in it.
func (w *world) impostor(t *testing.T) {
	g, ctx, before := NewWithT(t), t.Context(), w.drifts(t)
	w.person(t, "leo", "handmade")
	ours := w.role(t)
	held := w.permissions(t, ours)
	g.Expect(w.Airflow.AsAdmin(ctx, http.MethodDelete, rolesAPI+"/"+url.PathEscape(ours), nil, nil)).To(Succeed())
	theirs := storedRole{Name: ours, Actions: []pair{pairOf("can_edit", "DAG:marketing_report")}}
	g.Expect(w.Airflow.AsAdmin(ctx, http.MethodPost, rolesAPI, theirs, nil)).To(Succeed())
	g.Expect(w.Airflow.SetRoles(ctx, "leo", ours, "handmade")).To(Succeed())
	g.Expect(w.unpause(ctx, "leo", "marketing_report")).To(Equal(http.StatusOK), "the role works")

	w.compare(t)
	for _, person := range []string{"alice", "frida"} {
		g.Eventually(func() int { return w.trigger(ctx, person, "finance_daily") }, patience, "300ms").Should(Equal(http.StatusOK), person)
		g.Expect(w.unpause(ctx, person, "marketing_report")).To(Equal(http.StatusForbidden), person)
	}
	g.Eventually(func() []string { return w.rolesOf(t, "leo") }, patience, "300ms").Should(Equal([]string{"handmade"}))
	g.Eventually(func() int { return w.unpause(ctx, "leo", "marketing_report") }, patience, "300ms").Should(Equal(http.StatusForbidden))
	w.drift(t, before, "RoleEdited", HaveField("Role", ours))
	w.drift(t, before, "Manual", HaveField("What", "role "+ours+" was granted to user leo by another writer"))
	w.waitReady(t)
	g.Expect(w.permissions(t, w.role(t))).To(Equal(held))
	roles, _ := w.roles(t)
	g.Expect(slices.Contains(roles, ours)).To(Equal(w.role(t) == ours), "what was made by hand is gone, or is as it should be")
}

// anotherName gives people another name. Airflow keeps their roles, which no grant names then.
func (w *world) anotherName(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	rename := func(person string) (renamed string) {
		renamed = person + ".married"
		g.Expect(w.Airflow.RenameUser(ctx, person, renamed)).To(Succeed())
		w.tokens[renamed], w.passwords[renamed] = w.tokens[person], w.passwords[person]
		g.Expect(w.rolesOf(t, renamed)).To(ContainElement(w.role(t)))
		g.Eventually(func() int { return w.read(ctx, renamed, "finance_daily") }, patience, "300ms").Should(Equal(http.StatusOK), "the name does not matter to Airflow")
		return renamed
	}
	gone := func(person string) {
		g.Eventually(func() []string { return w.rolesOf(t, person) }, patience, "300ms").Should(Equal([]string{"Public"}))
		g.Eventually(func() int { return w.read(ctx, person, "finance_daily") }, patience, "300ms").Should(Equal(http.StatusForbidden))
	}

	for _, person := range []string{"mona", "nina"} {
		w.person(t, person)
		w.give(t, person, 30*time.Minute, "")
	}
	for _, person := range []string{"mona", "nina"} {
		g.Eventually(w.field(t, "accessgrant/"+person, ".status.phase"), patience).Should(Equal("Active"))
	}
	nina, before := rename("nina"), w.drifts(t)
	w.compare(t)
	gone(nina)
	w.drift(t, before, "UserDeleted")
	w.drift(t, before, "Manual", HaveField("What", HaveSuffix("was granted to user "+nina+" by another writer")))
	g.Eventually(w.field(t, "accessgrant/nina", condition("Active", "reason")), patience).Should(Equal("SubjectGone"))

	mona := rename("mona")
	for _, person := range []string{"mona", "nina"} {
		w.revoke(t, person)
	}
	gone(mona)
	for _, person := range []string{"mona", "nina"} {
		g.Eventually(w.field(t, "accessgrant/"+person, ".status.phase"), patience).Should(Equal("Revoked"))
	}
	w.waitReady(t)
}
