package operator_test

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func (w *world) repair(t *testing.T) {
	g, ctx, before := NewWithT(t), t.Context(), w.drifts(t)
	g.Expect(w.Airflow.AsAdmin(ctx, http.MethodDelete, rolesAPI+"/"+url.PathEscape(w.role(t)), nil, nil)).To(Succeed())
	g.Eventually(func() int { return w.read(ctx, "alice", "finance_daily") }, patience, "300ms").Should(Equal(http.StatusForbidden))
	w.compare(t)
	g.Eventually(func() int { return w.read(ctx, "alice", "finance_daily") }, patience, "300ms").Should(Equal(http.StatusOK))
	w.drift(t, before, "RoleDeleted")
}

func (w *world) edited(t *testing.T) {
	g, ctx, before := NewWithT(t), t.Context(), w.drifts(t)
	kept := watch(ctx, askEvery, map[string]func(context.Context) int{
		"alice reads": func(ctx context.Context) int { return w.read(ctx, "alice", "finance_daily") },
	})
	w.edit(t, w.role(t), pairOf("can_edit", "DAG:marketing_report"))
	g.Eventually(func() int { return w.unpause(ctx, "alice", "marketing_report") }, patience, "300ms").Should(Equal(http.StatusOK))
	w.compare(t)
	g.Eventually(func() int { return w.unpause(ctx, "alice", "marketing_report") }, patience, "300ms").Should(Equal(http.StatusForbidden))
	w.drift(t, before, "RoleEdited")
	w.waitReady(t)
	g.Consistently(func() int { return w.unpause(ctx, "alice", "marketing_report") }, "2s", "300ms").Should(Equal(http.StatusForbidden))
	neverRefused(t, kept)
}

// intruders puts people by hand into the policy's role and into that of carol's grant. They are taken out also where
// nothing else is repaired. Each is somebody else: what one person's role is restored from too often is given up.
func (w *world) intruders(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	defer w.set(t, `{"drift":"Repair","mode":"Enforce"}`)
	roles := []string{w.role(t), w.field(t, "accessgrant/carol", ".status.activation.instances[0].role")()}
	told := func() int {
		count := 0
		for _, d := range w.drifts(t) {
			if slices.Contains(roles, d.Role) && d.Cause == "Manual" && strings.HasSuffix(d.What, " by another writer") && d.Repaired {
				count++
			}
		}
		return count
	}
	for _, c := range []struct{ person, spec string }{
		{"hugo", `{"drift":"Repair"}`}, {"ivy", `{"drift":"Report"}`}, {"jack", `{"mode":"Suspended"}`}, {"kate", `{"mode":"Observe"}`},
	} {
		w.person(t, c.person, "handmade")
		w.set(t, c.spec)
		before := told()
		g.Expect(w.Airflow.SetRoles(ctx, c.person, append(roles, "handmade")...)).To(Succeed())
		g.Expect(w.trigger(ctx, c.person, "finance_daily")).To(Equal(http.StatusOK), "%s: the roles work", c.person)
		w.compare(t)
		g.Eventually(func() []string { return w.rolesOf(t, c.person) }, patience, "300ms").Should(Equal([]string{"handmade"}), c.spec)
		g.Eventually(told, patience).Should(Equal(before+len(roles)), c.spec)
		g.Eventually(func() int { return w.read(ctx, c.person, "finance_daily") }, patience, "300ms").Should(Equal(http.StatusForbidden))
		g.Expect(w.read(ctx, c.person, "marketing_report")).To(Equal(http.StatusOK), "by the role made by hand")
	}
	g.Expect(w.read(ctx, "alice", "finance_daily")).To(Equal(http.StatusOK), "whose role has a cause")
	g.Expect(w.read(ctx, "carol", "finance_daily")).To(Equal(http.StatusOK), "whose role has a cause")
	events, err := w.Kubectl(ctx, nil, "get", "events", "-n", namespace, "--field-selector=reason=DriftRepaired")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(events).To(ContainSubstring("was granted to user hugo by another writer (Manual)"))
}

