package controllers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/actuator"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/metrics"
)

// assumedCacheTTL is Airflow's default of [fab] cache_ttl.
const assumedCacheTTL = 30 * time.Second

// connection is what is kept in memory of one instance: the client, what was found out about the server, and when it
// was looked at. One goroutine at a time uses it: the one that reconciles the instance.
type connection struct {
	uid      types.UID
	client   *airflow.Client
	actuator *actuator.Actuator
	// endpoint and digest say what the client was made of; problem is what was wrong when the Secrets were read last, at
	// readAt for the generation readFor. They are read again every dagInterval, and at once when Airflow refused them.
	endpoint, digest string
	problem          *trouble
	readAt           time.Time
	readFor          int64
	refused          bool

	server    airflow.Server
	probed    airflow.Server       // as its version told, when it was tried
	found     airflow.Capabilities // what came of that
	account   string
	checkedAt time.Time

	lastFull, lastDags time.Time
	nextFull           time.Duration // the jittered interval
	failures           int
	served             map[types.UID]int64 // generations of policies at the end of the last pass that did everything
	taken              map[types.UID]int64 // and of the last one that took everything away that should go
	notBefore          time.Time           // Retry-After of the server
	asked              string              // last value of the reconcile-at annotation that was served
	generation         int64               // of the spec that was compared in full last
	first              bool                // the object is to be read past the cache: at the start and after a conflict
	caughtUp           bool                // the cache was seen to hold what the API server held
	behindSince        time.Time           // when it was first seen not to

	told     map[string]string // drift that is not repaired and was told: its key, and what it is
	unstored []access.Drift    // drift that was told and could not be stored yet

	skew     Skew
	requests atomic.Int64
}

// material is what a client is made of, as the Secrets hold it.
type material struct {
	credentials airflow.Credentials
	// url is where the credentials may be sent.
	url string
	ca  []byte
}

