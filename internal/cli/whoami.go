package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/rule"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

func newWhoami(t *tool) *cobra.Command {
	everywhere := false
	c := &cobra.Command{
		Use:   "whoami",
		Short: "Show your name, your groups, and the Airflow user that they mean",
		Long: paragraphs(`Show the name and groups by which the cluster knows you, the Airflow user that each AirflowInstance of the namespace makes of the
name, and what is weak about it as proof of a person.`,
			plain(`kubectl auth whoami
  kubectl get airflowinstances -o custom-columns=NAME:.metadata.name,IDENTITY:.spec.identity`)),
		Example: examples("kubectl airflow-access whoami -n data-platform"),
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := t.identify(c.Context())
			if err != nil {
				return err
			}
			where := []client.ListOption{client.InNamespace(s.namespace)}
			if everywhere {
				where = nil
			}
			return showUser(c.Context(), t, s, where)
		},
	}
	c.Flags().BoolVarP(&everywhere, "all-namespaces", "A", false, "AirflowInstances of all namespaces")
	return c
}

// showUser prints who the user is, and which Airflow users that means.
func showUser(ctx context.Context, t *tool, s *session, where []client.ListOption) error {
	line(t.Out, "Name:          %s", text.Visible(s.user.Username))
	line(t.Out, "Groups:        %s", orNone(text.Visible(strings.Join(s.user.Groups, ", "))))
	instances := &v1alpha1.AirflowInstanceList{}
	err := s.List(ctx, instances, where...)
	switch {
	case apierrors.IsForbidden(err):
		line(t.Out, "Airflow user:  not known: you may not list AirflowInstances here")
	case err != nil:
		return err
	case len(instances.Items) == 0:
		line(t.Out, "Airflow user:  not known: there is no AirflowInstance in namespace %s", s.namespace)
	}
	for i := range instances.Items {
		line(t.Out, "Airflow user:  %s", text.Visible(mapped(&instances.Items[i], s.user.Username)))
	}
	for _, warning := range weaknesses(t, s) {
		line(t.Out, "Warning:       %s", text.Visible(warning))
	}
	return nil
}

// mapped says which Airflow user an instance makes of a name.
func mapped(i *v1alpha1.AirflowInstance, name string) string {
	in := " in " + i.Namespace + "/" + i.Name
	if i.Spec.Identity == nil {
		return "none" + in + ": it has no spec.identity, and allows no requests"
	}
	identity, err := rule.IdentityOf(i.Spec.Identity)
	if err != nil {
		return "none" + in + ": " + err.Error()
	}
	subject, err := identity.Subject(name)
	switch {
	case err != nil:
		return "none" + in + ": " + err.Error()
	case subject.Username != "":
		return subject.Username + " (user name)" + in
	}
	return subject.Email + " (e-mail)" + in
}

// weaknesses says what is weak about a name as proof of a person.
func weaknesses(t *tool, s *session) []string {
	var out []string
	if t.flags.Impersonate != nil && *t.flags.Impersonate != "" {
		out = append(out, "this is a name that you impersonate (--as): the audit log of the cluster has your own")
	}
	arns := append([]string{s.user.Username}, s.user.Extra["arn"]...)
	switch {
	case slices.ContainsFunc(arns, func(name string) bool { return strings.Contains(name, ":assumed-role/") }), len(s.user.Extra["sessionName"]) > 0:
		out = append(out, "an assumed AWS role: its callers choose the name of their session, unless sts:RoleSessionName is required of them")
	case strings.HasPrefix(s.user.Username, "system:serviceaccount:"):
		out = append(out, "a service account: whoever has its token asks and votes under this name")
	case s.user.Username == "system:anonymous":
		out = append(out, "you are not signed in")
	}
	if slices.Contains(s.user.Groups, "system:masters") {
		out = append(out, "a member of system:masters, often by a certificate that several users share")
	}
	return out
}
