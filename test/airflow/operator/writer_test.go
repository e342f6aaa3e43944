package operator_test

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func (w *world) repair(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	g.Expect(w.Airflow.AsAdmin(ctx, http.MethodDelete, rolesAPI+"/"+url.PathEscape(w.role(t)), nil, nil)).To(Succeed())
	g.Eventually(func() int { return w.read(ctx, "alice", "finance_daily") }, patience, "300ms").Should(Equal(http.StatusForbidden))
	w.compare(t)
	g.Eventually(func() int { return w.read(ctx, "alice", "finance_daily") }, patience, "300ms").Should(Equal(http.StatusOK))
	w.drift(t, "RoleDeleted")
}

func (w *world) edited(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	kept := watch(ctx, map[string]func(context.Context) int{
		"alice reads": func(ctx context.Context) int { return w.read(ctx, "alice", "finance_daily") },
	})
	w.edit(t, w.role(t), pairOf("can_edit", "DAG:marketing_report"))
	g.Eventually(func() int { return w.unpause(ctx, "alice", "marketing_report") }, patience, "300ms").Should(Equal(http.StatusOK))
	w.compare(t)
	g.Eventually(func() int { return w.unpause(ctx, "alice", "marketing_report") }, patience, "300ms").Should(Equal(http.StatusForbidden))
	w.drift(t, "RoleEdited")
	neverRefused(t, kept)
	w.waitReady(t)
}

// renamed gives our role another name. Airflow knows roles by their names alone, so that it is somebody else's then.
func (w *world) renamed(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	const theirs = "taken along"
	ours := w.role(t)
	kept := watch(ctx, map[string]func(context.Context) int{
		"alice reads": func(ctx context.Context) int { return w.read(ctx, "alice", "finance_daily") },
	})
	w.change(t, ours, func(role *storedRole) { role.Name = theirs })
	g.Expect(w.rolesOf(t, "alice")).To(ContainElement(theirs))
	w.compare(t)
	g.Eventually(func() []string { return w.rolesOf(t, "alice") }, patience, "300ms").Should(ContainElements(theirs, ours))
	w.drift(t, "RoleDeleted")
	w.waitReady(t)
	g.Expect(w.Airflow.AsAdmin(ctx, http.MethodDelete, rolesAPI+"/"+url.PathEscape(theirs), nil, nil)).To(Succeed())
	g.Consistently(func() int { return w.read(ctx, "alice", "finance_daily") }, "3s", "300ms").Should(Equal(http.StatusOK))
	neverRefused(t, kept)
}

// overwritten plays a login that sets a person's roles: they are others than before, and last_login moved.
func (w *world) overwritten(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	w.give(t, "gina", 30*time.Minute, "")
	g.Eventually(func() int { return w.read(ctx, "gina", "finance_daily") }, patience, "300ms").Should(Equal(http.StatusOK))
	g.Expect(w.rolesOf(t, "gina")).To(Equal([]string{"Public", w.role(t)}))
	w.login(t, "gina")
	g.Expect(w.Airflow.SetRoles(ctx, "gina", "handmade")).To(Succeed())
	g.Eventually(func() int { return w.read(ctx, "gina", "finance_daily") }, patience, "300ms").Should(Equal(http.StatusForbidden))
	w.compare(t)
	g.Eventually(func() int { return w.read(ctx, "gina", "finance_daily") }, patience, "300ms").Should(Equal(http.StatusOK))
	w.drift(t, "LoginRoleSync")
	g.Expect(w.rolesOf(t, "gina")).To(Equal([]string{"handmade", w.role(t)}), "what the login gave stays")
}

func (w *world) reborn(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	w.give(t, "erin", 30*time.Minute, "")
	g.Eventually(func() int { return w.read(ctx, "erin", "finance_daily") }, patience, "300ms").Should(Equal(http.StatusOK))
	g.Eventually(w.field(t, "accessgrant/erin", ".status.phase"), patience).Should(Equal("Active"))
	g.Expect(w.Airflow.DeleteUser(ctx, "erin")).To(Succeed())
	w.compare(t)
	w.drift(t, "UserDeleted")
	w.person(t, "erin")
	w.compare(t)
	g.Eventually(w.field(t, "accessgrant/erin", ".status.end.reason"), patience).Should(Equal("SubjectChanged"))
	g.Consistently(func() int { return w.read(ctx, "erin", "finance_daily") }, "3s", "300ms").Should(Equal(http.StatusForbidden))
	g.Eventually(w.field(t, "accessgrant/erin", ".status.phase"), patience).Should(Equal("Revoked"))
}

// accessControl writes access_control into DAG code. Where Airflow applies it at each parsing, restoring is given up
// and told; where it does so on a change only, one repair lasts.
func (w *world) accessControl(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	reads := func() int { return w.read(ctx, "alice", "finance_weekly") }
	g.Eventually(reads, patience, "300ms").Should(Equal(http.StatusOK))
	path := filepath.Join(w.Airflow.DAGs, "finance", "weekly.py")
	code, err := os.ReadFile(path)
	g.Expect(err).NotTo(HaveOccurred())
	changed := strings.Replace(string(code), "schedule=None,", "schedule=None, access_control={},", 1)
	g.Expect(changed).NotTo(Equal(string(code)))
	g.Expect(os.WriteFile(path, []byte(changed), 0o600)).To(Succeed())
	g.Eventually(reads, patience, "300ms").Should(Equal(http.StatusForbidden))
	w.compare(t)
	w.drift(t, "DagAccessControl")
	g.Expect(w.read(ctx, "alice", "finance_daily")).To(Equal(http.StatusOK), "other DAGs are left alone")
	if !w.everyParse {
		g.Eventually(reads, patience, "300ms").Should(Equal(http.StatusOK))
		g.Consistently(reads, "15s", "1s").Should(Equal(http.StatusOK), "more than a parsing of the file later")
		return
	}
	// Each comparison restores what the next parsing takes away again.
	contested := w.field(t, "airflowinstance/prod", condition("InSync", "reason"))
	g.Eventually(func() string {
		g.Eventually(reads, patience, "300ms").Should(Equal(http.StatusForbidden))
		w.compare(t)
		return contested()
	}, patience, "3s").Should(Equal("Contested"))
	g.Expect(os.WriteFile(path, code, 0o600)).To(Succeed())
}
