package airflow

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// errRejected marks answers that reject the token, not what was asked for.
var errRejected = errors.New("token rejected")

// errClientCertificate marks a handshake in which the server asked for a
// certificate of the client and got none.
var errClientCertificate = errors.New("a client certificate is required")

const detailClientCertificate = "the server asks for a client certificate"

// errTooLarge marks answers of more than [Config.MaxBody].
var errTooLarge = errors.New("the answer is too large")

// Airflow's words on which the client depends.
const (
	detailInvalidToken = "Invalid JWT token"
	detailNoRoute      = "Not Found"
	detailNoRoute2     = "The requested URL was not found on the server" // Airflow 2
)

const (
	maxErrorBody  = 64 << 10
	maxDetail     = 300
	maxRetryAfter = 24 * time.Hour
)

// alertOps is how crypto/tls names an alert that it got or sent.
var alertOps = []string{"remote error", "local error"}

// transportError is the error of a request without an answer.
func transportError(parent context.Context, err error) *Error {
	var (
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		alert       *net.OpError
		hostname    x509.HostnameError
		authority   x509.UnknownAuthorityError
		dns         *net.DNSError
	)
	switch {
	case errors.Is(parent.Err(), context.Canceled):
		return &Error{Cause: CauseCanceled, err: context.Canceled}
	case errors.Is(err, errBlocked):
		return &Error{Cause: CauseBlockedAddress, Detail: errBlocked.Error()}
	case errors.As(err, &certificate):
		return &Error{Cause: CauseTLS, Detail: "the server's certificate was refused: " + clean(certificate.Err.Error(), maxDetail)}
	case errors.As(err, &hostname), errors.As(err, &authority):
		return &Error{Cause: CauseTLS, Detail: "the server's certificate was refused"}
	case errors.As(err, &record), strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return &Error{Cause: CauseTLS, Detail: "the server does not speak TLS on this port"}
	case strings.Contains(err.Error(), "tls: certificate required"):
		// The alert of TLS 1.3; older versions say no more than that the handshake failed.
		return &Error{Cause: CauseTLS, Detail: detailClientCertificate, err: errClientCertificate}
	case errors.As(err, &alert) && slices.Contains(alertOps, alert.Op):
		return &Error{Cause: CauseTLS, Detail: "the TLS handshake failed: " + clean(alert.Err.Error(), maxDetail)}
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return &Error{Cause: CauseUnavailable, Detail: "no answer in time", err: context.DeadlineExceeded}
	case errors.As(err, &dns):
		return &Error{Cause: CauseUnavailable, Detail: "the host's name does not resolve"}
	}
	return &Error{Cause: CauseUnavailable, Detail: brokenDetail(err)}
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// brokenDetail names what broke in words of this package: texts of net and
// net/http contain addresses, ports and more.
func brokenDetail(err error) string {
	text := err.Error()
	for _, c := range []struct{ part, detail string }{
		{"connection refused", "connection refused"},
		{"connection reset", "connection reset"},
		{"no route to host", "no route to the host"},
		{"network is unreachable", "the network is unreachable"},
		{"EOF", "the server closed the connection"},
		{"malformed HTTP", "the server does not speak HTTP"},
	} {
		if strings.Contains(text, c.part) {
			return c.detail
		}
	}
	return "the connection failed"
}

// statusError is the error of an answer that is not 2xx.
func statusError(resp *http.Response, x *Exchange, r request) *Error {
	detail := ""
	isJSON := hasJSON(resp)
	if isJSON {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
		detail = readDetail(body, func(text string) string { return hide(text, r) })
	}
	e := &Error{Cause: statusCause(resp.StatusCode, isJSON, detail), Detail: clean(detail, maxDetail)}
	if inFront(resp.StatusCode, isJSON, r) {
		e.Cause, e.Detail = CauseProxy, frontDetail(resp, r)
	}
	e.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), x)
	switch {
	case resp.StatusCode/100 == 3:
		e.Detail = "a redirect, which is never followed; use the final address"
	case resp.StatusCode == http.StatusNotFound:
		e.explainMissing(r.endpoint)
	case !isJSON && e.Cause == CauseNotAirflow:
		e.Detail = notJSON
	case r.rejects(e.Cause):
		e.err = errRejected
	case e.Cause == CauseInvalid:
		e.err = parseInvalid(detail)
	}
	return e
}

const notJSON = "the answer is not JSON"

// inFront says whether a refusal came from something in front of Airflow. Airflow
// gives its version without a login, refuses in JSON alone, and sets no limit on
// the size of a request.
func inFront(status int, isJSON bool, r request) bool {
	switch status {
	case http.StatusUnauthorized:
		return r.version
	case http.StatusForbidden:
		return r.version || !isJSON
	case http.StatusRequestEntityTooLarge:
		return true
	}
	return false
}