// renamed gives our role another name. Airflow knows roles by their names alone, so that it is somebody else's then.
func (w *world) renamed(t *testing.T) {
	g, ctx, before := NewWithT(t), t.Context(), w.drifts(t)
	const theirs = "taken along"
	ours := w.role(t)
	kept := watch(ctx, askEvery, map[string]func(context.Context) int{
		"alice reads": func(ctx context.Context) int { return w.read(ctx, "alice", "finance_daily") },
	})
	w.change(t, ours, func(role *storedRole) { role.Name = theirs })
	g.Expect(w.rolesOf(t, "alice")).To(ContainElement(theirs))
	w.compare(t)
	g.Eventually(func() []string { return w.rolesOf(t, "alice") }, patience, "300ms").Should(ContainElements(theirs, ours))
	w.drift(t, before, "RoleDeleted")
	w.waitReady(t)
	g.Expect(w.Airflow.AsAdmin(ctx, http.MethodDelete, rolesAPI+"/"+url.PathEscape(theirs), nil, nil)).To(Succeed())
	g.Consistently(func() int { return w.read(ctx, "alice", "finance_daily") }, "3s", "300ms").Should(Equal(http.StatusOK))
	neverRefused(t, kept)
}

// overwritten plays a login that sets a person's roles: they are others than before, and last_login moved.
func (w *world) overwritten(t *testing.T) {
	g, ctx, before := NewWithT(t), t.Context(), w.drifts(t)
	w.give(t, "gina", 30*time.Minute, "")
	g.Eventually(func() int { return w.read(ctx, "gina", "finance_daily") }, patience, "300ms").Should(Equal(http.StatusOK))
	g.Expect(w.rolesOf(t, "gina")).To(Equal([]string{"Public", w.role(t)}))
	w.login(t, "gina")
	g.Expect(w.Airflow.SetRoles(ctx, "gina", "handmade")).To(Succeed())
	g.Eventually(func() int { return w.read(ctx, "gina", "finance_daily") }, patience, "300ms").Should(Equal(http.StatusForbidden))
	w.compare(t)
	g.Eventually(func() int { return w.read(ctx, "gina", "finance_daily") }, patience, "300ms").Should(Equal(http.StatusOK))
	w.drift(t, before, "LoginRoleSync")
	g.Expect(w.rolesOf(t, "gina")).To(Equal([]string{"handmade", w.role(t)}), "what the login gave stays")
}

func (w *world) reborn(t *testing.T) {
	g, ctx, before := NewWithT(t), t.Context(), w.drifts(t)
	w.give(t, "erin", 30*time.Minute, "")
	g.Eventually(func() int { return w.read(ctx, "erin", "finance_daily") }, patience, "300ms").Should(Equal(http.StatusOK))
	g.Eventually(w.field(t, "accessgrant/erin", ".status.phase"), patience).Should(Equal("Active"))
	g.Expect(w.Airflow.DeleteUser(ctx, "erin")).To(Succeed())
	w.compare(t)
	w.drift(t, before, "UserDeleted")
	w.person(t, "erin")
	w.compare(t)
	g.Eventually(w.field(t, "accessgrant/erin", ".status.end.reason"), patience).Should(Equal("SubjectChanged"))
	g.Consistently(func() int { return w.read(ctx, "erin", "finance_daily") }, "3s", "300ms").Should(Equal(http.StatusForbidden))
	g.Eventually(w.field(t, "accessgrant/erin", ".status.phase"), patience).Should(Equal("Revoked"))
}

// rewrite changes the code of a file of DAGs, and gives what puts it back.
func (w *world) rewrite(t *testing.T, file, old, with string) (back func()) {
	t.Helper()
	g, path := NewWithT(t), filepath.Join(w.Airflow.DAGs, "finance", file)
	code, err := os.ReadFile(path)
	g.Expect(err).NotTo(HaveOccurred())
	changed := strings.Replace(string(code), old, with, 1)
	g.Expect(changed).NotTo(Equal(string(code)))
	g.Expect(os.WriteFile(path, []byte(changed), 0o600)).To(Succeed())
	return func() { g.Expect(os.WriteFile(path, code, 0o600)).To(Succeed()) }
}

