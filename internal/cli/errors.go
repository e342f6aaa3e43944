package cli

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/internal/text"
)

// The codes with which the program exits. The help of the program has the list.
const (
	codeDone        = 0
	codeError       = 1
	codeUsage       = 2
	codeRefused     = 3
	codeTimedOut    = 4
	codeInterrupted = 130
)

// failure is an error with the code of its exit.
type failure struct {
	error
	code int
}

// Unwrap returns the error itself.
func (f failure) Unwrap() error { return f.error }

// errSaid is the error of a command that printed its answer, and whose exit code says the rest.
var errSaid = errors.New("")

// failed gives an error a code; nil stays nil.
func failed(code int, err error) error {
	if err == nil {
		return nil
	}
	return failure{err, code}
}

// explain returns the code for an error, and its text for users.
func explain(err error) (code int, message string) {
	code = codeError
	if f, ok := errors.AsType[failure](err); ok {
		code = f.code
	}
	return code, strings.Join(sentences(err), "\nerror: ")
}

// sentences returns the texts of an error, one for each that was joined.
func sentences(err error) []string {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		var out []string
		for _, one := range joined.Unwrap() {
			out = append(out, sentences(one)...)
		}
		return out
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return []string{lines(err.Error())}
	}
	said := refusal(status.Status())
	var context string
	if inner, ok := status.(error); ok {
		context = strings.TrimSuffix(err.Error(), inner.Error())
	}
	return []string{lines(context + said)}
}

// lines escapes each line of a text.
func lines(message string) string {
	parts := strings.Split(message, "\n")
	for i := range parts {
		parts[i] = text.Visible(parts[i])
	}
	return strings.Join(parts, "\n")
}

var (
	// byPolicy is what the API server writes before the message of a ValidatingAdmissionPolicy.
	byPolicy = regexp.MustCompile(`^.*ValidatingAdmissionPolicy '[^']*' with binding '[^']*' denied request: `)
	// badValue is what it writes before the message of a rule of the schema.
	badValue = regexp.MustCompile(`^Invalid value: (?:"object"|"[^"]*"|[^:]*): `)
)

// refusal is what an answer of the API server says, without the names of types and policies around it.
func refusal(s metav1.Status) string {
	if s.Reason == metav1.StatusReasonNotFound && (s.Details == nil || s.Details.Name == "") {
		return "this cluster does not serve the kinds of airflow-oam (access.airflow-oam.dev/v1alpha1): " +
			"is the operator installed, and is this the right context?"
	}
	if byPolicy.MatchString(s.Message) {
		return byPolicy.ReplaceAllString(s.Message, "")
	}
	if s.Reason != metav1.StatusReasonInvalid || s.Details == nil || len(s.Details.Causes) == 0 {
		return s.Message
	}
	var parts []string
	for _, cause := range s.Details.Causes {
		part := badValue.ReplaceAllString(cause.Message, "")
		if cause.Field != "" && cause.Field != "<nil>" {
			part = cause.Field + ": " + part
		}
		if !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "\n       ")
}