// digest changes with everything that a client is made of.
func (m material) digest(url string) string {
	hash := sha256.New()
	for _, part := range []string{url, m.credentials.Username, m.credentials.Password, string(m.ca)} {
		fmt.Fprintf(hash, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// connect gives the instance's connection, with a client that is made of what the spec and the Secrets hold now. While
// the Secret is missing or wrong, the last good credentials in memory serve on and the problem is returned beside it.
// Where another instance governs what the spec names (taken), the Airflow in which this one gave access is served.
func (r *InstanceReconciler) connect(ctx context.Context, afi *v1alpha1.AirflowInstance, taken bool) (*connection, *trouble) {
	key := types.NamespacedName{Namespace: afi.Namespace, Name: afi.Name}
	conn := r.connection(key, afi.UID)
	now := r.Clock.Now()
	if conn.client != nil && !conn.refused && conn.readFor == afi.Generation && now.Sub(conn.readAt) < afi.Spec.DagInterval.Duration {
		return conn, conn.problem
	}
	var found material
	found, conn.problem = r.readMaterial(ctx, afi)
	conn.readAt, conn.readFor, conn.refused = now, afi.Generation, false
	if conn.problem != nil {
		return conn, conn.problem
	}
	conn.problem = r.renew(ctx, key, afi, conn, found, taken)
	return conn, conn.problem
}

// renew makes a new client where the material is not what the present one was made of. Credentials are sent only where
// their Secret says; while that is not the Airflow of the spec but still the one where access was given, endings go on.
func (r *InstanceReconciler) renew(ctx context.Context, key types.NamespacedName, afi *v1alpha1.AirflowInstance, conn *connection, found material, taken bool) *trouble {
	url, problem := afi.Spec.URL, (*trouble)(nil)
	if !airflow.SameOrigin(url, found.url) {
		problem = &trouble{condition: v1alpha1.ConditionAuthenticated, reason: v1alpha1.ReasonSecretURLMismatch, stalled: true,
			message: fmt.Sprintf("the key url of Secret %q names another address than spec.url: credentials are sent only where their Secret says", afi.Spec.Credentials.SecretRef.Name)}
	}
	if taken || problem != nil {
		if url = afi.Status.Endpoint; len(afi.Status.ManagedRoles) == 0 || !airflow.SameOrigin(url, found.url) {
			return problem
		}
	}
	digest := found.digest(url)
	if conn.client != nil && conn.digest == digest {
		return problem
	}
	client, err := airflow.New(airflow.Config{
		URL: url, Credentials: found.credentials, CABundle: found.ca,
		AllowHTTPHosts: r.AllowHTTPHosts, AllowedAddresses: r.AllowedAddresses, Clock: r.Clock,
		Observer: r.observer(key, conn),
	})
	if err != nil {
		return connectTrouble(err)
	}
	if missing := r.moved(ctx, afi, client); missing != nil {
		client.Close()
		return missing
	}
	if conn.client != nil {
		conn.client.Close()
	}
	if conn.actuator == nil || conn.endpoint != client.URL() {
		conn.actuator = actuator.New(client, r.Clock, actuator.Options{Concurrency: r.Concurrency})
		conn.lastFull, conn.lastDags = time.Time{}, time.Time{}
		conn.recall(afi, client.URL())
	} else {
		conn.actuator.Use(client)
	}
	conn.client, conn.endpoint, conn.digest = client, client.URL(), digest
	conn.checkedAt, conn.notBefore, conn.failures = time.Time{}, time.Time{}, 0
	return problem
}

// recall takes from the status what was known of the server at an address, until it is looked at.
func (c *connection) recall(afi *v1alpha1.AirflowInstance, endpoint string) {
	c.account, c.server, c.probed, c.found = "", airflow.Server{}, airflow.Server{}, airflow.Capabilities{}
	if st := afi.Status; airflow.SameOrigin(st.Endpoint, endpoint) {
		c.account = st.Account
		if st.Airflow != nil {
			c.server = serverOf(st.Airflow, st.Capabilities)
		}
	}
}

// connection finds or makes the memory of an instance. A re-created instance starts anew.
func (r *InstanceReconciler) connection(key types.NamespacedName, uid types.UID) *connection {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.connections == nil {
		r.connections = map[types.NamespacedName]*connection{}
	}
	conn := r.connections[key]
	if conn == nil || conn.uid != uid {
		if conn != nil && conn.client != nil {
			conn.client.Close()
		}
		conn = &connection{uid: uid, first: true}
		r.connections[key] = conn
	}
	return conn
}

func (r *InstanceReconciler) disconnect(key types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if conn := r.connections[key]; conn != nil && conn.client != nil {
		conn.client.Close()
	}
	delete(r.connections, key)
	metrics.ForgetInstance(key.String())
}

// observer counts requests and measures the clock of the server.
func (r *InstanceReconciler) observer(key types.NamespacedName, conn *connection) airflow.Observer {
	name := key.String()
	return func(e airflow.Exchange) {
		conn.requests.Add(1)
		conn.skew.Observe(e.ServerDate, e.Received)
		metrics.ObserveRequest(name, e.Endpoint, e.Method, e.Status, string(e.Cause), e.Duration)
	}
}

// readMaterial reads the Secrets, uncached: the operator may get the ones it is told about, and list none.
func (r *InstanceReconciler) readMaterial(ctx context.Context, afi *v1alpha1.AirflowInstance) (material, *trouble) {
	name := afi.Spec.Credentials.SecretRef.Name
	secret, problem := r.readSecret(ctx, afi.Namespace, name, "the keys username, password and url")
	if problem != nil {
		return material{}, problem
	}
	for _, key := range []string{"username", "password", "url"} {
		if len(secret.Data[key]) == 0 {
			return material{}, &trouble{condition: v1alpha1.ConditionAuthenticated, reason: v1alpha1.ReasonSecretInvalid, stalled: true,
				message: fmt.Sprintf("Secret %q has no key %q: it needs username, password and url", name, key)}
		}
	}
	m := material{
		credentials: airflow.Credentials{Username: string(secret.Data["username"]), Password: string(secret.Data["password"])},
		url:         string(secret.Data["url"]),
	}
	if tls := afi.Spec.TLS; tls != nil {
		ca, problem := r.readSecret(ctx, afi.Namespace, tls.CASecretRef.Name, fmt.Sprintf("the certificates to trust in the key %q", tls.CASecretRef.Key))
		if problem != nil {
			return material{}, problem
		}
		if m.ca = ca.Data[tls.CASecretRef.Key]; len(m.ca) == 0 {
			return material{}, &trouble{condition: v1alpha1.ConditionReachable, reason: v1alpha1.ReasonSecretInvalid, stalled: true,
				message: fmt.Sprintf("Secret %q has no key %q with the certificates to trust", tls.CASecretRef.Name, tls.CASecretRef.Key)}
		}
	}
	return m, nil
}

func (r *InstanceReconciler) readSecret(ctx context.Context, namespace, name, content string) (*corev1.Secret, *trouble) {
	secret := &corev1.Secret{}
	err := r.APIReader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, secret)
	switch {
	case err == nil:
		return secret, nil
	case apierrors.IsNotFound(err):
		return nil, &trouble{condition: v1alpha1.ConditionAuthenticated, reason: v1alpha1.ReasonSecretNotFound,
			message: fmt.Sprintf("Secret %q does not exist in namespace %s: create it with %s", name, namespace, content)}
	case apierrors.IsForbidden(err):
		return nil, &trouble{condition: v1alpha1.ConditionAuthenticated, reason: v1alpha1.ReasonSecretForbidden,
			message: fmt.Sprintf("the operator may not read Secret %q: list namespace %s in the chart's value instanceNamespaces", name, namespace)}
	default:
		log.FromContext(ctx).Error(err, "a Secret could not be read; it is tried again", "secret", name)
		return nil, &trouble{condition: v1alpha1.ConditionAuthenticated, reason: v1alpha1.ReasonKubernetesFailed,
			message: fmt.Sprintf("Secret %q cannot be read now; it is tried again", name)}
	}
}

// moved refuses a changed address where the managed roles are not found: they would be left behind in the old Airflow.
func (r *InstanceReconciler) moved(ctx context.Context, afi *v1alpha1.AirflowInstance, client *airflow.Client) *trouble {
	old := afi.Status.Endpoint
	if old == "" || airflow.SameOrigin(old, client.URL()) || len(afi.Status.ManagedRoles) == 0 {
		return nil
	}
	roles, err := client.Roles(ctx)
	if err != nil {
		return connectTrouble(err)
	}
	there := make(map[string]bool, len(roles.Items))
	for _, role := range roles.Items {
		there[role.Name] = true
	}
	for _, entry := range afi.Status.ManagedRoles {
		if !there[entry.Name] {
			return &trouble{condition: v1alpha1.ConditionReady, reason: v1alpha1.ReasonEndpointChanged, stalled: true,
				message: fmt.Sprintf("spec.url changed, and role %q of %s is not found at the new address: set the old url again, or give the old Airflow up with deletion: Abandon and create another AirflowInstance",
					entry.Name, old)}
		}
	}
	return nil
}

// untold gives the drift that was not told before. What is not repaired is found again in every pass.
func (c *connection) untold(found []access.Drift) []access.Drift {
	var out []access.Drift
	told := map[string]string{}
	for _, d := range found {
		if !d.Repaired {
			told[d.Key] = d.What
		}
		if d.Repaired || c.told[d.Key] != d.What {
			out = append(out, d)
		}
	}
	c.told = told
	return out
}

// throttled says that the server asked to be left alone for a while.
func (c *connection) throttled() *trouble {
	found := reactions[airflow.CauseThrottled]
	return &trouble{condition: found.condition, reason: found.reason, message: found.remedy}
}

// fell counts a pass that failed. One that brought something about is the first in a row: it works, if only now and then.
func (c *connection) fell(works bool) {
	if works {
		c.failures = 0
	}
	c.failures++
}

// serve notes which policies a pass brought about, as far as it might.
func (c *connection) serve(report *actuator.Report, limited bool) {
	c.taken = make(map[types.UID]int64, len(report.Policies))
	for _, policy := range report.Policies {
		c.taken[policy.UID] = policy.Generation
	}
	if !limited {
		c.served, c.failures = c.taken, 0
	}
}

// keep keeps drift that was told until it can be stored: no later pass finds it again.
func (c *connection) keep(drift []access.Drift) {
	c.unstored = append(slices.Clone(drift), c.unstored...)
	c.unstored = c.unstored[:min(len(c.unstored), maxDrift)]
}
