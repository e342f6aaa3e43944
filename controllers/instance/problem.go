package instance

import (
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/controllers/kind"
	"github.com/airflow-oam/airflow-oam/internal/actuator"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

// problem is why an instance cannot be governed now, and what to do about it.
type problem struct {
	// condition is which condition is False for that, and with which reason and message.
	condition, reason, message string
	// outcome is how the operator reacts.
	outcome kind.Outcome
	// wait is for how long the server asked for no requests.
	wait time.Duration
}

// stalledBy is a problem that only a user can solve.
func stalledBy(condition, reason, message string) *problem {
	return &problem{condition: condition, reason: reason, message: message, outcome: kind.OutcomeStalled}
}

// passing is a problem for which a retry may suffice.
func passing(condition, reason, message string) *problem {
	return &problem{condition: condition, reason: reason, message: message, outcome: kind.OutcomeTransient}
}

// first reports whether the problem stays before those that are found after it: only a user can solve it. There may be none.
func (p *problem) first() bool {
	if p == nil {
		return false
	}
	return p.stalled() || p.reason == v1alpha1.ReasonSecretNotFound || p.reason == v1alpha1.ReasonSecretForbidden
}

// credentials reports whether Airflow, or the source of a token, refused the operator. There may be none.
func (p *problem) credentials() bool { return p != nil && p.outcome == kind.OutcomeCredentials }

// stalled reports whether only a user can solve the problem. There may be none.
func (p *problem) stalled() bool { return p != nil && p.outcome == kind.OutcomeStalled }

// of reports whether the problem is about a condition. There may be none.
func (p *problem) of(condition string) bool { return p != nil && p.condition == condition }

// remedy is a row of the table of causes: what a cause of a failed request means for an instance, and what a user can do.
type remedy struct {
	condition, reason string
	outcome           kind.Outcome
	text              string
}

// remedies has the causes that the client distinguishes. A cause that is not here is unreachable.
var remedies = map[airflow.Cause]remedy{
	airflow.CauseUnauthorized: {v1alpha1.ConditionAuthenticated, v1alpha1.ReasonBadCredentials, kind.OutcomeCredentials,
		"Airflow refuses the operator's credentials: correct the Secret or the source of the token, or the account in Airflow"},
	airflow.CauseNoToken: {v1alpha1.ConditionAuthenticated, v1alpha1.ReasonTokenUnavailable, kind.OutcomeCredentials,
		"there is no token for the operator's account: correct spec.credentials or what it names"},
	airflow.CauseForbidden: {v1alpha1.ConditionAuthenticated, v1alpha1.ReasonMissingPermissions, kind.OutcomeDenied,
		"grant the operator's Airflow account the permissions that it lacks (docs/airflow.md lists them)"},
	airflow.CauseThrottled: {v1alpha1.ConditionReachable, v1alpha1.ReasonThrottled, kind.OutcomeThrottled,
		"Airflow asks for fewer requests; waiting"},
	airflow.CauseNotAirflow: {v1alpha1.ConditionCompatible, v1alpha1.ReasonNotAirflow, kind.OutcomeTransient,
		"the address does not answer like Airflow's API: check spec.url, its path prefix, and login pages or proxies in between"},
	airflow.CauseProxy: {v1alpha1.ConditionReachable, v1alpha1.ReasonProxyInFront, kind.OutcomeTransient,
		"something in front of Airflow refused the operator's call: let it pass, or set spec.url to an address behind it"},
	airflow.CauseTLS: {v1alpha1.ConditionReachable, v1alpha1.ReasonTLSFailed, kind.OutcomeTransient,
		"the server's certificate is not trusted: set spec.tls.caSecretRef, or correct the certificate"},
	airflow.CauseBlockedAddress: {v1alpha1.ConditionReachable, v1alpha1.ReasonAddressBlocked, kind.OutcomeStalled,
		"the address is loopback, link-local or of a metadata service: such addresses are called only where the operator is started with --allow-address"},
	airflow.CauseUnsupported: {v1alpha1.ConditionCompatible, v1alpha1.ReasonUnsupportedVersion, kind.OutcomeStalled,
		"this Airflow cannot be governed: docs/airflow.md lists the versions that can"},
	airflow.CauseInvalid: {v1alpha1.ConditionReachable, v1alpha1.ReasonInvalidURL, kind.OutcomeStalled,
		"correct spec.url"},
}

// finer are failures that are told apart within a cause, because a user can do something else about them.
var finer = []struct {
	is func(error) bool
	remedy
}{
	{airflow.NeedsClientCertificate, remedy{v1alpha1.ConditionReachable, v1alpha1.ReasonTLSFailed, kind.OutcomeTransient,
		"the server asks for a client certificate: set spec.tls.clientSecretRef to a certificate that it accepts"}},
	{airflow.PasswordLoginDisabled, remedy{v1alpha1.ConditionAuthenticated, v1alpha1.ReasonPasswordLoginDisabled, kind.OutcomeCredentials,
		"Airflow gives no token for this password, and its users sign in without one: from fab 3.11 on it accepts no password then, so" +
			" set spec.credentials.type to Exchange (docs/airflow.md#signing-in); up to fab 3.10, correct the password in the Secret"}},
	{airflow.ExchangeDisabled, remedy{v1alpha1.ConditionAuthenticated, v1alpha1.ReasonExchangeDisabled, kind.OutcomeCredentials,
		"this Airflow exchanges no token: install contrib/airflow-auth in it (docs/airflow.md#signing-in), and let no proxy remove the header Authorization"}},
	{refusedCall, remedy{v1alpha1.ConditionCompatible, v1alpha1.ReasonNotAirflow, kind.OutcomeTransient,
		"a call that every Airflow accepts was refused as invalid: check spec.url, its path prefix, and proxies in between"}},
}

// refusedCall reports whether a server refused a call as invalid; otherwise the client did before it called.
func refusedCall(err error) bool {
	_, _, answered := airflow.Answered(err)
	return answered && airflow.IsInvalid(err)
}

// remedyOf is the row of the tables for an error of the client.
func remedyOf(err error) remedy {
	for _, row := range finer {
		if row.is(err) {
			return row.remedy
		}
	}
	if found, known := remedies[airflow.CauseOf(err)]; known {
		return found
	}
	out := unreachable
	if status, call, answered := airflow.Answered(err); answered {
		out.text = fmt.Sprintf("Airflow answered %d to %s: see the log of its API server, and of proxies in between", status, call)
	}
	return out
}

var unreachable = remedy{v1alpha1.ConditionReachable, v1alpha1.ReasonUnreachable, kind.OutcomeTransient,
	"Airflow does not answer: check spec.url, the network and the server"}

// problemOf is what an error of the client means for an instance. An error without a cause is not the client's: beside it
// only the API server was asked.
func problemOf(err error) *problem {
	var refused apierrors.APIStatus
	cause := airflow.CauseOf(err)
	switch {
	case errors.As(err, &refused):
		return passing(v1alpha1.ConditionInSync, v1alpha1.ReasonKubernetesFailed,
			"the Kubernetes API refused a read or a write: "+string(refused.Status().Reason))
	case errors.Is(err, actuator.ErrListShifted):
		return passing(v1alpha1.ConditionInSync, v1alpha1.ReasonListShifted, err.Error())
	case cause == "":
		return passing(v1alpha1.ConditionInSync, v1alpha1.ReasonKubernetesFailed, "the Kubernetes API does not answer; it is retried")
	}
	found := remedyOf(err)
	wait, _ := airflow.RetryAfter(err)
	return &problem{found.condition, found.reason, found.text + " (" + err.Error() + ")", found.outcome, wait}
}

// listProblem is what a list that cannot be read means: Airflow answers, and what needs something new from the list waits.
func listProblem(unread *actuator.ListError) *problem {
	p := unread.Problem()
	return passing(v1alpha1.ConditionInSync, p.Reason, p.Message)
}

// passProblem is what an error of a pass means for an instance. What is invalid there is no setting of the instance.
func passProblem(err error) *problem {
	if unread, one := errors.AsType[*actuator.ListError](err); one {
		return listProblem(unread)
	}
	if airflow.IsInvalid(err) {
		return passing(v1alpha1.ConditionInSync, v1alpha1.ReasonStepsFailed,
			"Airflow stores, or was asked for, something that its API does not accept ("+err.Error()+")")
	}
	return problemOf(err)
}

// accountProblem is what an error of the check of the account means: it names the permissions that are missing.
func accountProblem(err error) *problem {
	p := problemOf(err)
	if missing, known := airflow.MissingPermissions(err); known {
		names := make([]string, 0, len(missing))
		for _, permission := range missing {
			names = append(names, permission.String())
		}
		p.message = "grant the operator's Airflow account: " + strings.Join(names, ", ")
	}
	return p
}

// incompatible is why a server cannot be governed; nil where it can.
func incompatible(server airflow.Server) *problem {
	version := func(format string, args ...any) *problem {
		return stalledBy(v1alpha1.ConditionCompatible, v1alpha1.ReasonUnsupportedVersion, fmt.Sprintf(format, args...))
	}
	switch can := server.Capabilities; {
	case server.AuthManager == airflow.AuthManagerSimple:
		return stalledBy(v1alpha1.ConditionCompatible, v1alpha1.ReasonUnsupportedAuthManager,
			"this Airflow uses SimpleAuthManager, which has no roles to govern: set [core] auth_manager to the FAB auth manager")
	case server.AuthManager != airflow.AuthManagerFAB:
		return stalledBy(v1alpha1.ConditionCompatible, v1alpha1.ReasonUnsupportedAuthManager,
			"this Airflow does not use the FAB auth manager: set [core] auth_manager to it")
	case server.FABProvider == "":
		return version("this Airflow does not list the provider apache-airflow-providers-fab, which determines what it can do: install it as a package")
	case !server.Supported():
		return version("Airflow %s with the fab provider %s cannot be governed: upgrade to a version that docs/airflow.md lists", server.Version, server.FABProvider)
	case can.Users == airflow.Fails:
		return version("the fab provider %s answers every call on users with an error, although it writes, so that nothing can be confirmed: upgrade apache-airflow-providers-fab to 3.8.1 or newer", server.FABProvider)
	case can.RoleUpdate == airflow.RoleUpdateRefused:
		return version("the fab provider %s refuses every change of a role: upgrade apache-airflow-providers-fab to 3.8.1 or newer", server.FABProvider)
	}
	return nil
}

// about is the same problem of another condition.
func (p *problem) about(condition string) *problem {
	p.condition = condition
	return p
}
