package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

func newWithdraw(t *tool) *cobra.Command {
	o := &output{}
	c := &cobra.Command{
		Use:   "withdraw NAME...",
		Short: "Take your own requests back, and end the access that they gave",
		Long: paragraphs(`Take your own requests back, for good. Access that was given under them ends as well.`,
			plain(`kubectl patch accessrequest NAME --type=merge -p '{"spec":{"withdrawn":true}}'`)),
		Example:           examples("kubectl airflow-access withdraw finance-operators-x7k2p"),
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: completing(t, ownNames, 0),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := t.open()
			if err != nil {
				return err
			}
			return each(args, func(name string) error {
				r, err := s.request(c.Context(), name)
				if err != nil {
					return fmt.Errorf("withdraw %s: %w", name, err)
				}
				if r.Spec.Withdrawn {
					line(t.words(o), "%s: it is withdrawn already", r.Name)
					return nil
				}
				change := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"withdrawn":true}}`))
				if err := s.Patch(c.Context(), r, change, o.patching()...); err != nil {
					return fmt.Errorf("withdraw %s: %w", name, err)
				}
				return t.show(s, r, o, "withdrawn")
			})
		},
	}
	o.addDryRun(c)
	o.addFormat(c, formatYAML, formatJSON, formatName)
	return c
}

func newRevoke(t *tool) *cobra.Command {
	o := &output{}
	reason := ""
	c := &cobra.Command{
		Use:   "revoke GRANT... --reason TEXT",
		Short: "End the access of grants at once",
		Long: paragraphs(`End the access of grants at once, for good, and record who did and why. Without the right to change grants, an approver denies a
request that waits, and a requester withdraws it.`,
			plain(`kubectl patch accessgrant NAME --type=merge -p '{"spec":{"revoke":{"reason":"laptop lost","by":"carol@example.com"}}}'`)),
		Example: examples(
			"kubectl airflow-access get --active --dag finance_daily",
			"kubectl airflow-access revoke finance-operators-x7k2p-1a2b3c4d --reason 'laptop lost'",
		),
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: completing(t, liveGrantNames, 0),
		RunE: func(c *cobra.Command, args []string) error {
			if reason == "" {
				return errNoReason
			}
			s, err := t.identify(c.Context())
			if err != nil {
				return err
			}
			revocation := v1alpha1.Revocation{Reason: reason, By: s.user.Username}
			patch, err := json.Marshal(map[string]any{"spec": map[string]any{"revoke": revocation}})
			if err != nil {
				return fmt.Errorf("write the revocation: %w", err)
			}
			return each(args, func(name string) error {
				g := &v1alpha1.AccessGrant{}
				if err := s.find(c.Context(), s.key(bare(name, grantKinds)), g, "kubectl get accessgrants"); err != nil {
					return fmt.Errorf("revoke %s: %w", name, err)
				}
				if g.Spec.Revoke != nil {
					line(t.words(o), "%s: it is revoked already", g.Name)
					return nil
				}
				if err := s.Patch(c.Context(), g, client.RawPatch(types.MergePatchType, patch), o.patching()...); err != nil {
					return fmt.Errorf("revoke %s: %w", name, err)
				}
				return t.show(s, g, o, "revoked")
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "Why access ends, on one line (required)")
	o.addDryRun(c)
	o.addFormat(c, formatYAML, formatJSON, formatName)
	return c
}
