package airflow

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"
)

// transport makes single HTTP requests to one Airflow and reads their answers. Credentials are part of a [request]. It is safe for concurrent use.
type transport struct {
	base   *url.URL
	config Config // without credentials
	http   *http.Client
}

// newTransport makes the HTTP client for a valid configuration.
func newTransport(base *url.URL, config Config) (*transport, error) {
	var roots *x509.CertPool // nil means the system's
	if len(config.CABundle) > 0 {
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM(config.CABundle) {
			return nil, invalid("the CA bundle holds no PEM certificate")
		}
	}
	var certificates []tls.Certificate
	if len(config.ClientCertificate)+len(config.ClientKey) > 0 {
		pair, err := tls.X509KeyPair(config.ClientCertificate, config.ClientKey)
		if err != nil {
			return nil, invalid("the client certificate and its key are no pair in PEM") // its text may hold parts of the key
		}
		certificates = append(certificates, pair)
	}
	dialer := &net.Dialer{Timeout: config.ConnectTimeout, KeepAlive: 30 * time.Second, Control: DialControl(config.AllowedAddresses)}
	config.Credentials, config.CABundle, config.ClientCertificate, config.ClientKey = Credentials{}, nil, nil, nil
	return &transport{
		base: base, config: config,
		http: &http.Client{
			Transport: &http.Transport{
				Proxy:                  nil, // credentials go to the configured address only
				DialContext:            dialer.DialContext,
				TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: certificates},
				TLSHandshakeTimeout:    config.ConnectTimeout,
				ForceAttemptHTTP2:      true,
				MaxIdleConns:           32,
				MaxIdleConnsPerHost:    32,
				IdleConnTimeout:        60 * time.Second,
				MaxResponseHeaderBytes: 256 << 10,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// maxTries is how often a reading is tried that the server or a proxy answers with an error. A list of many pages would
// otherwise never be read whole from a server that fails now and then.
const maxTries = 3

// read makes one HTTP request, and repeats a reading where the server failed and did not ask to wait. A write is never
// repeated: whether it took effect is for the caller to find out.
func (t *transport) read(ctx context.Context, r request, out any) error {
	tries := maxTries
	if r.once || r.method != http.MethodGet {
		tries = 1
	}
	for {
		err := t.send(ctx, r, out)
		tries--
		if tries == 0 || ctx.Err() != nil || !failedByServer(err) {
			return err
		}
	}
}

// send makes one HTTP request and reports it to the observer.
func (t *transport) send(ctx context.Context, r request, out any) error {
	x := Exchange{Method: r.method, Endpoint: r.endpoint, Start: t.config.Clock.Now()}
	err := t.exchange(ctx, r, out, &x)
	x.Duration = t.config.Clock.Since(x.Start)
	x.Cause = CauseOf(err)
	if t.config.Observer != nil {
		t.config.Observer(x)
	}
	return err
}

// exchange sends r, decodes the answer into out, and notes in x what came back.
func (t *transport) exchange(parent context.Context, r request, out any, x *Exchange) error {
	ctx, cancel := context.WithTimeout(parent, t.config.CallTimeout+time.Duration(r.pairs)*t.config.PairTimeout)
	defer cancel()
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }})
	fail := func(e *Error) error {
		e.Method, e.Endpoint, e.Status = r.method, r.endpoint, x.Status
		e.Detail = hide(e.Detail, r)
		e.Maybe = r.writes() && sent.Load() && undecided(x.Status)
		return e
	}
	req, err := t.build(ctx, r)
	if err != nil {
		return fail(&Error{Cause: CauseInvalid, Detail: "the request cannot be written"})
	}
	resp, err := t.http.Do(req)
	if err != nil {
		return fail(transportError(parent, err))
	}
	defer func() { _ = resp.Body.Close() }()
	x.Status, x.Received = resp.StatusCode, t.config.Clock.Now()
	if r.cookies != nil {
		*r.cookies = resp.Cookies()
	}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		x.ServerDate = date
	}
	if r.page != nil {
		*r.page = readPage(resp)
		return nil
	}
	if !succeeded(resp.StatusCode) {
		return fail(statusError(resp, x, r))
	}
	if e := t.decode(parent, resp, r.received, out); e != nil {
		return fail(e)
	}
	if r.check == nil {
		return nil
	}
	if err := r.check(); err != nil {
		return fail(&Error{Cause: CauseNotAirflow, Detail: err.Error(), err: err})
	}
	return nil
}

// build makes the HTTP request of r, with its body, its address below the prefix and its credentials.
func (t *transport) build(ctx context.Context, r request) (*http.Request, error) {
	u := *t.base
	u.RawPath = t.base.Path + r.path
	path, err := url.PathUnescape(u.RawPath)
	if err != nil {
		return nil, err
	}
	u.Path = path
	u.RawQuery = r.query.Encode()
	var body []byte
	if r.body != nil {
		if body, err = json.Marshal(r.body); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, r.method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if r.body == nil {
		req.Body, req.GetBody = nil, nil
	} else {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.auth != nil {
		req.Header.Set(r.auth.header, r.auth.value)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", t.config.UserAgent)
	return req, nil
}

// decode reads a 2xx answer into out, and adds its bytes to received. Where out is nil the answer may be empty.
func (t *transport) decode(parent context.Context, resp *http.Response, received *atomic.Int64, out any) *Error {
	switch {
	case resp.StatusCode == http.StatusNoContent && out == nil:
		return nil
	case resp.StatusCode == http.StatusNoContent:
		return &Error{Cause: CauseNotAirflow, Detail: "the answer is empty"}
	case !hasJSON(resp):
		return &Error{Cause: CauseNotAirflow, Detail: "the answer is not JSON; is it a login page, a proxy's page or another auth manager?"}
	}
	tooLarge := &Error{Cause: CauseNotAirflow, err: errTooLarge, Detail: "the answer is larger than " + strconv.FormatInt(t.config.MaxBody, 10) + " bytes"}
	if resp.ContentLength > t.config.MaxBody {
		return tooLarge
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, t.config.MaxBody+1))
	if received != nil {
		received.Add(int64(len(body)))
	}
	switch {
	case err != nil:
		return transportError(parent, err)
	case int64(len(body)) > t.config.MaxBody:
		return tooLarge
	case out == nil:
		return nil
	}
	return unmarshal(body, out)
}
