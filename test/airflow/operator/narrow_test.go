package operator_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// narrow takes a level and a DAG out of a policy while its members and the holder of a grant go on working: where role
// updates only add, they move to another role.
func (w *world) narrow(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	w.give(t, "frida", 30*time.Minute, "")
	g.Eventually(func() int { return w.unpause(ctx, "frida", "finance_weekly") }, patience, "300ms").Should(Equal(http.StatusOK))
	g.Expect(w.unpause(ctx, "alice", "finance_weekly")).To(Equal(http.StatusOK))

	moved := watch(ctx, withoutPause, map[string]func(context.Context) int{
		"alice reads": func(ctx context.Context) int { return w.read(ctx, "alice", "finance_daily") },
		"frida reads": func(ctx context.Context) int { return w.read(ctx, "frida", "finance_daily") },
	})
	kept := watch(ctx, askEvery, map[string]func(context.Context) int{
		"alice's other role":    func(ctx context.Context) int { return w.read(ctx, "alice", "marketing_report") },
		"carol's narrowed role": func(ctx context.Context) int { return w.read(ctx, "carol", "finance_daily") },
	})
	before := w.role(t)
	defer w.declarePolicy(t, "View, Trigger", "finance_payroll") // the steps that follow need it, whatever comes of this one
	w.declarePolicy(t, "View", "finance_payroll", "finance_weekly")
	for _, person := range []string{"alice", "frida"} {
		g.Eventually(func() int { return w.unpause(ctx, person, "finance_daily") }, patience, "300ms").Should(Equal(http.StatusForbidden), person)
		g.Eventually(func() int { return w.read(ctx, person, "finance_weekly") }, patience, "300ms").Should(Equal(http.StatusForbidden), person)
	}
	g.Consistently(func() int { return w.unpause(ctx, "alice", "finance_daily") }, "3s", "300ms").Should(Equal(http.StatusForbidden))
	w.waitReady(t)
	ours, _ := w.roles(t)
	g.Expect(ours).To(ContainElement(w.role(t)))
	if w.adds {
		g.Expect(w.role(t)).NotTo(Equal(before), "what only adds needs another role")
	} else {
		g.Expect(w.role(t)).To(Equal(before))
	}
	g.Expect(ours).To(HaveLen(2), "the policy's role and that of carol's grant; nothing stays behind")

	w.declarePolicy(t, "View, Trigger", "finance_payroll")
	for _, person := range []string{"alice", "frida"} {
		g.Eventually(func() int { return w.unpause(ctx, person, "finance_weekly") }, patience, "300ms").Should(Equal(http.StatusOK), person)
	}
	neverRefused(t, moved)
	neverRefused(t, kept)
	w.waitReady(t)
}
