// Command figures measures on real Airflows how long a grant takes to work after kubectl apply, when the last call
// succeeds relative to its end, and what a pass costs on each release. It prints the tables of docs/performance.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/airflow-oam/airflow-oam/hack/airflow/server"
	"github.com/airflow-oam/airflow-oam/hack/stage"
)

const (
	namespace = "figures"
	dag       = "finance_daily"
	poll      = 250 * time.Millisecond
)

const objects = `
apiVersion: access.airflow-oam.dev/v1alpha1
kind: AirflowInstance
metadata: {name: prod, namespace: figures}
spec:
  url: ${URL}
  credentials: {secretRef: {name: airflow}}
  permissionCacheTTL: ${TTL}
---
apiVersion: access.airflow-oam.dev/v1alpha1
kind: DagAccessPolicy
metadata: {name: finance, namespace: figures}
spec:
  instanceRef: {name: prod}
  dags: [{ids: ["finance_*"]}]
  access: [View, Trigger]
  grants: {maxDuration: 1h}
`

const grant = `
apiVersion: access.airflow-oam.dev/v1alpha1
kind: AccessGrant
metadata: {name: ${NAME}, namespace: figures}
spec:
  policyRef: {name: finance}
  subject: {username: ${NAME}}
  expiresAt: ${END}
`

func main() {
	people := flag.Int("people", 8, "people who are given a grant at the same time")
	only := flag.String("only", "", "grants or passes; both by default")
	roles := flag.Int("roles", 100, "roles of the table of passes")
	users := flag.Int("users", 300, "people of the table of passes")
	versions := flag.String("versions", "3.3.2,3.2.2,2.11.2", "releases of the table of passes")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var err error
	if *only != "passes" {
		err = run(ctx, *people)
	}
	if err == nil && *only != "grants" {
		err = converge(ctx, *roles, *users, strings.Split(*versions, ","))
	}
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, people int) error {
	fmt.Println("| [fab] cache_ttl | grants | apply to first 200: median (min to max) | end to last 200: median (min to max) |")
	fmt.Println("|---|---|---|---|")
	for _, ttl := range []time.Duration{2 * time.Second, 30 * time.Second} {
		if err := measure(ctx, ttl, people); err != nil {
			return err
		}
	}
	return nil
}

// sample is one grant.
type sample struct{ first, last float64 }

func measure(ctx context.Context, ttl time.Duration, people int) (err error) {
	home, err := os.MkdirTemp("", "airflow-oam-figures-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(home) }()
	s, err := stage.Start(ctx, stage.Options{Home: home, CacheTTL: ttl, NoScheduler: true, Progress: os.Stderr})
	if err != nil {
		return err
	}
	defer func() { _ = s.Stop() }()
	if err := s.CreateInstanceNamespace(ctx, namespace); err != nil {
		return err
	}
	if err := s.CreateSecret(ctx, namespace, "airflow"); err != nil {
		return err
	}
	if err := s.Apply(ctx, objects, map[string]string{"URL": s.Airflow.URL, "TTL": ttl.String()}); err != nil {
		return err
	}
	if _, err := s.Kubectl(ctx, nil, "wait", "-n", namespace, "dagaccesspolicy/finance", "--for=condition=Ready", "--timeout=60s"); err != nil {
		return err
	}
	samples, failures := make([]sample, people), make([]error, people)
	var group sync.WaitGroup
	for i := range people {
		// Lengths differ by parts of the cache's time, so that ends fall at every age of a cached permission.
		length := 3*ttl + 30*time.Second + ttl*time.Duration(i)/time.Duration(people)
		group.Go(func() { samples[i], failures[i] = follow(ctx, s, fmt.Sprintf("person%d", i), length, ttl) })
	}
	group.Wait()
	for _, err := range failures {
		if err != nil {
			return err
		}
	}
	var first, last []float64
	for _, one := range samples {
		first, last = append(first, one.first), append(last, one.last)
	}
	fmt.Printf("| %s | %d | %s | %s |\n", ttl, people, row(first), row(last))
	return nil
}

func row(values []float64) string {
	slices.Sort(values)
	return fmt.Sprintf("%.1f s (%.1f to %.1f)", values[len(values)/2], values[0], values[len(values)-1])
}

// follow is the life of one grant, seen by the person who holds it: a call every quarter of a second all the time, so
// that Airflow's cache is as full as can be.
func follow(ctx context.Context, s *stage.Stage, name string, length, ttl time.Duration) (sample, error) {
	user, err := s.Airflow.CreateUser(ctx, server.User{Username: name})
	if err != nil {
		return sample{}, err
	}
	token, err := s.Airflow.Token(ctx, name, user.Password)
	if err != nil {
		return sample{}, err
	}
	allowed := func() bool {
		return s.Airflow.Call(ctx, token, http.MethodGet, "/api/v2/dags/"+dag, nil, nil) == nil
	}
	end := time.Now().Add(length).Truncate(time.Second)
	applied := time.Now()
	values := map[string]string{"NAME": name, "END": end.UTC().Format(time.RFC3339)}
	if err := s.Apply(ctx, strings.TrimSpace(grant), values); err != nil {
		return sample{}, err
	}
	var first, last time.Time
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for time.Now().Before(end.Add(5*time.Second + ttl/2)) {
		sent := time.Now()
		if allowed() {
			if last = sent; first.IsZero() {
				first = time.Now()
			}
		}
		select {
		case <-ctx.Done():
			return sample{}, ctx.Err()
		case <-tick.C:
		}
	}
	if first.IsZero() {
		return sample{}, fmt.Errorf("%s was never let in", name)
	}
	return sample{first: first.Sub(applied).Seconds(), last: last.Sub(end).Seconds()}, nil
}
