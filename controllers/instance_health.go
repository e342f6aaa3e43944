package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/actuator"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

// trouble is why an instance cannot be governed now: which condition is False, why, and what to do about it.
type trouble struct {
	condition, reason, message string
	// stalled: only a change by a person helps. Otherwise it is tried again.
	stalled bool
	// credentials: the Secret is worth reading again.
	credentials bool
	// wait is how long the server asks to be left alone.
	wait time.Duration
}

// reaction says what a cause of failure means for an instance.
type reaction struct {
	condition, reason, remedy string
	stalled, credentials      bool
}

// reactions is the one table of causes. What is not in it is Unreachable.
var reactions = map[airflow.Cause]reaction{
	airflow.CauseUnauthorized: {condition: v1alpha1.ConditionAuthenticated, reason: v1alpha1.ReasonBadCredentials, credentials: true,
		remedy: "Airflow refuses the user name or password in the Secret: correct the Secret, or reset the account's password in Airflow"},
	airflow.CauseForbidden: {condition: v1alpha1.ConditionAuthenticated, reason: v1alpha1.ReasonMissingPermissions, credentials: true,
		remedy: "give the operator's Airflow account the permissions that it lacks (docs/airflow.md lists them)"},
	airflow.CauseThrottled: {condition: v1alpha1.ConditionReachable, reason: v1alpha1.ReasonThrottled,
		remedy: "Airflow asks for fewer requests; waiting"},
	airflow.CauseNotAirflow: {condition: v1alpha1.ConditionCompatible, reason: v1alpha1.ReasonNotAirflow,
		remedy: "the address does not answer like Airflow's API: check spec.url, its path prefix, and login pages or proxies in between"},
	airflow.CauseTLS: {condition: v1alpha1.ConditionReachable, reason: v1alpha1.ReasonTLSFailed,
		remedy: "the server's certificate is not trusted: set spec.tls.caSecretRef, or correct the certificate"},
	airflow.CauseBlockedAddress: {condition: v1alpha1.ConditionReachable, reason: v1alpha1.ReasonAddressBlocked, stalled: true,
		remedy: "the address is loopback, link-local or of a metadata service: such addresses are called only where the operator is started with --allow-address"},
	airflow.CauseUnsupported: {condition: v1alpha1.ConditionCompatible, reason: v1alpha1.ReasonUnsupportedVersion, stalled: true,
		remedy: "this Airflow cannot be governed: docs/airflow.md lists the versions that can"},
	airflow.CauseInvalid: {condition: v1alpha1.ConditionReachable, reason: v1alpha1.ReasonInvalidURL, stalled: true,
		remedy: "correct spec.url, or the keys of the Secrets"},
}

// connectTrouble says what an error of the client means for an instance.
func connectTrouble(err error) *trouble {
	if refused := apierrors.APIStatus(nil); errors.As(err, &refused) {
		return &trouble{condition: v1alpha1.ConditionInSync, reason: v1alpha1.ReasonKubernetesFailed,
			message: "the Kubernetes API did not take a write or answer a read: " + string(refused.Status().Reason)}
	}
	if errors.Is(err, actuator.ErrListShifted) {
		return &trouble{condition: v1alpha1.ConditionInSync, reason: v1alpha1.ReasonListShifted, message: err.Error()}
	}
	if airflow.CauseOf(err) == "" { // not of the client: only the API server was asked beside it
		return &trouble{condition: v1alpha1.ConditionInSync, reason: v1alpha1.ReasonKubernetesFailed,
			message: "the Kubernetes API does not answer; it is tried again"}
	}
	found, ok := reactions[airflow.CauseOf(err)]
	if !ok {
		found = reaction{condition: v1alpha1.ConditionReachable, reason: v1alpha1.ReasonUnreachable,
			remedy: "Airflow does not answer: check spec.url, the network and the server"}
	}
	t := &trouble{condition: found.condition, reason: found.reason, stalled: found.stalled, credentials: found.credentials,
		message: found.remedy + " (" + err.Error() + ")"}
	if wait, ok := airflow.RetryAfter(err); ok {
		t.wait = wait
	}
	return t
}

// passTrouble says what an error of a pass means for an instance. What is invalid there is no setting of the instance.
func passTrouble(err error) *trouble {
	if airflow.IsInvalid(err) {
		return &trouble{condition: v1alpha1.ConditionInSync, reason: v1alpha1.ReasonStepsFailed,
			message: "Airflow holds, or was asked for, something that its API cannot take (" + err.Error() + ")"}
	}
	return connectTrouble(err)
}

