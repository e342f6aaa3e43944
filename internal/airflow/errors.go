package airflow

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Cause is the class of a failure, fit for a metric's label.
type Cause string

// The causes of failures.
const (
	// CauseNotFound: Airflow knows no such role, user or DAG.
	CauseNotFound Cause = "NotFound"
	// CauseConflict: something of that name exists.
	CauseConflict Cause = "Conflict"
	// CauseUnauthorized: the credentials, or a token just made from them, were refused.
	CauseUnauthorized Cause = "Unauthorized"
	// CauseForbidden: the account lacks a permission.
	CauseForbidden Cause = "Forbidden"
	// CauseThrottled: too many requests.
	CauseThrottled Cause = "Throttled"
	// CauseInvalid: Airflow, or the client before sending, refused the request's content.
	CauseInvalid Cause = "Invalid"
	// CauseUnavailable: server errors, no connection, no name, no answer in time.
	CauseUnavailable Cause = "Unavailable"
	// CauseNotAirflow: the answer is not one of Airflow's API: HTML, a
	// redirect, other JSON, or too much of it.
	CauseNotAirflow Cause = "NotAirflow"
	// CauseTLS: no trustworthy connection.
	CauseTLS Cause = "TLS"
	// CauseBlockedAddress: the name resolves to an address that is not to be called.
	CauseBlockedAddress Cause = "BlockedAddress"
	// CauseProxy: something in front of Airflow answered in its place: a call that
	// needs no login was refused, or a refusal is none of Airflow's own.
	CauseProxy Cause = "Proxy"
	// CauseUnsupported: an Airflow that cannot be managed by this client.
	CauseUnsupported Cause = "Unsupported"
	// CauseNoToken: the source of the account's token gave none.
	CauseNoToken Cause = "NoToken"
	// CauseCanceled: the caller's context was canceled.
	CauseCanceled Cause = "Canceled"
)

// Error is a failed call. Its message is one line of at most 512 bytes without
// secrets; the only words of the server in it are Airflow's own detail.
type Error struct {
	// Cause is the class.
	Cause Cause
	// Method and Endpoint are those of [Exchange]; empty when nothing was to be sent.
	Method   string
	Endpoint string
	// Status is the HTTP status code, or 0 when no answer came.
	Status int
	// Detail says more: Airflow's own detail, made safe, or the client's words.
	Detail string
	// RetryAfter is how long the server asks to be left alone; 0 where it does not.
	RetryAfter time.Duration
	// Maybe is set on a write that may have taken effect although it failed.
	Maybe bool

	err error
}

// Error returns the message.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("airflow")
	if e.Method != "" {
		b.WriteString(": " + e.Method + " " + e.Endpoint)
	}
	b.WriteString(": " + causeText[e.Cause])
	if e.Status != 0 {
		b.WriteString(" (" + strconv.Itoa(e.Status) + ")")
	}
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	if e.Maybe {
		b.WriteString("; the change may have been made")
	}
	return clean(b.String(), 512)
}

// Unwrap returns the error beneath, so that errors.Is finds context.Canceled and
// context.DeadlineExceeded.
func (e *Error) Unwrap() error { return e.err }

var causeText = map[Cause]string{
	CauseNotFound:       "not found",
	CauseConflict:       "exists already",
	CauseUnauthorized:   "credentials refused",
	CauseForbidden:      "the account lacks a permission",
	CauseThrottled:      "too many requests",
	CauseInvalid:        "refused as invalid",
	CauseUnavailable:    "unavailable",
	CauseNotAirflow:     "not an answer of Airflow's API",
	CauseTLS:            "no trustworthy TLS connection",
	CauseBlockedAddress: "address is not allowed",
	CauseProxy:          "refused by something in front of Airflow",
	CauseUnsupported:    "not supported",
	CauseNoToken:        "no token for the account",
	CauseCanceled:       "canceled",
}

// errorOf returns the client's error in err; a zero one where err is nil or not of this package.
func errorOf(err error) Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return *e
	}
	return Error{}
}

// CauseOf returns the cause of err, or "" where err is not of this package.
func CauseOf(err error) Cause { return errorOf(err).Cause }

// IsNotFound says that Airflow itself answered that the thing does not exist.
func IsNotFound(err error) bool { return CauseOf(err) == CauseNotFound }

// IsConflict says that something of that name exists.
func IsConflict(err error) bool { return CauseOf(err) == CauseConflict }

// IsUnauthorized says that Airflow refused the credentials.
func IsUnauthorized(err error) bool { return CauseOf(err) == CauseUnauthorized }

// IsForbidden says that the account lacks a permission; see [MissingPermissions].
func IsForbidden(err error) bool { return CauseOf(err) == CauseForbidden }

// IsThrottled says that the server answered 429; see [RetryAfter].
func IsThrottled(err error) bool { return CauseOf(err) == CauseThrottled }

// IsInvalid says that the request's content was refused; see [UnknownResource].
func IsInvalid(err error) bool { return CauseOf(err) == CauseInvalid }

