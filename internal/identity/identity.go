// Package identity proves that the API server checks the names on AccessRequests: who requests, and who votes. The check
// is a ValidatingAdmissionPolicy. It is proved by what the API server stores and by what it does, never assumed.
package identity

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// ErrNotProved says that names on a request may be false. The text of the error says what is missing, and what to do, on one
// line without times. Every other error of Prove says that the API server did not answer.
var ErrNotProved = errors.New("the API server is not proved to check names on AccessRequests")

const (
	// DefaultPolicy is the name of the policy and of its binding in config/admission.
	DefaultPolicy = "airflow-oam-identity"
	// Lead is how much older than a request the policy and its binding must be: an API server applies them a second after
	// they were created.
	Lead = 3 * time.Second
	// Validity is how long a proof is used again.
	Validity = time.Minute
	// deadline bounds all calls of one proof.
	deadline = 10 * time.Second
)

// Client is the part of a client that a proof needs. Get must ask the API server: a cache would need the right to list
// admission policies.
type Client interface {
	Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error
	Create(ctx context.Context, object client.Object, options ...client.CreateOption) error
	Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.PatchOption) error
}

// Prover proves, for one request after another. It may be used by several goroutines.
type Prover struct {
	api   Client
	clock clock.PassiveClock
	// name of the policy and of its binding.
	name string

	mu        sync.Mutex
	installed installation
	proved    map[version]time.Time
}

// version is one content of one request.
type version struct {
	uid        types.UID
	generation int64
}

// New returns a Prover for the policy of that name, and the binding of the same name.
func New(api Client, clock clock.PassiveClock, name string) *Prover {
	return &Prover{api: api, clock: clock, name: name, proved: map[version]time.Time{}}
}

// Prove returns nil if the names on a request, as it was read, are proved to be true: the policy and its binding are those
// of this program and older than the request, and the API server applies them to this request. A withdrawn request needs no
// proof, since nothing on it has an effect.
func (p *Prover) Prove(ctx context.Context, request *v1alpha1.AccessRequest) error {
	if request.Spec.Withdrawn {
		return nil
	}
	of := version{request.UID, request.Generation}
	if p.known(of) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	installed, err := p.installation(ctx)
	if err != nil {
		return err
	}
	if request.CreationTimestamp.Sub(installed.since) < Lead {
		return p.missing("is not older than this request, so that nothing checked its names: create the request again, a few seconds after the policy")
	}
	if err := p.probe(ctx, request, installed.operator); err != nil {
		return err
	}
	p.remember(of)
	return nil
}

// known reports whether this version of a request was proved a short time ago.
func (p *Prover) known(of version) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	until, found := p.proved[of]
	return found && p.clock.Now().Before(until)
}

// remember stores a proof, and forgets those that are not valid any more: their number is bounded by the proofs of a minute.
func (p *Prover) remember(of version) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	for other, until := range p.proved {
		if !now.Before(until) {
			delete(p.proved, other)
		}
	}
	p.proved[of] = now.Add(Validity)
}

// installation reads what is installed, at most once in Validity while it is as it must be.
func (p *Prover) installation(ctx context.Context) (installation, error) {
	p.mu.Lock()
	stored := p.installed
	p.mu.Unlock()
	if p.clock.Now().Before(stored.until) {
		return stored, nil
	}
	review := &authenticationv1.SelfSubjectReview{}
	if err := p.api.Create(ctx, review); err != nil {
		return installation{}, fmt.Errorf("ask the API server for the operator's own name: %w", err)
	}
	found, err := p.read(ctx, review.Status.UserInfo.Username)
	if err != nil {
		return installation{}, err
	}
	found.until = p.clock.Now().Add(Validity)
	p.mu.Lock()
	p.installed = found
	p.mu.Unlock()
	return found, nil
}

// missing is ErrNotProved with what the policy lacks.
func (p *Prover) missing(what string) error {
	return fmt.Errorf("%w: ValidatingAdmissionPolicy %s %s", ErrNotProved, p.name, what)
}

// maxAnswer bounds what of an unexpected answer is shown.
const maxAnswer = 200

// probe writes a lie, in a dry run: the operator withdraws the request of another user. The API server must refuse it by the
// policy, and for nothing else.
func (p *Prover) probe(ctx context.Context, request *v1alpha1.AccessRequest, operator string) error {
	if request.Spec.Requester == operator {
		return fmt.Errorf("%w: %s requests for itself, so that nothing distinguishes the requester from the operator: request with another account",
			ErrNotProved, text.Quoted(operator))
	}
	lie := fmt.Appendf(nil, `{"metadata":{"uid":%q},"spec":{"withdrawn":true}}`, request.UID)
	err := p.api.Patch(ctx, request.DeepCopy(), client.RawPatch(types.MergePatchType, lie), client.DryRunAll)
	if err == nil {
		return p.missing("is not applied to this request, the API server accepts a false name: check its binding, and that this is Kubernetes 1.31 or newer")
	}
	var answer apierrors.APIStatus
	if !errors.As(err, &answer) {
		return fmt.Errorf("try to withdraw the request: %w", err)
	}
	status := answer.Status()
	if status.Code == http.StatusForbidden && status.Details != nil && len(status.Details.Causes) > 0 &&
		strings.HasPrefix(status.Details.Causes[0].Message, "ValidatingAdmissionPolicy '"+p.name+"' with binding") {
		return nil
	}
	switch status.Code {
	case http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusBadRequest:
		return p.missing("is not what refused a false name on this request. Remove the cause, or create the request again: " +
			text.Cut(text.Plain(status.Message), maxAnswer))
	}
	return fmt.Errorf("try to withdraw the request: %w", err)
}
