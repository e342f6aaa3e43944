// Package cli is the plugin kubectl airflow-access: asking for access to Airflow, deciding about it, and following it. What it writes is
// what kubectl could write: each command shows the line.
//
// Texts of users are data: they are escaped wherever they are printed.
package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Settings are what the program gives to its commands.
type Settings struct {
	genericiooptions.IOStreams
	Clock clock.Clock
	// Zone is the user's time zone, shown beside UTC.
	Zone *time.Location
	// Colour is true where Out is a terminal that shows colours.
	Colour bool
	// Version of the program.
	Version string
	// Settle is how long a command that wrote something waits for the operator's first answer to it.
	Settle time.Duration
	// Client of the cluster; made from the kubeconfig when nil.
	Client client.WithWatch
}

// tool is what all commands share.
type tool struct {
	Settings
	flags *genericclioptions.ConfigFlags
}

// Run runs the command that args name, and returns the code with which the program exits.
func Run(ctx context.Context, s Settings, args []string) int {
	root := newRoot(s)
	root.SetArgs(args)
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return codeDone
	}
	code, message := explain(err)
	if errors.Is(err, errSaid) {
		return code
	}
	if message != "" {
		fmt.Fprintln(s.ErrOut, "error: "+message)
	}
	if code == codeUsage {
		fmt.Fprintf(s.ErrOut, "See %s --help\n", command.CommandPath())
	}
	return code
}

// newRoot makes the tree of commands.
func newRoot(s Settings) *cobra.Command {
	t := &tool{Settings: s, flags: genericclioptions.NewConfigFlags(true)}
	root := &cobra.Command{
		Use:           "kubectl-airflow_access",
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl airflow-access"},
		Short:         "Ask for access to Airflow, decide about requests, and follow them",
		Long:          paragraphs(rootText, exitCodes),
		Version:       s.Version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          known,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SuggestionsMinimumDistance = 2 // cobra's own value, which it sets too late
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.ErrOut)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return failed(codeUsage, err) })
	t.flags.CacheDir = nil // nothing is discovered
	t.flags.AddFlags(root.PersistentFlags())
	root.AddCommand(
		newRequest(t), newGet(t), newDescribe(t), newWait(t), newWithdraw(t),
		newVote(t, approve), newVote(t, deny), newVote(t, reviewed), newRevoke(t),
		newWhoami(t), newRules(t),
	)
	withUsageErrors(root)
	root.CompletionOptions.HiddenDefaultCmd = true // kubectl completes plugins, see rootText
	return root
}

// known refuses a command that does not exist, with those that look like it.
func known(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	said := fmt.Sprintf("there is no command %q", args[0])
	if similar := c.SuggestionsFor(args[0]); len(similar) > 0 {
		said += ": did you mean " + strings.Join(similar, " or ") + "?"
	}
	return errors.New(said)
}

const rootText = `Ask for access to Airflow, decide about requests, and follow them.

An AccessRequest asks for the access of a DagAccessPolicy for some time. The policy names the approvers. When enough of them agreed,
the operator creates an AccessGrant, and ends it on time. Everything here is done with these objects: kubectl alone can do it, too.

Ask:        request, wait, withdraw
Decide:     get --to-decide, approve, deny, reviewed, revoke
Follow:     get, get --active, describe, whoami
Try:        rules test

Names of policies, requests and grants are completed by the shell where a link kubectl_complete-airflow_access to this program is in
the PATH.`

const exitCodes = `Exit codes:
  0    done; for wait and --wait: access is active, or approved for a later start
  1    an error
  2    wrong usage
  3    the request was denied, not approved in time or withdrawn, or its access has ended
  4    the time to wait was over; the request stays
  130  interrupted; the request stays`

// paragraphs joins texts with an empty line between them.
func paragraphs(texts ...string) string { return strings.Join(texts, "\n\n") }

// plain is the paragraph of a help that shows how kubectl alone does it.
func plain(line string) string { return "With kubectl alone:\n  " + line }

// examples indents the lines of examples.
func examples(lines ...string) string { return "  " + strings.Join(lines, "\n  ") }

// withUsageErrors makes wrong arguments of a command and of those below it an error of usage.
func withUsageErrors(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error { return failed(codeUsage, check(c, args)) }
	}
	for _, below := range c.Commands() {
		withUsageErrors(below)
	}
}

// usage is an error of usage.
func usage(format string, args ...any) error { return failed(codeUsage, fmt.Errorf(format, args...)) }

// each calls do for every name, goes on after an error, and returns all of them.
func each(names []string, do func(name string) error) error {
	var all []error
	for _, name := range names {
		if err := do(name); err != nil {
			all = append(all, err)
		}
	}
	return errors.Join(all...)
}
