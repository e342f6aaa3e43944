package identity_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/identity"
)

const name, account = "oam-identity", "system:serviceaccount:oam:oam"

var start = time.Date(2026, 11, 23, 18, 0, 0, 0, time.UTC)

// server answers as an API server with the policies of this program, and counts what it is asked.
type server struct {
	answer        error
	reads, probes int
}

func (s *server) Get(_ context.Context, _ client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	s.reads++
	policy, binding, err := identity.Expected(name, account)
	if err != nil {
		return err
	}
	policy.CreationTimestamp, binding.CreationTimestamp = metav1.NewTime(start), metav1.NewTime(start)
	switch into := object.(type) {
	case *admissionv1.ValidatingAdmissionPolicy:
		*into = *policy
	case *admissionv1.ValidatingAdmissionPolicyBinding:
		*into = *binding
	}
	return nil
}

func (s *server) Create(_ context.Context, object client.Object, _ ...client.CreateOption) error {
	object.(*authenticationv1.SelfSubjectReview).Status.UserInfo.Username = account
	return nil
}

func (s *server) Patch(context.Context, client.Object, client.Patch, ...client.PatchOption) error {
	s.probes++
	return s.answer
}

// refusal is an answer of the API server.
func refusal(code int32, messages ...string) error {
	details := &metav1.StatusDetails{}
	for _, message := range messages {
		details.Causes = append(details.Causes, metav1.StatusCause{Message: message})
	}
	return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: code, Message: "refused:\n" + strings.Repeat("x", 5000), Details: details}}
}

const ours = "ValidatingAdmissionPolicy 'oam-identity' with binding 'oam-identity' denied request: no"

func request(age time.Duration) *v1alpha1.AccessRequest {
	return &v1alpha1.AccessRequest{
		ObjectMeta: metav1.ObjectMeta{Name: "r", Namespace: "n", UID: "u", Generation: 1, CreationTimestamp: metav1.NewTime(start.Add(age))},
		Spec:       v1alpha1.AccessRequestSpec{Requester: "alice"},
	}
}

func TestProveJudgesWhatTheAPIServerAnswers(t *testing.T) {
	down := errors.New("connection refused")
	own := request(time.Hour)
	own.Spec.Requester = account
	for what, test := range map[string]struct {
		request          *v1alpha1.AccessRequest
		answer           error
		proved, unproved bool
	}{
		"refused by the policy":         {request(identity.Lead), refusal(http.StatusForbidden, ours), true, false},
		"a request that is as old":      {request(identity.Lead - time.Second), refusal(http.StatusForbidden, ours), false, true},
		"accepted":                      {request(time.Hour), nil, false, true},
		"refused by another policy":     {request(time.Hour), refusal(http.StatusForbidden, strings.ReplaceAll(ours, "oam-identity", "x")), false, true},
		"refused by RBAC":               {request(time.Hour), refusal(http.StatusForbidden), false, true},
		"refused by the schema":         {request(time.Hour), refusal(http.StatusUnprocessableEntity, ours), false, true},
		"the API server is overloaded":  {request(time.Hour), refusal(http.StatusTooManyRequests), false, false},
		"the API server is not reached": {request(time.Hour), down, false, false},
		"the operator's own request":    {own, refusal(http.StatusForbidden, ours), false, true},
		"a policy whose name begins so": {request(time.Hour), refusal(http.StatusForbidden, strings.ReplaceAll(ours, "'oam-identity'", "'oam-identity-2'")), false, true},
	} {
		t.Run(what, func(t *testing.T) {
			err := identity.New(&server{answer: test.answer}, testclock.NewFakePassiveClock(start), name).Prove(t.Context(), test.request)
			if (err == nil) != test.proved || errors.Is(err, identity.ErrNotProved) != test.unproved {
				t.Fatalf("error = %v", err)
			}
			if test.unproved && (strings.Contains(err.Error(), "\n") || len(err.Error()) > 1024) {
				t.Errorf("the error is not one bounded line: %v", err)
			}
		})
	}
}

func TestAProofIsUsedForAMinute(t *testing.T) {
	api, clock := &server{answer: refusal(http.StatusForbidden, ours)}, testclock.NewFakePassiveClock(start)
	prover := identity.New(api, clock, name)
	next := request(time.Hour)
	next.Generation = 2
	for _, step := range []struct {
		after         time.Duration
		request       *v1alpha1.AccessRequest
		reads, probes int
	}{
		{0, request(time.Hour), 2, 1}, {59 * time.Second, request(time.Hour), 2, 1}, {59 * time.Second, next, 2, 2}, {time.Minute, request(time.Hour), 4, 3},
	} {
		clock.SetTime(start.Add(step.after))
		if err := prover.Prove(t.Context(), step.request); err != nil {
			t.Fatal(err)
		}
		if api.reads != step.reads || api.probes != step.probes {
			t.Errorf("after %s: %d reads and %d probes, want %d and %d", step.after, api.reads, api.probes, step.reads, step.probes)
		}
	}
}