// check finds out what server this is and what its account may do. What comes due meanwhile does not wait for all of it.
func (r *InstanceReconciler) check(ctx context.Context, s *instanceScope) *trouble {
	afi, conn, now := s.afi, s.conn, r.Clock.Now()
	server, err := conn.client.Discover(ctx)
	if err != nil {
		// What was known of this version before is still so, and which provider it has decides what is done.
		if server.Version != "" && server.Version != conn.server.Version {
			conn.server = server
		}
		return connectTrouble(err)
	}
	conn.server = server
	if problem := compatible(server); problem != nil {
		return problem
	}
	r.takeLate(ctx, s, now)
	if err := conn.client.CheckAccount(ctx); err != nil {
		problem := connectTrouble(err)
		if missing, ok := airflow.MissingPermissions(err); ok {
			names := make([]string, 0, len(missing))
			for _, p := range missing {
				names = append(names, p.String())
			}
			problem.message = "give the operator's Airflow account: " + strings.Join(names, ", ")
		}
		return problem
	}
	r.takeLate(ctx, s, now)
	account, err := conn.client.Account(ctx)
	if err != nil {
		return connectTrouble(err)
	}
	if afi.Spec.Mode == v1alpha1.ModeEnforce && afi.DeletionTimestamp.IsZero() {
		if err := conn.probe(ctx); err != nil {
			return connectTrouble(err)
		}
	}
	conn.account, conn.checkedAt = account.Username, now
	return nil
}

// checked says whether the server was looked at within the interval.
func (c *connection) checked(afi *v1alpha1.AirflowInstance, now time.Time) bool {
	return !c.checkedAt.IsZero() && now.Sub(c.checkedAt) < afi.Spec.Interval.Duration
}

// probe finds out by trying what the server can do where its version does not tell: once for a version. Where somebody
// has a role of the probe's name, what does no harm when it is wrong is taken.
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

// compatible says whether a server can be governed.
func compatible(server airflow.Server) *trouble {
	switch {
	case server.AuthManager == airflow.AuthManagerSimple:
		return &trouble{condition: v1alpha1.ConditionCompatible, reason: v1alpha1.ReasonUnsupportedAuthManager, stalled: true,
			message: "this Airflow uses SimpleAuthManager, which has no roles to govern: set [core] auth_manager to the FAB auth manager"}
	case server.AuthManager != airflow.AuthManagerFAB:
		return &trouble{condition: v1alpha1.ConditionCompatible, reason: v1alpha1.ReasonUnsupportedAuthManager, stalled: true,
			message: "this Airflow does not use the FAB auth manager: set [core] auth_manager to it"}
	case server.FABProvider == "":
		return &trouble{condition: v1alpha1.ConditionCompatible, reason: v1alpha1.ReasonUnsupportedVersion, stalled: true,
			message: "this Airflow does not list the provider apache-airflow-providers-fab, so that it is not known what it can do: install it as a package"}
	case !server.Supported():
		return &trouble{condition: v1alpha1.ConditionCompatible, reason: v1alpha1.ReasonUnsupportedVersion, stalled: true,
			message: fmt.Sprintf("Airflow %s with the fab provider %s cannot be governed: upgrade to a version that docs/airflow.md lists", server.Version, server.FABProvider)}
	case server.Capabilities.Users == airflow.Fails:
		return &trouble{condition: v1alpha1.ConditionCompatible, reason: v1alpha1.ReasonUnsupportedVersion, stalled: true,
			message: fmt.Sprintf("the fab provider %s answers every call on users with an error, although it writes: nothing can be proved; upgrade apache-airflow-providers-fab to 3.8.1 or newer", server.FABProvider)}
	}
	return nil
}

// skewed says whether clocks are too far apart to give anything.
func (r *InstanceReconciler) skewed(conn *connection) *trouble {
	for _, other := range []struct {
		name  string
		ahead time.Duration
	}{{"Airflow", conn.skew.Ahead(r.Clock)}, {"the Kubernetes API server", r.KubernetesClock.Ahead(r.Clock)}} {
		if other.ahead.Abs() > maxSkew {
			return &trouble{condition: v1alpha1.ConditionInSync, reason: v1alpha1.ReasonClockSkew,
				message: "the clock of " + other.name + " differs from the operator's by more than a minute: nothing is given until they agree; endings go on by whichever clock is ahead"}
		}
	}
	return nil
}
