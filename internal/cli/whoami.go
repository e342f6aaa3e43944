package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/airflow-oam/airflow-oam/internal/text"
)

func newWhoami(t *tool) *cobra.Command {
	return &cobra.Command{
		Use:   "whoami",
		Short: "Show the name and groups by which the cluster knows you",
		Long: paragraphs(`Show the name and groups by which the cluster knows you.`,
			plain(`kubectl auth whoami`)),
		Example: examples("kubectl airflow-access whoami"),
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return t.whoami(c.Context()) },
	}
}

func (t *tool) whoami(ctx context.Context) error {
	s, err := t.identify(ctx)
	if err != nil {
		return err
	}
	line(t.Out, "Name:    %s", text.Visible(s.user.Username))
	line(t.Out, "Groups:  %s", text.Visible(strings.Join(s.user.Groups, ", ")))
	return nil
}
