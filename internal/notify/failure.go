package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"
)

// failure is why an event did not arrive. Its text is made of our words alone: addresses and answers may hold secrets.
type failure struct {
	words string
	// final is true where another try changes nothing.
	final bool
	// after is how long the server asks to wait; 0 where it does not say.
	after time.Duration
}

// Error says it.
func (f *failure) Error() string { return f.words }

// unanswered is why no answer came.
func unanswered(err error) *failure { return &failure{words: cause(err)} }

// causes are what is told of errors of the network; the first that matches.
var causes = []struct {
	is    func(error) bool
	words string
}{
	{isTimeout, "no answer in time"},
	{isA[*net.DNSError], "the host name cannot be resolved"},
	{isA[x509.HostnameError], "the certificate is for another host"},
	{isA[x509.UnknownAuthorityError], "the certificate is not trusted"},
	{isA[x509.CertificateInvalidError], "the certificate is not valid"},
	{isA[*tls.CertificateVerificationError], "the certificate is not valid"},
	{isA[tls.RecordHeaderError], "the server does not speak TLS"},
	{func(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }, "the connection is refused"},
	{func(err error) bool { return errors.Is(err, syscall.ECONNRESET) }, "the connection was reset"},
}

func cause(err error) string {
	for _, known := range causes {
		if known.is(err) {
			return known.words
		}
	}
	return "the connection failed"
}

func isA[E error](err error) bool {
	_, is := errors.AsType[E](err)
	return is
}

func isTimeout(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	network, is := errors.AsType[net.Error](err)
	return is && network.Timeout()
}

// refusals are what Slack says in its answers, of which nothing else is told.
var refusals = map[string]bool{
	"action_prohibited": true, "channel_is_archived": true, "channel_not_found": true, "invalid_payload": true, "no_active_hooks": true,
	"no_service": true, "no_service_id": true, "no_team": true, "no_text": true, "posting_to_general_channel_denied": true,
	"rollup_error": true, "team_disabled": true, "user_not_found": true,
}

// repeatable are statuses after which another try may help; so may it after every one from 500 on.
var repeatable = map[int]bool{http.StatusRequestTimeout: true, http.StatusTooEarly: true, http.StatusTooManyRequests: true}

// answered judges an answer; nil for one that says that the event arrived.
func answered(status int, body, retryAfter string, now time.Time) *failure {
	if status >= 200 && status < 300 {
		return nil
	}
	f := &failure{words: fmt.Sprintf("the answer is %d", status), final: status < 500 && !repeatable[status]}
	if refusals[body] {
		f.words += " " + body
	}
	if status >= 300 && status < 400 {
		f.words += ", a redirect, which is not followed"
	}
	f.after = wait(retryAfter, now)
	return f
}

// longestAsked is how long a server may ask to wait.
const longestAsked = 15 * time.Minute

// wait reads a header Retry-After: seconds, or a moment. It is 0 where there is none.
func wait(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, longestAsked)
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, min(at.Sub(now), longestAsked))
	}
	return 0
}
