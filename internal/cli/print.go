package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/cli-runtime/pkg/printers"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/internal/story"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// The formats of -o.
const (
	formatText = ""
	formatWide = "wide"
	formatYAML = "yaml"
	formatJSON = "json"
	formatName = "name"
)

// output is the flags of a command that prints objects.
type output struct {
	format string
	dryRun string
}

// addFormat adds -o with some formats.
func (o *output) addFormat(c *cobra.Command, formats ...string) {
	c.Flags().StringVarP(&o.format, "output", "o", "", "Output format: one of "+strings.Join(formats, ", "))
	complete(c, "output", formats)
	o.check(c, "output", &o.format, append(formats, ""))
}

// addDryRun adds --dry-run.
func (o *output) addDryRun(c *cobra.Command) {
	c.Flags().StringVar(&o.dryRun, "dry-run", "none", "none, or server: the API server checks the change and stores nothing")
	complete(c, "dry-run", []string{"none", "server"})
	o.check(c, "dry-run", &o.dryRun, []string{"none", "server"})
}

// check refuses values of a flag that are not in a list.
func (o *output) check(c *cobra.Command, flag string, value *string, allowed []string) {
	before := c.PreRunE
	c.PreRunE = func(c *cobra.Command, args []string) error {
		if before != nil {
			if err := before(c, args); err != nil {
				return err
			}
		}
		if slices.Contains(allowed, *value) {
			return nil
		}
		return usage("--%s %q is none of %s", flag, *value, strings.Trim(strings.Join(allowed, ", "), ", "))
	}
}

// dry reports whether nothing is to be stored.
func (o *output) dry() bool { return o.dryRun == "server" }

// creating are the options of a creation.
func (o *output) creating() []client.CreateOption {
	if o.dry() {
		return []client.CreateOption{client.DryRunAll, owner}
	}
	return []client.CreateOption{owner}
}

// patching are the options of a change.
func (o *output) patching() []client.PatchOption {
	if o.dry() {
		return []client.PatchOption{client.DryRunAll, owner}
	}
	return []client.PatchOption{owner}
}

// owner is the name of this program in metadata.managedFields.
const owner = client.FieldOwner("kubectl-airflow_access")

// forPeople reports whether sentences go to the output, and not an object that a program reads.
func (o *output) forPeople() bool { return o.format == formatText || o.format == formatWide }

// words is where sentences go: beside the object where a program reads it.
func (t *tool) words(o *output) io.Writer {
	if o.forPeople() {
		return t.Out
	}
	return t.ErrOut
}

// show prints what was done to an object, or the object in the format that was asked for.
func (t *tool) show(s *session, object client.Object, o *output, done string) error {
	if err := identifyObject(s, object); err != nil {
		return err
	}
	if o.dry() {
		done += " (server dry run)"
	}
	if o.forPeople() {
		return (&printers.NamePrinter{Operation: done}).PrintObj(object, t.Out)
	}
	return t.object(object, o.format)
}

// object prints an object, or a list of objects, for a program.
func (t *tool) object(object runtime.Object, format string) error {
	var p printers.ResourcePrinter = &printers.YAMLPrinter{}
	switch format {
	case formatJSON:
		p = &printers.JSONPrinter{}
	case formatName:
		p = &printers.NamePrinter{ShortOutput: true}
	}
	return (&printers.OmitManagedFieldsPrinter{Delegate: p}).PrintObj(object, t.Out)
}

// identifyObject writes apiVersion and kind, which clients leave out.
func identifyObject(s *session, object client.Object) error {
	gvk, err := s.GroupVersionKindFor(object)
	if err != nil {
		return fmt.Errorf("find the kind: %w", err)
	}
	object.GetObjectKind().SetGroupVersionKind(gvk)
	return nil
}

// column is one column of a table of objects of type T.
type column[T any] struct {
	name string
	wide bool
	cell func(T) string
}

// list prints objects: as a table, or for a program.
func list[T client.Object](t *tool, s *session, items []T, columns []column[T], o *output, withNamespace bool) error {
	if !o.forPeople() {
		return programList(t, s, items, o)
	}
	table := &metav1.Table{}
	for _, c := range columns {
		priority := int32(0)
		if c.wide {
			priority = 1
		}
		table.ColumnDefinitions = append(table.ColumnDefinitions, metav1.TableColumnDefinition{Name: c.name, Type: "string", Priority: priority})
	}
	for _, item := range items {
		row := metav1.TableRow{Object: runtime.RawExtension{Object: item}}
		for _, c := range columns {
			row.Cells = append(row.Cells, text.Visible(c.cell(item)))
		}
		table.Rows = append(table.Rows, row)
	}
	p := printers.NewTablePrinter(printers.PrintOptions{Wide: o.format == formatWide, WithNamespace: withNamespace})
	return p.PrintObj(table, t.Out)
}

// programList prints objects as a List, or their names.
func programList[T client.Object](t *tool, s *session, items []T, o *output) error {
	all := &metav1.List{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "List"}, Items: []runtime.RawExtension{}}
	for _, item := range items {
		if err := identifyObject(s, item); err != nil {
			return err
		}
		item.SetManagedFields(nil)
		if o.format == formatName {
			if err := t.object(item, o.format); err != nil {
				return err
			}
			continue
		}
		all.Items = append(all.Items, runtime.RawExtension{Object: item})
	}
	if o.format == formatName {
		return nil
	}
	return t.object(all, o.format)
}

// when is a time in UTC and in the user's zone, with its distance from now.
func (t *tool) when(at time.Time) string {
	inside := ""
	if local := at.In(t.Zone); local.Format("-0700") != "+0000" {
		layout := "15:04 MST"
		if local.Format(time.DateOnly) != at.UTC().Format(time.DateOnly) {
			layout = "2006-01-02 15:04 MST"
		}
		inside = local.Format(layout) + ", "
	}
	away := at.Sub(t.Clock.Now())
	if away >= 0 {
		inside += "in " + duration.HumanDuration(away)
	} else {
		inside += duration.HumanDuration(-away) + " ago"
	}
	return at.UTC().Format("2006-01-02 15:04 UTC") + " (" + inside + ")"
}

// outlook prints where an access is and what comes next.
func (t *tool) outlook(o story.Outlook) string {
	line := t.coloured(o.Stage, text.Visible(o.Text))
	switch {
	case o.Until.IsZero():
	case o.Then == "":
		line += " until " + t.when(o.Until)
	case o.Stage == story.StageActive:
		line += " until " + t.when(o.Until)
	default:
		line += "; " + o.Then + " at " + t.when(o.Until)
	}
	return line
}

// The colours of a terminal.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
)

// coloured colours a text by a stage, on a terminal.
func (t *tool) coloured(stage story.Stage, said string) string {
	if !t.Colour {
		return said
	}
	colour := yellow
	switch stage {
	case story.StageActive, story.StageScheduled:
		colour = green
	case story.StageRefused, story.StageEnded, story.StageEnding:
		colour = red
	case story.StageUnseen, story.StageNotAdmitted, story.StageAwaitingApproval, story.StagePreparing:
	}
	return "\x1b[" + colour + "m" + said + "\x1b[0m"
}

// line prints one line.
func line(w io.Writer, format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }

// hint is a command line of this program for the namespace in use.
func (t *tool) hint(command, namespace string) string {
	full := "kubectl airflow-access " + command
	if *t.flags.Namespace != "" {
		full += " -n " + namespace
	}
	return full
}

// age is how old an object is.
func (t *tool) age(object metav1.Object) string {
	return duration.HumanDuration(t.Clock.Since(object.GetCreationTimestamp().Time))
}
