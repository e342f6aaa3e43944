package instance

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/actuator"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/metrics"
)

// connection is the client of one Airflow, its credentials, and what was found out about the server.
type connection struct {
	client   *airflow.Client
	actuator *actuator.Actuator
	// worked is true once the server accepted client. Where it did not yet, proven is the client of the same Airflow that
	// worked last, which the actuator uses until then; nil where there is none.
	worked bool
	proven *airflow.Client
	// endpoint and digest identify what the client was made of; secrets is what was wrong with the Secrets when they were
	// read last.
	endpoint, digest string
	secrets          *problem

	// server is what answers, account the user name of the operator there; both are empty until they are known.
	server  airflow.Server
	account string
	// probed is a server whose version does not determine what it can do, and found what came of trying.
	probed airflow.Server
	found  airflow.Capabilities

	// skew of the server's clock, and the number of requests so far.
	skew     Skew
	requests atomic.Int64
}

// close ends the connection.
func (c *connection) close() {
	for _, client := range []*airflow.Client{c.client, c.proven} {
		if client != nil {
			client.Close()
		}
	}
}

// replace makes another client for the same Airflow the present one. A client that worked goes on revoking until the new one
// does, too: a rotation may write the Secret first.
func (c *connection) replace(client *airflow.Client) {
	if c.worked {
		c.proven, c.client = c.client, c.proven
	}
	if c.client != nil {
		c.client.Close()
	}
	c.client, c.worked = client, false
	if c.proven == nil {
		c.actuator.Use(client)
	}
}

// prove notes that the server accepted the present client. The one before is of no use any more.
func (c *connection) prove() {
	c.worked = true
	c.lose()
}

// lose gives up the client that worked before the present one, where there is one.
func (c *connection) lose() {
	if c.proven == nil {
		return
	}
	c.actuator.Use(c.client)
	c.proven.Close()
	c.proven = nil
}

// connect makes the connection of what the spec and the Secrets say now. While a Secret is missing or wrong, the last good
// credentials in memory remain in use, and the problem is returned beside them. Where another instance governs the Airflow
// that the spec names, the one in which this instance granted access is served.
func connect(ctx context.Context, s *scope) *problem {
	now := s.r.Clock.Now()
	if s.client != nil && s.secretsFresh(s.afi, now) {
		return s.secrets
	}
	found, problem := readSecrets(ctx, s)
	s.secrets = problem
	s.secretsRead(s.afi, now)
	if s.secrets == nil {
		s.secrets = renew(ctx, s, found)
	}
	return s.secrets
}

// readSecrets reads the Secrets from the API server, and is done before the next ending.
func readSecrets(ctx context.Context, s *scope) (material, *problem) {
	ctx, cancel := asking(ctx, s, storeTimeout)
	defer cancel()
	return sources{s.r.APIReader, s.r.Settings}.read(ctx, s.afi)
}

// renew makes a new client where the present one was made of something else. Credentials are sent only where their Secret
// says; while that is not the Airflow of the spec but still the one where access was granted, endings go on.
func renew(ctx context.Context, s *scope, found material) *problem {
	url, mismatch := s.afi.Spec.URL, found.mismatch(s.afi)
	if s.rivalry != nil || mismatch != nil {
		if url = s.afi.Status.Endpoint; len(s.afi.Status.ManagedRoles) == 0 || !airflow.SameOrigin(url, found.url) {
			return mismatch
		}
	}
	digest := found.digest(url)
	if s.client != nil && s.digest == digest {
		return mismatch
	}
	client, err := airflow.New(airflow.Config{
		URL: url, Credentials: found.credentials, CABundle: found.ca, ClientCertificate: found.certificate, ClientKey: found.key,
		AllowHTTPHosts: s.r.AllowHTTPHosts, AllowedAddresses: s.r.AllowedAddresses, Clock: s.r.Clock,
		Observer: s.observer(s.afi.Key().String()),
	})
	if err != nil {
		return problemOf(err)
	}
	if moved := moved(ctx, s.afi, client); moved != nil {
		client.Close()
		return moved
	}
	use(s, client)
	s.digest = digest
	return mismatch
}

// use replaces the client. At another address everything begins anew.
func use(s *scope, client *airflow.Client) {
	if s.actuator == nil || s.endpoint != client.URL() {
		s.connection.close()
		s.client, s.proven, s.worked = client, nil, false
		s.actuator = actuator.New(client, s.r.Clock, actuator.Options{Concurrency: s.r.Concurrency})
		s.fullAt, s.dagsAt = time.Time{}, time.Time{}
		s.recall(s.afi, client.URL())
	} else {
		s.replace(client)
	}
	s.endpoint = client.URL()
	s.checkedAt, s.notBefore, s.failures = time.Time{}, time.Time{}, 0
}

// recall adopts from the status what was known of the server at an address, until it is checked.
func (c *connection) recall(afi *v1alpha1.AirflowInstance, endpoint string) {
	c.account, c.server, c.probed, c.found = "", airflow.Server{}, airflow.Server{}, airflow.Capabilities{}
	st := afi.Status
	if !airflow.SameOrigin(st.Endpoint, endpoint) {
		return
	}
	c.account = st.Account
	if st.Airflow != nil {
		c.server = serverOf(st.Airflow, st.Capabilities)
	}
}

// observer counts requests and measures the clock of the server.
func (c *connection) observer(instance string) airflow.Observer {
	return func(e airflow.Exchange) {
		c.requests.Add(1)
		c.skew.Observe(e.ServerDate, e.Received)
		metrics.ObserveRequest(instance, e.Endpoint, e.Method, e.Status, string(e.Cause), e.Duration)
	}
}

// discover finds out which server this is. Where that fails, what was known of the same version before remains so; for another
// version, the provider that was found decides what is done.
func (c *connection) discover(ctx context.Context) *problem {
	server, err := c.client.Discover(ctx)
	if err != nil {
		if server.Version != "" && server.Version != c.server.Version {
			c.server = server
		}
		return problemOf(err)
	}
	c.server = server
	return incompatible(server)
}

// probe finds out by trying what the server can do where its version does not determine it: once for a version. Where
// another writer has a role of the probe's name, the capabilities stay those that do no harm when they are wrong.
func (c *connection) probe(ctx context.Context) error {
	if c.probed == c.server {
		c.server.Capabilities = c.found
		return nil
	}
	found, err := c.client.Probe(ctx, c.server)
	if err != nil && !airflow.IsConflict(err) {
		return err
	}
	c.probed, c.found = c.server, found
	c.server.Capabilities = found
	return nil
}

// moved refuses a changed address where the managed roles are not found: they would be left behind in the old Airflow.
func moved(ctx context.Context, afi *v1alpha1.AirflowInstance, client *airflow.Client) *problem {
	old := afi.Status.Endpoint
	if old == "" || len(afi.Status.ManagedRoles) == 0 {
		return nil
	}
	if airflow.SameOrigin(old, client.URL()) {
		return nil
	}
	roles, err := client.Roles(ctx)
	if err != nil {
		return problemOf(err)
	}
	there := sets.New[string]()
	for _, role := range roles.Items {
		there.Insert(role.Name)
	}
	for _, entry := range afi.Status.ManagedRoles {
		if !there.Has(entry.Name) {
			return stalledBy(v1alpha1.ConditionReady, v1alpha1.ReasonEndpointChanged, fmt.Sprintf(
				"spec.url changed, and role %q of %s is not found at the new address: set the old url again, or abandon the old Airflow with deletion: Abandon and create another AirflowInstance",
				entry.Name, old))
		}
	}
	return nil
}
