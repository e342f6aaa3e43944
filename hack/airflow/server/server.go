package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/airflow-oam/airflow-oam/hack/airflow/dags"
)

// startLimit bounds the time from the first process to a healthy server.
const startLimit = 5 * time.Minute

// Options say what server to start. Only Home must be set.
type Options struct {
	// Home is the folder of the server's database, configuration, secrets and
	// logs. It is created where it is missing; a database that is there is used.
	Home string
	// Port on 127.0.0.1; 0 chooses a free one.
	Port int
	// CacheTTL is how long Airflow may use permissions it has read before
	// ([fab] cache_ttl), in whole seconds; 0 turns that cache off. Airflow's own
	// default is 30 s. Before FAB provider 3.2.0 there is no such cache, and this
	// has no effect.
	CacheTTL time.Duration
	// Version is Airflow's, one of Releases; empty means that of locks.Default.
	Version string
	// DAGs is the folder of DAG files; empty means a copy of the samples, in
	// Home/dags.
	DAGs string
	// NoScheduler leaves the scheduler out: DAGs are listed, but no task runs.
	// Airflow 2 cannot do without, because its scheduler parses DAG files.
	NoScheduler bool
	// AuthManager is FAB where it is empty; Airflow 2 knows no other.
	AuthManager AuthManager
	// Workers is the number of API processes, each with a permission cache of
	// its own; 0 means 1.
	Workers int
	// Settings are more options of airflow.cfg, by section and option. They win
	// over those that this package sets.
	Settings map[string]map[string]string
	// PythonPath are folders of Python modules for all processes, such as what
	// Installation.Extras returned.
	PythonPath []string
	// NoPasswordLogin is for a server that gives the administrator no token for
	// its password: Start does not wait for one, and AsAdmin fails with all that
	// use it.
	NoPasswordLogin bool
	// Detached servers outlive this program, until Stop. Others are ended when
	// it ends, in whatever way.
	Detached bool
	// Log receives progress lines; nil means none.
	Log io.Writer
}

// Server is a running Airflow, or one that ran.
type Server struct {
	// URL of the server without a slash at its end.
	URL string `json:"url"`
	// AdminUsername and AdminPassword are the account with the role Admin. The
	// password is random and new at every start.
	AdminUsername string `json:"adminUsername"`
	AdminPassword string `json:"adminPassword"`
	// Home is the server's folder, an absolute path.
	Home string `json:"home"`
	// DAGs is the folder of its DAG files, an absolute path.
	DAGs string `json:"dags"`
	// Version and FABProvider are those of Airflow and of its FAB provider.
	Version     string `json:"version"`
	FABProvider string `json:"fabProvider"`
	// CacheTTLSeconds is for how long permissions are cached; 0 where they are not.
	CacheTTLSeconds int `json:"cacheTTLSeconds"`

	Processes []*process `json:"processes"`

	guard *guard
}

const stateFile = "airflow.json"

// ErrRunning is returned by Start for a home whose server runs already.
var ErrRunning = errors.New("a server of this home is already running")

// ErrNoServer is returned by Open for a home in which no server was started.
var ErrNoServer = errors.New("no server was started in this home")

// Start installs what is missing, starts a server and waits until it answers
// and accepts the administrator. A server that does not become healthy is
// stopped again, and the error ends with the last lines of its log. The context
// ends the waiting, not the server.
func Start(ctx context.Context, o Options) (*Server, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	if earlier, err := Open(o.Home); err == nil && earlier.Running() {
		return nil, fmt.Errorf("%w: %s", ErrRunning, o.Home)
	}
	in, err := Install(ctx, o.Version, o.Log)
	if err != nil {
		return nil, err
	}
	p := progress{o.Log}
	s := &Server{
		AdminUsername: adminUsername, AdminPassword: secret(), Home: o.Home, DAGs: o.DAGs,
		Version: in.Release.Version, FABProvider: in.Release.FABProvider,
	}
	if in.Release.CachesPermissions() {
		s.CacheTTLSeconds = int(o.CacheTTL / time.Second)
	}
	if err := in.prepareDatabase(ctx, o, s.AdminPassword, p); err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		err := s.launch(ctx, in, o, p)
		if err == nil {
			return s, nil
		}
		// Another program may take a free port between its choice and its use.
		if !errors.Is(err, errPortTaken) || o.Port != 0 || attempt == 3 {
			return nil, err
		}
	}
}

