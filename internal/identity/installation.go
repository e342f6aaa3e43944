package identity

import (
	"context"
	"fmt"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/airflow-oam/airflow-oam/config/admission"
)

// installation is the policy and its binding as the API server stores them, when they are as they must be.
type installation struct {
	// operator is the user name of the operator.
	operator string
	// since is when the younger of both objects was created.
	since time.Time
	// until is how long this is believed.
	until time.Time
}

const reinstall = "install the admission policies of this release again (config/admission, or the chart with admission.enabled)"

// read compares the policy and its binding with those of this program.
func (p *Prover) read(ctx context.Context, operator string) (installation, error) {
	policy, binding, err := Expected(p.name, operator)
	if err != nil {
		return installation{}, err
	}
	storedPolicy := &admissionv1.ValidatingAdmissionPolicy{}
	if err := p.get(ctx, "ValidatingAdmissionPolicy", storedPolicy); err != nil {
		return installation{}, err
	}
	storedBinding := &admissionv1.ValidatingAdmissionPolicyBinding{}
	if err := p.get(ctx, "ValidatingAdmissionPolicyBinding", storedBinding); err != nil {
		return installation{}, err
	}
	switch {
	case storedPolicy.DeletionTimestamp != nil || storedBinding.DeletionTimestamp != nil:
		return installation{}, p.missing("or its binding is being deleted: " + reinstall)
	case !equality.Semantic.DeepEqual(policy.Spec, storedPolicy.Spec):
		return installation{}, p.missing("differs from the one of this release, or names another ServiceAccount than " + operator + ": " + reinstall)
	case !equality.Semantic.DeepEqual(binding.Spec, storedBinding.Spec):
		return installation{}, p.missing("is not bound with validationActions [Deny] to every request: " + reinstall)
	}
	since := storedPolicy.CreationTimestamp.Time
	if later := storedBinding.CreationTimestamp.Time; later.After(since) {
		since = later
	}
	return installation{operator: operator, since: since}, nil
}

// get reads one of both objects.
func (p *Prover) get(ctx context.Context, kind string, object client.Object) error {
	err := p.api.Get(ctx, client.ObjectKey{Name: p.name}, object)
	switch {
	case err == nil:
		return nil
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%w: there is no %s %s: %s", ErrNotProved, kind, p.name, reinstall)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%w: the operator may not get the %s %s: add this right to its ClusterRole", ErrNotProved, kind, p.name)
	}
	return fmt.Errorf("get the %s %s: %w", kind, p.name, err)
}

// Expected returns the policy and the binding of this program as an API server stores them, under another name and for
// another operator.
func Expected(name, operator string) (*admissionv1.ValidatingAdmissionPolicy, *admissionv1.ValidatingAdmissionPolicyBinding, error) {
	policy, binding := &admissionv1.ValidatingAdmissionPolicy{}, &admissionv1.ValidatingAdmissionPolicyBinding{}
	first, second, found := strings.Cut(string(admission.Identity), "\n---\n")
	if !found {
		return nil, nil, fmt.Errorf("%w: the program has no binding", ErrNotProved)
	}
	if err := yaml.UnmarshalStrict([]byte(first), policy); err != nil {
		return nil, nil, fmt.Errorf("read the policy of the program: %w", err)
	}
	if err := yaml.UnmarshalStrict([]byte(second), binding); err != nil {
		return nil, nil, fmt.Errorf("read the binding of the program: %w", err)
	}
	policy.Name, binding.Name, binding.Spec.PolicyName = name, name, name
	for i := range policy.Spec.Variables {
		expression := &policy.Spec.Variables[i].Expression
		*expression = strings.ReplaceAll(*expression, admission.Operator, operator)
	}
	// The defaults of the API server.
	constraints := policy.Spec.MatchConstraints
	constraints.MatchPolicy = ptr.To(admissionv1.Equivalent)
	constraints.NamespaceSelector, constraints.ObjectSelector = &metav1.LabelSelector{}, &metav1.LabelSelector{}
	return policy, binding, nil
}
