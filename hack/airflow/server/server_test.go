package server_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/airflow-oam/airflow-oam/hack/airflow/dags"
	"github.com/airflow-oam/airflow-oam/hack/airflow/server"
)

// ownerHome is set in the process that plays an owner which is killed.
const ownerHome = "AIRFLOW_OAM_TEST_OWNER_HOME"

// TestMain lets the test binary be the owner of a server: it starts one, says
// so, and waits for its end.
func TestMain(m *testing.M) {
	home := os.Getenv(ownerHome)
	if home == "" {
		os.Exit(m.Run())
	}
	if _, err := server.Start(context.Background(), server.Options{Home: home, NoScheduler: true, Log: os.Stderr}); err != nil {
		panic(err)
	}
	_, _ = os.Stdout.WriteString("started\n")
	select {}
}

// One release of each way to start a server; the tests in test/airflow start the
// others.
func TestServer(t *testing.T) {
	for _, version := range []string{"3.3.2", "2.11.2"} {
		t.Run(version, func(t *testing.T) { testServer(t, version) })
	}
}

func testServer(t *testing.T, version string) {
	ctx := t.Context()
	home := t.TempDir()
	var log bytes.Buffer
	s, err := server.Start(ctx, server.Options{Home: home, Version: version, Log: &log})
	if err != nil {
		t.Fatalf("start: %v\n%s", err, log.String())
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	waiting, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()

	if err := s.WaitForDAGs(waiting, dags.IDs()...); err != nil {
		t.Fatal(err)
	}
	t.Run("all listed DAGs are known samples", func(t *testing.T) { checkListed(t, s) })
	t.Run("it is the release that was asked for", func(t *testing.T) { checkVersion(t, s, version) })
	t.Run("a triggered run succeeds", func(t *testing.T) { checkRun(waiting, t, s, "finance_daily") })
	t.Run("an account without rights is refused", func(t *testing.T) { checkAccount(t, s) })
	t.Run("secrets are in no process argument and in no log", func(t *testing.T) { checkSecrets(t, s, log.String()) })
	t.Run("a second start in the home is refused", func(t *testing.T) {
		if _, err := server.Start(ctx, server.Options{Home: home}); !errors.Is(err, server.ErrRunning) {
			t.Errorf("got %v, want ErrRunning", err)
		}
	})
	t.Run("another program can stop it by its home", func(t *testing.T) {
		opened, err := server.Open(home)
		if err != nil {
			t.Fatal(err)
		}
		if err := opened.Stop(); err != nil {
			t.Fatal(err)
		}
		for name, alive := range s.States() {
			if alive {
				t.Errorf("the %s still runs", name)
			}
		}
		if err := s.Health(ctx); err == nil {
			t.Error("the server still answers")
		}
	})
}

func checkVersion(t *testing.T, s *server.Server, wanted string) {
	t.Helper()
	var answer struct {
		Version string `json:"version"`
	}
	path := strings.TrimSuffix(s.DAGPath(""), "/dags/") + "/version"
	if err := s.Call(t.Context(), "", http.MethodGet, path, nil, &answer); err != nil {
		t.Fatal(err)
	}
	if answer.Version != wanted || s.Version != wanted {
		t.Errorf("Airflow says %s, its description %s, want %s", answer.Version, s.Version, wanted)
	}
}

func checkListed(t *testing.T, s *server.Server) {
	t.Helper()
	var list struct {
		Total int `json:"total_entries"`
	}
	if err := s.AsAdmin(t.Context(), http.MethodGet, strings.TrimSuffix(s.DAGPath(""), "/"), nil, &list); err != nil {
		t.Fatal(err)
	}
	if list.Total != len(dags.IDs()) {
		t.Errorf("Airflow lists %d DAGs, the package names %d", list.Total, len(dags.IDs()))
	}
}

func checkRun(ctx context.Context, t *testing.T, s *server.Server, id string) {
	t.Helper()
	token, err := s.Token(ctx, s.AdminUsername, s.AdminPassword)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.TriggerDAG(ctx, token, id); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for state := ""; state != "success"; {
		select {
		case <-ctx.Done():
			t.Fatalf("the run is still %s", state)
		case <-tick.C:
		}
		var list struct {
			Runs []struct {
				State string `json:"state"`
			} `json:"dag_runs"`
		}
		err := s.Call(ctx, token, http.MethodGet, s.DAGPath(id)+"/dagRuns", nil, &list)
		if busy(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(list.Runs) != 1 || list.Runs[0].State == "failed" {
			t.Fatalf("got the runs %+v, want one that does not fail", list.Runs)
		}
		state = list.Runs[0].State
	}
}

// busy is true when a server gave no answer, or one about itself: it may be asked again.
func busy(err error) bool {
	var status *server.StatusError
	return err != nil && (!errors.As(err, &status) || status.Code >= http.StatusInternalServerError)
}

func checkAccount(t *testing.T, s *server.Server) {
	t.Helper()
	user, err := s.CreateUser(t.Context(), server.User{Username: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	token, err := s.Token(t.Context(), user.Username, user.Password)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Token(t.Context(), user.Username, "wrong"); err == nil {
		t.Error("a wrong password is accepted")
	}
	err = s.TriggerDAG(t.Context(), token, "finance_daily")
	var status *server.StatusError
	if !errors.As(err, &status) || status.Code != http.StatusForbidden {
		t.Errorf("got %v, want a refusal with 403", err)
	}
}

func checkSecrets(t *testing.T, s *server.Server, progress string) {
	t.Helper()
	texts := map[string]string{"progress": progress}
	for _, path := range s.LogFiles() {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[path] = string(content)
	}
	for _, p := range s.Processes {
		output, err := exec.CommandContext(t.Context(), "ps", "-o", "args=", "-p", strconv.Itoa(p.PID)).Output()
		if err != nil {
			t.Fatal(err)
		}
		texts["arguments of "+p.Name] = string(output)
	}
	for place, text := range texts {
		if strings.Contains(text, s.AdminPassword) {
			t.Errorf("the password is in %s", place)
		}
	}
	for _, name := range []string{"airflow.json", "airflow.cfg", "airflow.db"} {
		file, err := os.Stat(filepath.Join(s.Home, name))
		if err != nil {
			t.Fatal(err)
		}
		if file.Mode().Perm() != 0o600 {
			t.Errorf("%s has the mode %v, want 0600", name, file.Mode().Perm())
		}
	}
}

// A test binary that is killed cannot stop what it started.
func TestServerEndsWithItsOwner(t *testing.T) {
	home := t.TempDir()
	owner := exec.CommandContext(t.Context(), os.Args[0])
	owner.Env = append(os.Environ(), ownerHome+"="+home)
	output, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := output.Read(make([]byte, 1)); err != nil {
		t.Fatalf("the owner did not start a server: %v", err)
	}
	s, err := server.Open(home)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Running() {
		t.Fatal("the server does not run")
	}
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait() // it was killed
	limit := time.After(30 * time.Second)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for s.Running() {
		select {
		case <-limit:
			t.Fatalf("the server outlives its owner: %v", s.Stop())
		case <-tick.C:
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for what, o := range map[string]server.Options{
		"no home":                      {},
		"a cache for part of a second": {Home: t.TempDir(), CacheTTL: 1500 * time.Millisecond},
		"an unknown auth manager":      {Home: t.TempDir(), AuthManager: "none"},
		"an unknown version":           {Home: t.TempDir(), Version: "0.0.0"},
		"Airflow 2 without its roles":  {Home: t.TempDir(), Version: "2.11.2", AuthManager: server.Simple},
	} {
		t.Run(what, func(t *testing.T) {
			if s, err := server.Start(t.Context(), o); err == nil {
				t.Errorf("accepted; stop: %v", s.Stop())
			}
		})
	}
	if _, err := server.Open(t.TempDir()); !errors.Is(err, server.ErrNoServer) {
		t.Errorf("open an empty folder: got %v, want ErrNoServer", err)
	}
}

func TestReleases(t *testing.T) {
	var versions []string
	for _, r := range server.Releases() {
		versions = append(versions, r.Version+"+"+r.FABProvider)
	}
	want := []string{"3.3.2+3.10.2", "3.2.2+3.6.4", "3.1.7+3.2.0", "2.11.2+1.5.4"}
	if !slices.Equal(versions, want) {
		t.Errorf("got %q, want %q", versions, want)
	}
	if r, err := server.ReleaseOf(""); err != nil || r != server.Releases()[0] {
		t.Errorf("the default is %v, %v, want the newest", r, err)
	}
}
