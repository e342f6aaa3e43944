package rule

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// Identity says which Airflow user a requester is, compiled. It is safe for concurrent use.
type Identity struct {
	program cel.Program
	// email is true where the expression gives an e-mail, and false where it gives a user name.
	email bool
}

// CompileIdentity compiles the identity of an instance. The error names the field, the place in its expression and what to
// do, on one line.
func CompileIdentity(i *v1alpha1.Identity) (*Identity, error) {
	return compileIdentity(i, (*kind).compile)
}

// IdentityOf is CompileIdentity with a memory, for callers that decide often.
func IdentityOf(i *v1alpha1.Identity) (*Identity, error) {
	return compileIdentity(i, remembered)
}

func compileIdentity(i *v1alpha1.Identity, compile compiler) (*Identity, error) {
	if i == nil {
		return nil, errors.New("the AirflowInstance has no spec.identity, so that nobody can ask for access: set it, see docs/identity.md")
	}
	out := &Identity{email: i.Email != ""}
	expression := i.Username
	if out.email {
		expression = i.Email
	}
	var err error
	switch {
	case expression == "", out.email && i.Username != "":
		return nil, errors.New("spec.identity of the AirflowInstance must have exactly one of email and username: correct it")
	default:
		out.program, err = compile(&names, expression)
	}
	if err != nil {
		return nil, fmt.Errorf("%s of the AirflowInstance does not compile: %w: correct it", out.field(), err)
	}
	return out, nil
}

// field that has the expression.
func (i *Identity) field() string {
	if i.email {
		return "spec.identity.email"
	}
	return "spec.identity.username"
}

// Subject is the Airflow user of a requester. It is an error where the expression fails, gives nothing, or gives what cannot
// be an e-mail or a user name.
func (i *Identity) Subject(name string) (v1alpha1.Subject, error) {
	value, err := evaluate(i.program, map[string]any{requester: name})
	if err != nil {
		return v1alpha1.Subject{}, i.refused(name, "failed: "+err.Error())
	}
	found, ok := value.(types.String)
	switch {
	case !ok, found == "":
		return v1alpha1.Subject{}, i.refused(name, "gives nothing")
	case i.email:
		if why := noEmail(string(found)); why != "" {
			return v1alpha1.Subject{}, i.refused(name, "gives "+shown(string(found))+", which "+why)
		}
		return v1alpha1.Subject{Email: string(found)}, nil
	}
	if why := noUsername(string(found)); why != "" {
		return v1alpha1.Subject{}, i.refused(name, "gives "+shown(string(found))+", which "+why)
	}
	return v1alpha1.Subject{Username: string(found)}, nil
}

func (i *Identity) refused(name, why string) error {
	return fmt.Errorf("%s of the AirflowInstance makes no Airflow user of %s: it %s: ask as somebody whom it knows, or correct it", i.field(), shown(name), why)
}

// shown is a name between quotes, bounded, and on one line.
func shown(name string) string { return line(text.Quoted(name)) }

// Limits of a Subject, in characters, as the schema has them.
const (
	maxUsername = 256
	minEmail    = 3
	maxEmail    = 320
)

// Patterns of a Subject's schema. The first are characters that no name may have: control characters, and those that change
// lines or the direction of text.
var (
	invisible = regexp.MustCompile(`[\p{Cc}\p{Zl}\p{Zp}\x{202a}-\x{202e}\x{2066}-\x{2069}]`)
	address   = regexp.MustCompile(`^[^@\x00-\x20\x7f]+@[^@\x00-\x20\x7f]+$`)
)

// noUsername says why something is no name of a user; empty where it is one.
func noUsername(name string) string {
	switch {
	case utf8.RuneCountInString(name) > maxUsername:
		return "is too long"
	case invisible.MatchString(name):
		return "contains control characters"
	case strings.TrimSpace(name) != name:
		return "begins or ends with a space"
	}
	return text.Unaddressable(name)
}

// noEmail says why something is no e-mail of a user; empty where it is one.
func noEmail(email string) string {
	length := utf8.RuneCountInString(email)
	switch {
	case length > maxEmail:
		return "is too long"
	case !utf8.ValidString(email), invisible.MatchString(email):
		return "contains control characters or is not UTF-8"
	case length < minEmail, !address.MatchString(email):
		return "does not look like carol@example.com"
	case text.Placeholder(email):
		return "is an address that Airflow makes up for users without one"
	}
	return ""
}