// IsUnavailable says that there was a server error, or no answer at all.
func IsUnavailable(err error) bool { return CauseOf(err) == CauseUnavailable }

// IsNotAirflow says that what answered does not speak Airflow's API.
func IsNotAirflow(err error) bool { return CauseOf(err) == CauseNotAirflow }

// IsProxy says that something in front of Airflow refused the request: a sign-in
// proxy, a web application firewall, a limit on the size of requests.
func IsProxy(err error) bool { return CauseOf(err) == CauseProxy }

// IsTLS says that no trustworthy connection could be made.
func IsTLS(err error) bool { return CauseOf(err) == CauseTLS }

// NeedsClientCertificate says that the server asked for a certificate of the
// client in the TLS handshake.
func NeedsClientCertificate(err error) bool { return errors.Is(err, errClientCertificate) }

// PasswordLoginDisabled says that Airflow gave no token for a password, and that its
// sign-in page offers no password either. From fab 3.11 on such an Airflow gives no
// token for any password; before, it is the password that is wrong. It is
// [IsUnauthorized], too.
func PasswordLoginDisabled(err error) bool { return errors.Is(err, errPasswordLogin) }

// ExchangeDisabled says that Airflow gives tokens for passwords alone, or that the
// token to be exchanged did not reach it. It is [IsUnauthorized], too.
func ExchangeDisabled(err error) bool { return errors.Is(err, errNoExchange) }

// Answered returns the status of an answer that is an error, and the call that it
// was given to, such as "GET /api/v2/dags"; false where there was no answer.
func Answered(err error) (status int, call string, answered bool) {
	e := errorOf(err)
	return e.Status, e.Method + " " + e.Endpoint, e.Status != 0
}

// IsNoToken says that the source of the account's token gave none.
func IsNoToken(err error) bool { return CauseOf(err) == CauseNoToken }

// IsBlockedAddress says that the host resolves to an address that the client
// does not call.
func IsBlockedAddress(err error) bool { return CauseOf(err) == CauseBlockedAddress }

// IsUnsupported says that it is an Airflow, but one that cannot be managed.
func IsUnsupported(err error) bool { return CauseOf(err) == CauseUnsupported }

// MaybeReplaced says whether another version of Airflow may answer next: nothing answered, as while a server is started
// anew, or it has no such API any more.
func MaybeReplaced(err error) bool {
	if IsUnavailable(err) {
		return errorOf(err).Status == 0
	}
	return IsUnsupported(err)
}

// lacksEndpoint says whether an answer is that of a server without the endpoint that was asked for, as servers of the
// other generation and other programs send it.
func lacksEndpoint(err error) bool {
	return slices.Contains([]Cause{CauseNotAirflow, CauseUnsupported, CauseNotFound}, CauseOf(err))
}

// IsCanceled says that the caller's context was canceled.
func IsCanceled(err error) bool { return CauseOf(err) == CauseCanceled }

// MaybeApplied says that err is of a write that may have taken effect. Read
// before writing again.
func MaybeApplied(err error) bool { return errorOf(err).Maybe }

// RetryAfter returns how long the server asked not to be called.
func RetryAfter(err error) (time.Duration, bool) {
	wait := errorOf(err).RetryAfter
	return wait, wait > 0
}

// UnknownResource returns the resource that Airflow did not know when it
// refused a role's permissions. Airflow names one at a time.
func UnknownResource(err error) (string, bool) {
	if e, ok := errors.AsType[*unknownResourceError](err); ok {
		return e.name, true
	}
	return "", false
}

// UnknownRoles says that Airflow refused a user's roles since one of them does
// not exist.
func UnknownRoles(err error) bool {
	return errors.Is(err, errUnknownRoles)
}

// MissingPermissions returns the permissions that [Client.CheckAccount] found the
// account to lack, sorted.
func MissingPermissions(err error) ([]Permission, bool) {
	if e, ok := errors.AsType[*missingError](err); ok {
		return e.permissions, true
	}
	return nil, false
}

var (
	errPasswordLogin = errors.New("people sign in without a password")
	errNoExchange    = errors.New("no token is exchanged")
)

var errUnknownRoles = errors.New("unknown roles")

type unknownResourceError struct{ name string }

func (e *unknownResourceError) Error() string { return "unknown resource" }

type missingError struct{ permissions []Permission }

func (e *missingError) Error() string { return "missing permissions" }

// clean makes text one printable line of at most limit bytes.
func clean(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError, r == '\u2028', r == '\u2029':
			return '?'
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, text)
	text = strings.TrimSpace(text)
	if len(text) <= limit {
		return text
	}
	const dots = "..."
	cut := limit - len(dots)
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + dots
}

// failedByServer says whether an answer of 5xx came that does not say how long to wait.
func failedByServer(err error) bool {
	e := errorOf(err)
	return e.Status >= 500 && e.RetryAfter == 0
}