// frontDetail says what answered in place of Airflow, from its headers, and the
// size of a request that may have been refused for it.
func frontDetail(resp *http.Response, r request) string {
	answer := "an answer without a type"
	if kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err == nil {
		answer = "an answer of type " + clean(kind, 64)
	}
	if server := resp.Header.Get("Server"); server != "" {
		answer += " from the server " + strconv.Quote(clean(hide(server, r), 64))
	}
	if size := resp.Request.ContentLength; r.writes() && size > 0 {
		answer += ", to a request of " + strconv.FormatInt(size, 10) + " bytes"
	}
	return answer
}

// explainMissing says about an answer of 404 what is missing: a thing, or all that an Airflow with FAB has.
func (e *Error) explainMissing(endpoint string) {
	switch {
	case endpoint == endpointToken:
		e.Cause, e.Detail = CauseUnsupported, "this Airflow issues no tokens; the FAB auth manager is needed"
	case e.Cause == CauseUnsupported:
		e.Detail = "this Airflow has no such endpoint; the FAB auth manager is needed"
	case e.Cause == CauseNotAirflow:
		e.Detail = notJSON
	}
}

// statusCause is the class of an answer that is not 2xx.
func statusCause(status int, isJSON bool, detail string) Cause {
	switch {
	case status >= 500, status == http.StatusRequestTimeout:
		return CauseUnavailable
	case status == http.StatusTooManyRequests:
		return CauseThrottled
	case status == http.StatusUnauthorized:
		return CauseUnauthorized
	case status == http.StatusForbidden && strings.HasPrefix(detail, detailInvalidToken):
		return CauseUnauthorized
	case status == http.StatusForbidden:
		return CauseForbidden
	case status == http.StatusMethodNotAllowed:
		return CauseUnsupported
	case !isJSON:
		return CauseNotAirflow
	case status == http.StatusNotFound && noRoute(detail):
		return CauseUnsupported
	case status == http.StatusNotFound:
		return CauseNotFound
	case status == http.StatusConflict:
		return CauseConflict
	case status == http.StatusBadRequest, status == http.StatusUnprocessableEntity:
		return CauseInvalid
	}
	return CauseNotAirflow
}

// noRoute tells a path that Airflow does not have from a thing it does not have.
func noRoute(detail string) bool {
	switch detail {
	case "", detailNoRoute:
		return true
	}
	return strings.HasPrefix(detail, detailNoRoute2)
}

// readDetail returns what Airflow says in an error: a text, or the places and
// messages of a validation error. The values that were sent are left out, and
// secrets are hidden in every text before it is cut.
func readDetail(body []byte, hide func(string) string) string {
	var answer struct {
		Detail json.RawMessage `json:"detail"`
		Title  string          `json:"title"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return ""
	}
	var text string
	if json.Unmarshal(answer.Detail, &text) == nil && text != "" {
		return hide(text)
	}
	var fields []struct {
		Loc []any  `json:"loc"`
		Msg string `json:"msg"`
	}
	if json.Unmarshal(answer.Detail, &fields) != nil || len(fields) == 0 {
		return hide(answer.Title)
	}
	var parts []string
	for _, f := range fields[:min(len(fields), 4)] {
		var place []string
		for _, l := range f.Loc[:min(len(f.Loc), 6)] {
			switch l := l.(type) {
			case string:
				place = append(place, clean(hide(l), 64))
			case float64:
				place = append(place, strconv.Itoa(int(l)))
			}
		}
		parts = append(parts, strings.Join(place, ".")+": "+clean(hide(f.Msg), 100))
	}
	return strings.Join(parts, "; ")
}

// unknownResourceText is how Airflow names a resource it does not know: in
// quotes as Python prints a string.
var unknownResourceText = regexp.MustCompile(`(?s)^The specified resource: (?:'(.*)'|"(.*)") was not found$`)

func parseInvalid(detail string) error {
	if m := unknownResourceText.FindStringSubmatch(detail); m != nil {
		name := m[1] + m[2]
		name = strings.NewReplacer(`\\`, `\`, `\'`, `'`).Replace(name)
		return &unknownResourceError{name: name}
	}
	if strings.HasPrefix(detail, "Unknown roles: ") {
		return errUnknownRoles
	}
	return nil
}

// retryAfter reads both forms of the header. A date is compared with the
// server's own Date where it sent one.
func retryAfter(value string, x *Exchange) time.Duration {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(value, 10, 63); err == nil {
		return time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	from := x.ServerDate
	if from.IsZero() {
		from = x.Received
	}
	return max(0, min(until.Sub(from), maxRetryAfter))
}

// jsonKind are application/json and types that end in +json, such as that of problem details.
var jsonKind = regexp.MustCompile(`^application/(.*\+)?json$`)

func hasJSON(resp *http.Response) bool {
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return err == nil && jsonKind.MatchString(kind)
}

// unmarshal decodes an answer into out, and tells one that was cut off from one of another shape.
func unmarshal(body []byte, out any) *Error {
	err := json.Unmarshal(body, out)
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syntax) && syntax.Offset >= int64(len(body)):
		return &Error{Cause: CauseUnavailable, Detail: "the answer is cut off"}
	}
	return &Error{Cause: CauseNotAirflow, Detail: "the answer's JSON is not what Airflow sends"}
}