// wrongRole names a role in access_control that does not exist. Airflow sees that only after it took everybody's rights on
// the DAG away.
func (w *world) wrongRole(t *testing.T) {
	g, ctx, before := NewWithT(t), t.Context(), w.drifts(t)
	reads := func() int { return w.read(ctx, "alice", "finance_reconcile") }
	g.Eventually(reads, patience, "300ms").Should(Equal(http.StatusOK))
	back := w.rewrite(t, "closing.py", "schedule=None,", `schedule=None, access_control={"no such role": {"can_read"}},`)
	defer back()
	g.Eventually(func() string { return w.importErrors(t) }, patience, "300ms").Should(ContainSubstring("no such role"))
	g.Eventually(reads, patience, "300ms").Should(Equal(http.StatusForbidden))
	g.Expect(w.read(ctx, "alice", "finance_daily")).To(Equal(http.StatusOK), "other files are left alone")
	back()
	g.Eventually(func() string { return w.importErrors(t) }, patience, "300ms").Should(BeEmpty())
	g.Eventually(func() int {
		w.compare(t)
		return reads()
	}, patience, "3s").Should(Equal(http.StatusOK))
	w.drift(t, before, "DagAccessControl")
}

// accessControl writes access_control into DAG code. Where Airflow applies it at each parsing, restoring is given up
// and told; where it does so on a change only, one repair lasts.
func (w *world) accessControl(t *testing.T) {
	g, ctx, before := NewWithT(t), t.Context(), w.drifts(t)
	reads := func() int { return w.read(ctx, "alice", "finance_weekly") }
	g.Eventually(reads, patience, "300ms").Should(Equal(http.StatusOK))
	back := w.rewrite(t, "weekly.py", "schedule=None,", "schedule=None, access_control={},")
	g.Eventually(reads, patience, "300ms").Should(Equal(http.StatusForbidden))
	w.compare(t)
	w.drift(t, before, "DagAccessControl")
	g.Expect(w.read(ctx, "alice", "finance_daily")).To(Equal(http.StatusOK), "other DAGs are left alone")
	if !w.everyParse {
		g.Eventually(reads, patience, "300ms").Should(Equal(http.StatusOK))
		g.Consistently(reads, "15s", "1s").Should(Equal(http.StatusOK), "more than a parsing of the file later")
		return
	}
	defer back()
	// Each comparison restores what the next parsing takes away again. The role is asked for, and no answer to a person:
	// a cached one is old, and a comparison that finds nothing makes the operator count anew.
	holds := func() bool { return w.holds(t, w.role(t), "finance_weekly") }
	contested := func() bool {
		return w.field(t, "airflowinstance/prod", condition("InSync", "reason"))() == "Contested"
	}
	g.Eventually(func() bool {
		g.Eventually(holds, patience, "300ms").Should(BeFalse())
		w.compare(t)
		g.Eventually(func() bool { return holds() || contested() }, patience, "300ms").Should(BeTrue())
		return contested()
	}, 4*patience, "1s").Should(BeTrue(), "each of the three repairs waits for a parsing")
	g.Eventually(holds, patience, "300ms").Should(BeFalse(), "the last repair is undone, too")
	w.leftInPeace(t, holds)
	g.Expect(contested()).To(BeTrue())
	g.Eventually(reads, patience, "300ms").Should(Equal(http.StatusForbidden))
}

// leftInPeace compares again and again over more than two parsings, and expects that nothing is written.
func (w *world) leftInPeace(t *testing.T, holds func() bool) {
	t.Helper()
	g := NewWithT(t)
	before := w.figures(t)
	w.compare(t)
	g.Eventually(func() bool {
		last := w.drifts(t)[0]
		return last.Cause == "DagAccessControl" && !last.Repaired
	}, patience).Should(BeTrue(), "what is not repaired is told")
	g.Eventually(w.field(t, "dagaccesspolicy/finance", condition("InSync", "status")), patience).Should(Equal("False"), "the policy owns up")
	told := w.figures(t)
	for range 3 {
		w.compare(t)
		g.Consistently(holds, "8s", "1s").Should(BeFalse())
	}
	after := w.figures(t)
	const passes, detected, repaired = "pass_duration_seconds_count", "drift_detected_total", "drift_repaired_total"
	g.Expect(after.of(passes)).To(BeNumerically(">=", told.of(passes)+3), "it was looked at")
	g.Expect(after.writes()).To(Equal(before.writes()), "nothing was written")
	g.Expect(after.of(repaired)).To(Equal(before.of(repaired)))
	g.Expect(after.of(detected)).To(Equal(told.of(detected)), "it is told once")
}
