package main

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"net/netip"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/controllers/instance"
	"github.com/airflow-oam/airflow-oam/internal/actuator"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
	"github.com/airflow-oam/airflow-oam/internal/permission"
)

const (
	namespace = "bench"
	// dagsPerRole gives a role of View and Trigger about 30 permissions.
	dagsPerRole = 7
	dagCount    = 350
	// builtin is the number of roles that every server has. The user list also holds the operator's account.
	builtin = 5
)

func pages(items int) int { return (items + airflow.PageSize - 1) / airflow.PageSize }

// world is a simulated Airflow and what is declared for it.
type world struct {
	settings settings
	sim      *airflowtest.Sim
	server   *httptest.Server
	client   *airflow.Client
	act      *actuator.Actuator
	latency  atomic.Int64

	mu       sync.Mutex
	instance *v1alpha1.AirflowInstance
	policies []*v1alpha1.DagAccessPolicy
	grants   []*v1alpha1.AccessGrant
	// roles and members are what should be stored at the end: the oracle, and what the other contestants work from.
	roles   map[string][]airflow.Permission
	members map[string]string
	ended   map[string]bool
}

func newWorld(s settings, latency time.Duration) (*world, error) {
	w := &world{settings: s, roles: map[string][]airflow.Permission{}, members: map[string]string{}, ended: map[string]bool{}}
	w.latency.Store(int64(latency))
	w.sim = airflowtest.New(airflowtest.Options{
		Clock: clock.RealClock{}, Generation: &s.generation, Latency: func(string, string) time.Duration { return time.Duration(w.latency.Load()) },
	})
	w.server = httptest.NewServer(w.sim)
	for i := range dagCount {
		w.sim.SetDag(airflowtest.Dag{ID: dagName(i)})
	}
	for i := range s.users {
		w.sim.AddUser(airflowtest.User{Username: userName(i), Email: userName(i) + "@example.com", Roles: []string{"Public"}})
	}
	client, err := airflow.New(airflow.Config{
		URL: w.server.URL, Clock: clock.RealClock{}, AllowedAddresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		AllowHTTPHosts: []string{"127.0.0.1"},
		Credentials:    airflow.Credentials{Username: airflowtest.AdminUsername, Password: airflowtest.AdminPassword},
	})
	if err != nil {
		w.server.Close()
		return nil, err
	}
	w.client = client
	w.act = actuator.New(client, clock.RealClock{}, actuator.Options{Concurrency: s.concurrency})
	w.instance = &v1alpha1.AirflowInstance{
		ObjectMeta: metav1.ObjectMeta{Name: "bench", Namespace: namespace, UID: "bench"},
		Spec: v1alpha1.AirflowInstanceSpec{
			URL: w.server.URL, Mode: v1alpha1.ModeEnforce, Drift: v1alpha1.DriftRepair, MassRevocationLimit: "25%",
			Interval: metav1.Duration{Duration: 10 * time.Minute}, DagInterval: metav1.Duration{Duration: time.Minute},
		},
	}
	// The token is not what is measured.
	_, err = client.User(context.Background(), userName(0))
	return w, err
}

func (w *world) close() {
	w.client.Close()
	w.server.Close()
}

func (w *world) slow(latency time.Duration) { w.latency.Store(int64(latency)) }

func dagName(i int) string  { return fmt.Sprintf("dag_%04d", i%dagCount) }
func userName(i int) string { return fmt.Sprintf("user%05d", i) }
func roleName(i int) string { return fmt.Sprintf("role-%04d", i) }

// declare adds a policy and what its role holds.
func (w *world) declare(i int, members []v1alpha1.Subject) {
	ids := make([]string, dagsPerRole)
	for k := range ids {
		ids[k] = dagName(i*dagsPerRole + k)
	}
	sort.Strings(ids)
	levels := []v1alpha1.AccessLevel{v1alpha1.AccessView, v1alpha1.AccessTrigger}
	w.policies = append(w.policies, &v1alpha1.DagAccessPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: roleName(i), Namespace: namespace, UID: types.UID(roleName(i)), Generation: 1},
		Spec: v1alpha1.DagAccessPolicySpec{
			InstanceRef: v1alpha1.InstanceReference{Name: "bench"}, State: v1alpha1.PolicyActive, Access: levels,
			Dags: []v1alpha1.DagSelector{{IDs: ids}}, Members: members, Role: &v1alpha1.PolicyRole{Name: roleName(i)},
			Grants: &v1alpha1.GrantTerms{From: v1alpha1.GrantsFromSame, MaxDuration: metav1.Duration{Duration: time.Hour}},
		},
		Status: v1alpha1.DagAccessPolicyStatus{ObservedGeneration: 1},
	})
	var pairs []airflow.Permission
	for _, p := range permission.ForLevels(v1alpha1.PermissionModelAirflow3, levels, ids, nil) {
		pairs = append(pairs, airflow.Permission{Action: p.Action, Resource: p.Resource})
	}
	w.roles[roleName(i)] = airflow.SortPermissions(pairs)
}

