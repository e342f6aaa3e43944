package instance

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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
	if c.client != nil {
		c.client.Close()
	}
}

// connect makes the connection of what the spec and the Secrets say now. While a Secret is missing or wrong, the last good
// credentials in memory remain in use, and the problem is returned beside them. Where another instance governs the Airflow
// that the spec names, the one in which this instance granted access is served.
func connect(ctx context.Context, s *scope) *problem {
	now := s.r.Clock.Now()
	if s.client != nil && s.secretsFresh(s.afi, now) {
		return s.secrets
	}
	var found material
	found, s.secrets = readMaterial(ctx, s.r.APIReader, s.afi)
	s.secretsRead(s.afi, now)
	if s.secrets == nil {
		s.secrets = renew(ctx, s, found)
	}
	return s.secrets
}

// renew makes a new client where the present one was made of something else. Credentials are sent only where their Secret
// says; while that is not the Airflow of the spec but still the one where access was granted, endings go on.
func renew(ctx context.Context, s *scope, found material) *problem {
	url, mismatch := s.afi.Spec.URL, found.mismatch(s.afi)
	if s.taken != nil || mismatch != nil {
		if url = s.afi.Status.Endpoint; len(s.afi.Status.ManagedRoles) == 0 || !airflow.SameOrigin(url, found.url) {
			return mismatch
		}
	}
	digest := found.digest(url)
	if s.client != nil && s.digest == digest {
		return mismatch
	}
	client, err := airflow.New(airflow.Config{
		URL: url, Credentials: found.credentials, CABundle: found.ca,
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
	s.connection.close()
	if s.actuator == nil || s.endpoint != client.URL() {
		s.actuator = actuator.New(client, s.r.Clock, actuator.Options{Concurrency: s.r.Concurrency})
		s.fullAt, s.dagsAt = time.Time{}, time.Time{}
		s.recall(s.afi, client.URL())
	} else {
		s.actuator.Use(client)
	}
	s.client, s.endpoint = client, client.URL()
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

// material is what a client is made of, as the Secrets have it.
type material struct {
	credentials airflow.Credentials
	// url is where the credentials may be sent.
	url string
	// ca are the certificates to trust beside those of the system.
	ca []byte
}

// digest changes with everything that a client is made of.
func (m material) digest(url string) string {
	hash := sha256.New()
	for _, part := range []string{url, m.credentials.Username, m.credentials.Password, string(m.ca)} {
		fmt.Fprintf(hash, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// mismatch is the problem of credentials that belong to another address than the spec's; nil where they do not.
func (m material) mismatch(afi *v1alpha1.AirflowInstance) *problem {
	if airflow.SameOrigin(afi.Spec.URL, m.url) {
		return nil
	}
	return stalledBy(v1alpha1.ConditionAuthenticated, v1alpha1.ReasonSecretURLMismatch, fmt.Sprintf(
		"the key url of Secret %q names another address than spec.url: credentials are sent only where their Secret says",
		afi.Spec.Credentials.SecretRef.Name))
}
