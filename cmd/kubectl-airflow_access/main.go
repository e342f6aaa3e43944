// Command kubectl-airflow_access is the plugin kubectl airflow-access.
package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // sign-in of clouds and identity providers, as kubectl has it
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/airflow-oam/airflow-oam/internal/cli"
)

// release is the version of a release build; set by the linker.
var release = "unknown"

func main() {
	ctrl.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, cli.Settings{
		IOStreams: genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr},
		Clock:     clock.RealClock{},
		Zone:      time.Local,
		Colour:    colours(),
		Version:   release,
		Settle:    3 * time.Second,
	}, arguments())
	stop()
	os.Exit(code)
}

// arguments are those of the command line. Under the name by which kubectl asks plugins for completion, the program completes.
func arguments() []string {
	if strings.HasPrefix(filepath.Base(os.Args[0]), "kubectl_complete-") {
		return append([]string{cobra.ShellCompRequestCmd}, os.Args[1:]...)
	}
	return os.Args[1:]
}

// colours reports whether the output is a terminal that shows colours, see no-color.org.
func colours() bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(os.Stdout.Fd()))
}