// standing declares members for every role.
func (w *world) standing() {
	each := w.settings.users / w.settings.roles
	for i := range w.settings.roles {
		var members []v1alpha1.Subject
		for k := range each {
			name := userName(i*each + k)
			members = append(members, v1alpha1.Subject{Username: name})
			w.members[name] = roleName(i)
		}
		w.declare(i, members)
	}
}

// timeBound declares one grant a user, over all roles.
func (w *world) timeBound(many int) {
	for i := range w.settings.roles {
		w.declare(i, nil)
	}
	now := metav1.Now()
	for i := range many {
		role, name := roleName(i%w.settings.roles), userName(i)
		w.members[name] = role
		w.grants = append(w.grants, &v1alpha1.AccessGrant{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, UID: types.UID(name)},
			Spec:       v1alpha1.AccessGrantSpec{PolicyRef: v1alpha1.PolicyReference{Name: role}, Subject: v1alpha1.Subject{Username: name}},
			Status: v1alpha1.AccessGrantStatus{Activation: &v1alpha1.Activation{
				At: now, ExpiresAt: metav1.NewTime(now.Add(time.Hour)), Access: []v1alpha1.AccessLevel{v1alpha1.AccessView, v1alpha1.AccessTrigger},
				Instances: []v1alpha1.GrantInstance{{Name: "bench", Namespace: namespace, UID: "bench", Username: name, Role: role}},
			}},
		})
	}
}

// end moves the end of all grants to this moment, and says when that is.
func (w *world) end() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	for i, g := range w.grants {
		g = g.DeepCopy()
		g.Status.Activation.ExpiresAt = metav1.NewTime(now)
		w.grants[i] = g
	}
	for name := range w.members {
		w.ended[name] = true
	}
	clear(w.members)
	return now
}

// removals gives how long after a moment each removal was stored, in seconds.
func (w *world) removals(planned time.Time) []float64 {
	var out []float64
	for _, c := range w.sim.Changes(func(c airflowtest.Change) bool { return !c.At.Before(planned) && c.User != "" }) {
		if len(c.RolesAfter) < len(c.RolesBefore) {
			out = append(out, c.At.Sub(planned).Seconds())
		}
	}
	return out
}

// measure runs one way to converge, and checks what the server stores afterwards.
func (w *world) measure(work, check func() error) (sample, error) {
	requests, writes, busy, begin := w.sim.RequestCount(), len(w.sim.MutatingRequests()), atWork(), time.Now()
	if err := work(); err != nil {
		return sample{}, err
	}
	out := sample{seconds: time.Since(begin).Seconds(), processor: (atWork() - busy).Seconds()}
	out.requests, out.writes = w.sim.RequestCount()-requests, len(w.sim.MutatingRequests())-writes
	return out, check()
}

// atWork is the processor time of this process so far, in user and in system mode.
func atWork() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// converged is the oracle: every role holds exactly what it should, and every user too.
func (w *world) converged() error {
	for name, want := range w.roles {
		if len(w.members) == 0 && len(w.ended) == 0 {
			return errors.New("nothing is declared")
		}
		role, ok := w.sim.Role(name)
		if !ok || !slices.Equal(airflow.SortPermissions(role.Permissions), want) {
			return fmt.Errorf("role %s is not as it should be", name)
		}
	}
	for i := range w.settings.users {
		name := userName(i)
		want := []string{"Public"}
		if role := w.members[name]; role != "" {
			want = append(want, role)
		}
		if roles, ok := w.sim.UserRoles(name); !ok || !slices.Equal(slices.Sorted(slices.Values(roles)), want) {
			return fmt.Errorf("user %s has %v, want %v", name, roles, want)
		}
	}
	return nil
}

// Declared and StoreInventory make a world the source of our contestant.
func (w *world) Declared(context.Context) (actuator.Declared, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return actuator.Declared{
		Now: time.Now(), Instance: w.instance, Policies: w.policies, Grants: slices.Clone(w.grants),
		Endpoint: w.server.URL, Account: airflowtest.AdminUsername, Version: w.settings.generation.Version, Capabilities: w.capabilities(),
	}, nil
}

// capabilities are those of the simulated server, as the controller would give them.
func (w *world) capabilities() v1alpha1.Capabilities {
	server := airflow.Server{Version: w.settings.generation.Version, FABProvider: w.settings.generation.FABProvider}
	server.Capabilities = airflow.CapabilitiesOf(server)
	return instance.Capabilities(server)
}

// StoreInventory keeps the inventory in memory.
func (w *world) StoreInventory(_ context.Context, inventory []v1alpha1.ManagedRole, _ []v1alpha1.HeldRevocation) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.instance = w.instance.DeepCopy()
	w.instance.Status.ManagedRoles = inventory
	return nil
}

// people are the users that a declaration names.
func (w *world) people() []string {
	if len(w.ended) > 0 {
		return sortedKeys(w.ended)
	}
	return sortedKeys(w.members)
}
