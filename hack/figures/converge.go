package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/controllers/instance"
	"github.com/airflow-oam/airflow-oam/hack/airflow/server"
	"github.com/airflow-oam/airflow-oam/hack/stage"
	"github.com/airflow-oam/airflow-oam/internal/actuator"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

// crowd is a number of policies, each with its share of people, for one real Airflow.
type crowd struct {
	mu       sync.Mutex
	client   *airflow.Client
	act      *actuator.Actuator
	requests atomic.Int64
	account  string
	version  string
	caps     v1alpha1.Capabilities
	instance *v1alpha1.AirflowInstance
	policies []*v1alpha1.DagAccessPolicy
}

// converge measures on each release how many requests and how much time a pass needs: when nothing is there yet, when
// nothing changed, and when a tenth of the policies loses a level.
func converge(ctx context.Context, roles, people int, versions []string) error {
	fmt.Printf("| Airflow | pass | requests | writes that took effect | seconds |\n|---|---|---|---|---|\n")
	for _, version := range versions {
		if err := convergeOn(ctx, version, roles, people); err != nil {
			return fmt.Errorf("airflow %s: %w", version, err)
		}
	}
	return nil
}

func convergeOn(ctx context.Context, version string, roles, people int) (err error) {
	home, err := os.MkdirTemp("", "airflow-oam-figures-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(home) }()
	s, err := server.Start(ctx, server.Options{Home: home, Version: version, NoScheduler: true, Log: os.Stderr})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	c, err := newCrowd(ctx, s, roles, people)
	if err != nil {
		return err
	}
	defer c.client.Close()
	for _, pass := range []struct {
		name    string
		prepare func()
	}{
		{fmt.Sprintf("%d roles and %d people, nothing there", roles, people), func() {}},
		{"nothing changed", func() {}},
		{fmt.Sprintf("%d policies lose a level", roles/10), func() { c.narrow(roles / 10) }},
		{"nothing changed", func() {}},
	} {
		pass.prepare()
		before, begin := c.requests.Load(), time.Now()
		report := c.act.Pass(ctx, c, actuator.LookFull)
		took := time.Since(begin)
		if report.Err != nil || len(report.Failures) > 0 {
			return fmt.Errorf("%s: %w %v", pass.name, report.Err, report.Failures)
		}
		for key, policy := range report.Policies {
			if !policy.Proof.InSync {
				return fmt.Errorf("%s: %s is not in sync: %v", pass.name, key, policy.Proof.Differences)
			}
		}
		c.store(report.Inventory)
		fmt.Printf("| %s | %s | %d | %d | %.1f |\n", version, pass.name, c.requests.Load()-before, len(report.Changes), took.Seconds())
	}
	return nil
}

func newCrowd(ctx context.Context, s *server.Server, roles, people int) (*crowd, error) {
	account, err := stage.CreateAccount(ctx, s)
	if err != nil {
		return nil, err
	}
	c := &crowd{account: account.Username}
	address, err := url.Parse(s.URL)
	if err != nil {
		return nil, err
	}
	c.client, err = airflow.New(airflow.Config{
		URL: s.URL, Clock: clock.RealClock{}, AllowHTTPHosts: []string{address.Host},
		AllowedAddresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Credentials:      airflow.Credentials{Username: account.Username, Password: account.Password},
		Observer:         func(airflow.Exchange) { c.requests.Add(1) },
	})
	if err != nil {
		return nil, err
	}
	found, err := c.client.Discover(ctx)
	if err != nil {
		return nil, err
	}
	c.version, c.caps = found.Version, instance.Capabilities(found)
	c.act = actuator.New(c.client, clock.RealClock{}, actuator.Options{})
	c.instance = &v1alpha1.AirflowInstance{
		ObjectMeta: metav1.ObjectMeta{Name: "prod", Namespace: namespace, UID: "figures"},
		Spec: v1alpha1.AirflowInstanceSpec{
			URL: s.URL, Mode: v1alpha1.ModeEnforce, Drift: v1alpha1.DriftRepair, MassRevocationLimit: "25%",
			Interval: metav1.Duration{Duration: time.Hour}, DagInterval: metav1.Duration{Duration: time.Hour},
		},
	}
	dags, err := c.client.Dags(ctx)
	if err != nil {
		return nil, err
	}
	names, err := createPeople(ctx, s, people)
	if err != nil {
		return nil, err
	}
	for i := range roles {
		var members []v1alpha1.Subject
		for k := i; k < people; k += roles {
			members = append(members, v1alpha1.Subject{Username: names[k]})
		}
		name := fmt.Sprintf("policy-%03d", i)
		c.policies = append(c.policies, &v1alpha1.DagAccessPolicy{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, UID: types.UID(name), Generation: 1},
			Spec: v1alpha1.DagAccessPolicySpec{
				InstanceRef: v1alpha1.InstanceReference{Name: "prod"}, State: v1alpha1.PolicyActive, Members: members,
				Access: []v1alpha1.AccessLevel{v1alpha1.AccessView, v1alpha1.AccessTrigger, v1alpha1.AccessDeleteDag},
				Dags:   []v1alpha1.DagSelector{{IDs: []string{dags.Items[i%len(dags.Items)].ID}}, {IDs: []string{dags.Items[(i+1)%len(dags.Items)].ID}}},
			},
			Status: v1alpha1.DagAccessPolicyStatus{ObservedGeneration: 1},
		})
	}
	return c, nil
}

// createPeople makes users with no role of interest; hashing their passwords is what takes time.
func createPeople(ctx context.Context, s *server.Server, people int) ([]string, error) {
	names := make([]string, people)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for i := range names {
		names[i] = fmt.Sprintf("person%04d", i)
		group.Go(func() error {
			_, err := s.CreateUser(ctx, server.User{Username: names[i]})
			return err
		})
	}
	return names, group.Wait()
}

// narrow takes a level from the first policies.
func (c *crowd) narrow(count int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range count {
		p := c.policies[i].DeepCopy()
		p.Generation++
		p.Status.ObservedGeneration = p.Generation
		p.Spec.Access = slices.DeleteFunc(p.Spec.Access, func(l v1alpha1.AccessLevel) bool { return l == v1alpha1.AccessDeleteDag })
		c.policies[i] = p
	}
}

func (c *crowd) store(inventory []v1alpha1.ManagedRole) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.instance = c.instance.DeepCopy()
	c.instance.Status.ManagedRoles = inventory
}

// Declared and StoreInventory make a crowd the Kubernetes side of a pass.
func (c *crowd) Declared(context.Context) (actuator.Declared, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return actuator.Declared{
		Now: time.Now(), Instance: c.instance, Policies: slices.Clone(c.policies),
		Endpoint: c.instance.Spec.URL, Account: c.account, Version: c.version, Capabilities: c.caps,
	}, nil
}

// StoreInventory keeps the inventory in memory.
func (c *crowd) StoreInventory(_ context.Context, inventory []v1alpha1.ManagedRole, _ []v1alpha1.HeldRevocation) error {
	c.store(inventory)
	return nil
}
