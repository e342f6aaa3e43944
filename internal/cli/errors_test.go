package cli

import (
	"errors"
	"fmt"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestErrorsAreSentences(t *testing.T) {
	requests := schema.GroupResource{Group: "access.airflow-oam.dev", Resource: "accessrequests"}
	byPolicy := apierrors.NewForbidden(requests, "x", errors.New("ValidatingAdmissionPolicy 'airflow-oam-identity' with binding 'airflow-oam-identity' denied request: only alice can withdraw this request"))
	invalid := &apierrors.StatusError{ErrStatus: metav1.Status{
		Reason: metav1.StatusReasonInvalid, Message: "AccessRequest.access.airflow-oam.dev \"x\" is invalid: a lot of text",
		Details: &metav1.StatusDetails{Name: "x", Causes: []metav1.StatusCause{
			{Field: "spec.reason", Message: `Invalid value: "two\nlines": reason must be one line`},
			{Field: "spec.votes", Message: `Invalid value: "object": a vote cannot be changed`},
			{Field: "<nil>", Message: `some existing validation rules were not checked`},
		}},
	}}
	for sentence, c := range map[string]struct {
		err  error
		code int
		want string
	}{
		"of an admission policy, without its name":      {fmt.Errorf("withdraw x: %w", byPolicy), codeError, "withdraw x: only alice can withdraw this request"},
		"of the schema, by field":                       {invalid, codeError, "spec.reason: reason must be one line\n       spec.votes: a vote cannot be changed\n       some existing validation rules were not checked"},
		"of a cluster that does not serve the kinds":    {&apierrors.StatusError{ErrStatus: metav1.Status{Reason: metav1.StatusReasonNotFound, Message: "the server could not find the requested resource"}}, codeError, "this cluster does not serve the kinds of airflow-oam (access.airflow-oam.dev/v1alpha1): is the operator installed, and is this the right context?"},
		"of rights, as the API server says it":          {apierrors.NewForbidden(requests, "", errors.New(`User "eve" cannot create resource`)), codeError, `accessrequests.access.airflow-oam.dev is forbidden: User "eve" cannot create resource`},
		"several, each on a line":                       {errors.Join(errors.New("a"), failed(codeRefused, errors.New("b"))), codeRefused, "a\nerror: b"},
		"with what a terminal would obey, made visible": {errors.New("bad \x1b[31m\u202e"), codeError, `bad \x1b[31m\u202e`},
	} {
		t.Run(sentence, func(t *testing.T) {
			code, message := explain(c.err)
			if code != c.code || message != c.want {
				t.Errorf("got %d, %q; want %d, %q", code, message, c.code, c.want)
			}
		})
	}
}
