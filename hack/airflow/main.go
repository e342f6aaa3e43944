// Command airflow runs a real Apache Airflow on this machine, without
// containers. Start with
//
//	go run ./hack/airflow --help
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/airflow-oam/airflow-oam/hack/airflow/dags"
	"github.com/airflow-oam/airflow-oam/hack/airflow/locks"
	"github.com/airflow-oam/airflow-oam/hack/airflow/server"
)

const help = `Runs a real Apache Airflow on this machine, without containers.

Usage: go run ./hack/airflow <command> [flags]

Commands:
  install   make the virtual environments of releases, once (start does it, too)
  start     start an Airflow in a home folder and wait until it is healthy
  status    tell what runs in a home folder
  user      create an account
  logs      show the end of the logs
  stop      end all processes of a home folder; the folder stays

A first tour:
  go run ./hack/airflow start --home /tmp/airflow
  go run ./hack/airflow user --home /tmp/airflow --username alice
  go run ./hack/airflow logs --home /tmp/airflow dag-processor
  go run ./hack/airflow stop --home /tmp/airflow

Another release:
  go run ./hack/airflow start --home /tmp/airflow2 --version 2.11.2

Folders:
  <home>/airflow.json   address, the administrator's account and its password, process ids
  <home>/airflow.cfg    the configuration; "AIRFLOW_HOME=<home> airflow ..." uses it
  <home>/dags           the sample DAGs, unless --dags names another folder
  <home>/logs           a log per process, and the logs of tasks
  .cache/airflow/<lock> an environment; AIRFLOW_OAM_CACHE=<folder> moves .cache

Flags of a command: go run ./hack/airflow <command> --help
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "airflow: "+err.Error())
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string, out, log io.Writer) error {
	if len(arguments) == 0 {
		fmt.Fprint(log, help)
		return errors.New("a command is needed")
	}
	commands := map[string]func(context.Context, []string, io.Writer, io.Writer) error{
		"install": install, "start": start, "status": status, "user": user, "logs": logs, "stop": stop,
	}
	name := arguments[0]
	if slices.Contains([]string{"help", "-h", "-help", "--help"}, name) {
		fmt.Fprint(out, help)
		return nil
	}
	command, found := commands[name]
	if !found {
		fmt.Fprint(log, help)
		return fmt.Errorf("no command %q", name)
	}
	return command(ctx, arguments[1:], out, log)
}

// flags returns a flag set whose help starts with a sentence.
func flags(name, sentence string) *flag.FlagSet {
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.Usage = func() {
		fmt.Fprintf(set.Output(), "%s\n\nUsage: go run ./hack/airflow %s [flags]\n\nFlags:\n", sentence, name)
		set.PrintDefaults()
	}
	return set
}

func versionFlag(set *flag.FlagSet) *string {
	var versions []string
	for _, r := range server.Releases() {
		versions = append(versions, r.Version+" (FAB provider "+r.FABProvider+")")
	}
	return set.String("version", "", "`version` of Airflow; the default is that of "+locks.Default+
		", there are: "+strings.Join(versions, ", "))
}

func homeFlag(set *flag.FlagSet) *string {
	return set.String("home", "", "home `folder` of the server (needed)")
}

// parse reads the flags, without positional arguments but for commands that
// take some.
func parse(set *flag.FlagSet, arguments []string, home *string, positional bool) error {
	if err := set.Parse(arguments); err != nil {
		return err
	}
	if set.NArg() > 0 && !positional {
		return fmt.Errorf("%s takes no argument %q", set.Name(), set.Arg(0))
	}
	if home != nil && *home == "" {
		return fmt.Errorf("%s needs --home <folder>", set.Name())
	}
	return nil
}

func install(ctx context.Context, arguments []string, out, log io.Writer) error {
	set := flags("install", "Makes the virtual environment of a release, once. An interrupted one is made anew.")
	version := versionFlag(set)
	all := set.Bool("all", false, "those of all releases")
	if err := parse(set, arguments, nil, false); err != nil {
		return err
	}
	versions := []string{*version}
	if *all {
		versions = nil
		for _, r := range server.Releases() {
			versions = append(versions, r.Version)
		}
	}
	for _, version := range versions {
		in, err := server.Install(ctx, version, log)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out, in.Folder); err != nil {
			return err
		}
	}
	return nil
}

func start(ctx context.Context, arguments []string, out, log io.Writer) error {
	set := flags("start", "Starts an Airflow on 127.0.0.1 and waits until it is healthy and lists its DAGs.")
	home, version := homeFlag(set), versionFlag(set)
	port := set.Int("port", 0, "`port`; 0 chooses a free one")
	ttl := set.Duration("cache-ttl", 2*time.Second, "how long permissions are cached, in whole seconds; 0 turns the cache off; Airflow 2 has none")
	folder := set.String("dags", "", "`folder` of DAG files; by default a copy of the samples")
	scheduler := set.Bool("scheduler", true, "run tasks; Airflow 2 always does")
	manager := set.String("auth-manager", string(server.FAB), "fab or simple; Airflow 2 has fab only")
	workers := set.Int("workers", 1, "API processes, each with a permission cache of its own")
	if err := parse(set, arguments, home, false); err != nil {
		return err
	}
	s, err := server.Start(ctx, server.Options{
		Home: *home, Port: *port, CacheTTL: *ttl, Version: *version, DAGs: *folder, NoScheduler: !*scheduler,
		AuthManager: server.AuthManager(*manager), Workers: *workers, Detached: true, Log: log,
	})
	if err != nil {
		return err
	}
	if *folder == "" {
		waiting, cancel := context.WithTimeout(ctx, 2*time.Minute)
		defer cancel()
		if err := s.WaitForDAGs(waiting, dags.IDs()...); err != nil {
			return errors.Join(err, s.Stop())
		}
	}
	return describe(s, out)
}

func status(ctx context.Context, arguments []string, out, _ io.Writer) error {
	set := flags("status", "Tells what runs in a home folder. The exit code is 0 when the server is healthy.")
	home := homeFlag(set)
	if err := parse(set, arguments, home, false); err != nil {
		return err
	}
	s, err := server.Open(*home)
	if err != nil {
		return err
	}
	if err := describe(s, out); err != nil {
		return err
	}
	return s.Health(ctx)
}

func describe(s *server.Server, out io.Writer) error {
	fmt.Fprintf(out, "airflow   %s, FAB provider %s\n", s.Version, s.FABProvider)
	fmt.Fprintf(out, "url       %s\nusername  %s\npassword  %s\n", s.URL, s.AdminUsername, s.AdminPassword)
	for _, p := range s.Processes {
		state := "stopped"
		if s.States()[p.Name] {
			state = "running"
		}
		fmt.Fprintf(out, "%-13s %s, process %d\n", p.Name, state, p.PID)
	}
	_, err := fmt.Fprintf(out, "home      %s\n", s.Home)
	return err
}

func user(ctx context.Context, arguments []string, out, _ io.Writer) error {
	set := flags("user", "Creates an account and prints its password.")
	home := homeFlag(set)
	username := set.String("username", "", "`name` of the account (needed)")
	email := set.String("email", "", "`address`; by default <username>@example.com")
	roles := set.String("roles", "Public", "comma-separated `names` of roles")
	variable := set.String("password-env", "", "`variable` of the environment that holds the password; by default one is made up")
	if err := parse(set, arguments, home, false); err != nil {
		return err
	}
	s, err := server.Open(*home)
	if err != nil {
		return err
	}
	password := ""
	if *variable != "" {
		if password = os.Getenv(*variable); password == "" {
			return fmt.Errorf("the environment has no variable %s", *variable)
		}
	}
	created, err := s.CreateUser(ctx, server.User{Username: *username, Password: password, Email: *email, Roles: strings.Split(*roles, ",")})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "username  %s\npassword  %s\n", created.Username, created.Password)
	return err
}

func logs(_ context.Context, arguments []string, out, _ io.Writer) error {
	set := flags("logs", "Shows the end of the logs, of all processes or of the named ones.")
	home := homeFlag(set)
	lines := set.Int("lines", 40, "lines of each")
	if err := parse(set, arguments, home, true); err != nil {
		return err
	}
	s, err := server.Open(*home)
	if err != nil {
		return err
	}
	files := s.LogFiles()
	names := set.Args()
	if len(names) == 0 {
		for name := range files {
			names = append(names, name)
		}
		slices.Sort(names)
	}
	for _, name := range names {
		path, found := files[name]
		if !found {
			return fmt.Errorf("no process %q", name)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		all := strings.Split(strings.TrimRight(string(content), "\n"), "\n")
		fmt.Fprintf(out, "==> %s <==\n%s\n", path, strings.Join(all[max(0, len(all)-*lines):], "\n"))
	}
	return nil
}

func stop(_ context.Context, arguments []string, _, log io.Writer) error {
	set := flags("stop", "Ends all processes of a home folder and waits until they are gone.")
	home := homeFlag(set)
	if err := parse(set, arguments, home, false); err != nil {
		return err
	}
	s, err := server.Open(*home)
	if err != nil {
		return err
	}
	if err := s.Stop(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(log, "airflow: stopped, the home %s stays\n", s.Home)
	return err
}