// complete checks the options and fills in what was left to choose.
func (o Options) complete() (Options, error) {
	if o.Home == "" {
		return o, errors.New("a home folder is needed")
	}
	if o.CacheTTL < 0 || o.CacheTTL%time.Second != 0 {
		return o, fmt.Errorf("the permission cache is set in whole seconds, not %s", o.CacheTTL)
	}
	release, err := ReleaseOf(o.Version)
	if err != nil {
		return o, err
	}
	o.Version = release.Version
	if o.AuthManager == "" {
		o.AuthManager = FAB
	}
	if o.AuthManager != FAB && o.AuthManager != Simple {
		return o, fmt.Errorf("no auth manager named %q, there are: %s, %s", o.AuthManager, FAB, Simple)
	}
	if o.AuthManager == Simple && release.Airflow2() {
		return o, fmt.Errorf("there is no simple auth manager in Airflow %s", o.Version)
	}
	o.Workers = max(1, o.Workers)
	if o.Home, err = filepath.Abs(o.Home); err != nil {
		return o, err
	}
	if err := os.MkdirAll(filepath.Join(o.Home, "logs"), 0o700); err != nil {
		return o, err
	}
	if o.DAGs == "" {
		o.DAGs = filepath.Join(o.Home, "dags")
		return o, dags.CopyTo(o.DAGs)
	}
	o.DAGs, err = filepath.Abs(o.DAGs)
	return o, err
}

// freePort returns a port of 127.0.0.1 that nobody listens on at the moment.
func freePort(ctx context.Context) (int, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	address, err := netip.ParseAddrPort(listener.Addr().String())
	return int(address.Port()), errors.Join(err, listener.Close())
}

var errPortTaken = errors.New("the port is taken")

// launch starts the processes on one port and waits for them.
func (s *Server) launch(ctx context.Context, in *Installation, o Options, p progress) error {
	port := o.Port
	if port == 0 {
		var err error
		if port, err = freePort(ctx); err != nil {
			return err
		}
	}
	if err := settingsOf(o, in.Release, port).write(o.Home); err != nil {
		return err
	}
	s.URL = fmt.Sprintf("http://127.0.0.1:%d", port)
	s.Processes = nil
	for _, program := range in.Release.programs(!o.NoScheduler) {
		if err := os.RemoveAll(logPath(o.Home, program[0])); err != nil {
			return errors.Join(err, s.Stop())
		}
		started, err := startProcess(in.Program("airflow"), o, program...)
		if err != nil {
			return errors.Join(err, s.Stop())
		}
		s.Processes = append(s.Processes, started)
	}
	if !o.Detached {
		var err error
		if s.guard, err = startGuard(s.Processes); err != nil {
			return errors.Join(err, s.Stop())
		}
	}
	p.say("start Airflow at %s", s.URL)
	stop := p.ticker("wait for it to be healthy")
	err := s.waitHealthy(ctx, o)
	stop()
	if err == nil {
		err = s.save()
	}
	if err != nil {
		return errors.Join(err, s.Stop())
	}
	return nil
}

// waitHealthy waits until the server answers, its parts are healthy, and the
// administrator gets in.
func (s *Server) waitHealthy(ctx context.Context, o Options) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.healthy(ctx, !o.NoScheduler)
		if err == nil && !o.NoPasswordLogin {
			_, err = s.Token(ctx, s.AdminUsername, s.AdminPassword)
		}
		if err == nil {
			return nil
		}
		for _, p := range s.Processes {
			if !p.alive() {
				return p.died(s.Home)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server at %s is not healthy: %w; its logs are in %s", s.URL, errors.Join(ctx.Err(), err), filepath.Join(s.Home, "logs"))
		case <-tick.C:
		}
	}
}

// save writes what Open and people at the shell need, for the owner's eyes only.
func (s *Server) save() error {
	content, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.Home, stateFile), append(content, '\n'), 0o600)
}

// Open returns the server that was last started in a home, running or not. The
// error is ErrNoServer where none was.
func Open(home string) (*Server, error) {
	content, err := os.ReadFile(filepath.Join(home, stateFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNoServer, home)
	}
	if err != nil {
		return nil, err
	}
	s := &Server{}
	if err := json.Unmarshal(content, s); err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(home, stateFile), err)
	}
	return s, nil
}

// Running says whether any process of the server is alive.
func (s *Server) Running() bool {
	for _, p := range s.Processes {
		if p.alive() {
			return true
		}
	}
	return false
}

// States returns for each process of the server whether it is alive.
func (s *Server) States() map[string]bool {
	states := make(map[string]bool, len(s.Processes))
	for _, p := range s.Processes {
		states[p.Name] = p.alive()
	}
	return states
}

// LogFiles returns the paths of the logs by the name of the process.
func (s *Server) LogFiles() map[string]string {
	files := make(map[string]string, len(s.Processes))
	for _, p := range s.Processes {
		files[p.Name] = logPath(s.Home, p.Name)
	}
	return files
}

// Stop ends all processes of the server and waits until they are gone. What is
// in the home stays. It may be called again.
func (s *Server) Stop() error {
	s.guard.dismiss()
	s.guard = nil
	failures := make(chan error, len(s.Processes))
	for _, p := range s.Processes {
		go func() { failures <- p.stop(context.Background()) }()
	}
	var all []error
	for range s.Processes {
		all = append(all, <-failures)
	}
	return errors.Join(all...)
}
