package airflow

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"
)

// Client calls one Airflow. It is safe for concurrent use.
type Client struct {
	base   *url.URL
	config Config // without credentials
	http   *http.Client
	tokens *tokens

	// spoken is the server's dialect; nil until it is known, and again where the
	// server turns out to have no such endpoint. last is never forgotten.
	spoken, last atomic.Pointer[dialect]
	asking       chan struct{}
	extents      extents
	pages        chan struct{} // holds the readings of list pages that are under way
	server       atomic.Pointer[Server]
}

// New makes a client; it calls nothing. Its errors have [CauseInvalid] and name
// the part of config that is wrong.
func New(config Config) (*Client, error) {
	config.setDefaults()
	base, err := config.validate()
	if err != nil {
		return nil, err
	}
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
	dialer := &net.Dialer{Timeout: config.ConnectTimeout, KeepAlive: 30 * time.Second, Control: control(config.AllowedAddresses)}
	c := &Client{
		base: base, asking: make(chan struct{}, 1), pages: make(chan struct{}, pagesAtOnce),
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
	}
	credentials := config.Credentials
	config.Credentials, config.CABundle, config.ClientCertificate, config.ClientKey = Credentials{}, nil, nil, nil
	c.config = config
	c.tokens = newTokens(config.Clock, c.login, credentials)
	return c, nil
}

// String names the address only.
func (c *Client) String() string { return "airflow at " + c.base.String() }

// GoString is [Client.String], so that no way of printing shows secrets.
func (c *Client) GoString() string { return c.String() }

// URL is the normalised address.
func (c *Client) URL() string { return c.base.String() }

// SetCredentials changes the credentials. Calls under way finish with the old
// ones; the next call asks for a new token, unless nothing changed.
func (c *Client) SetCredentials(credentials Credentials) { c.tokens.set(credentials) }

// Close ends idle connections. The client can still be used.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// request is one call of Airflow's API.
type request struct {
	method   string
	endpoint string // template, for observers and errors
	path     string // escaped, below the prefix
	query    url.Values
	body     any  // sent as JSON where not nil
	pairs    int  // how many permission pairs the call touches
	public   bool // needs no authentication
	version  bool // asks for the version, which Airflow gives to everybody
	auth     *token
	cookies  *[]*http.Cookie // where to put those of the answer; optional
	taken    *atomic.Int64   // where to add the bytes of the answer; optional
	// check judges the decoded answer.
	check func() error
}

func (r request) writes() bool {
	return r.method != http.MethodGet && r.endpoint != endpointToken
}

// call sends r under a valid token or session and decodes the answer into out.
// One that Airflow rejects is renewed once.
func (c *Client) call(ctx context.Context, r request, out any) error {
	if r.public {
		return c.read(ctx, r, out)
	}
	t, err := c.tokens.get(ctx)
	if err != nil {
		return err
	}
	r.auth = t
	err = c.read(ctx, r, out)
	if errors.Is(err, errRejected) {
		if t, err = c.tokens.renew(ctx, t, err); err != nil {
			return err
		}
		r.auth = t
		err = c.read(ctx, r, out)
	}
	c.tokens.judge(t, err)
	if IsUnsupported(err) {
		c.spoken.Store(nil) // it may have been upgraded
	}
	return err
}

// maxTries is how often a reading is tried that the server or a proxy answers with an error. A list of many pages would
// otherwise never be read whole from a server that fails now and then.
const maxTries = 3

// read makes one HTTP request, and a reading once more where the server failed and did not ask to wait. A write is never
// made again: whether it took effect is for the caller to find out.
func (c *Client) read(ctx context.Context, r request, out any) error {
	err := c.send(ctx, r, out)
	for range maxTries - 1 {
		if r.method != http.MethodGet || !failedByServer(err) || ctx.Err() != nil {
			break
		}
		err = c.send(ctx, r, out)
	}
	return err
}

// send makes one HTTP request and tells the observer.
func (c *Client) send(ctx context.Context, r request, out any) error {
	x := Exchange{Method: r.method, Endpoint: r.endpoint, Start: c.config.Clock.Now()}
	err := c.exchange(ctx, r, out, &x)
	x.Duration = c.config.Clock.Since(x.Start)
	x.Cause = CauseOf(err)
	if c.config.Observer != nil {
		c.config.Observer(x)
	}
	return err
}

func (c *Client) exchange(parent context.Context, r request, out any, x *Exchange) error {
	ctx, cancel := context.WithTimeout(parent, c.config.CallTimeout+time.Duration(r.pairs)*c.config.PairTimeout)
	defer cancel()
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }})
	fail := func(e *Error) error {
		e.Method, e.Endpoint, e.Status = r.method, r.endpoint, x.Status
		e.Detail = hide(e.Detail, r)
		e.Maybe = r.writes() && sent.Load() && open(x.Status)
		return e
	}
	req, err := c.build(ctx, r)
	if err != nil {
		return fail(&Error{Cause: CauseInvalid, Detail: "the request cannot be written"})
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fail(transportError(parent, err))
	}
	defer func() { _ = resp.Body.Close() }()
	x.Status, x.Received = resp.StatusCode, c.config.Clock.Now()
	if r.cookies != nil {
		*r.cookies = resp.Cookies()
	}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		x.ServerDate = date
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fail(statusError(resp, x, r))
	}
	if e := c.decode(parent, resp, r.taken, out); e != nil {
		return fail(e)
	}
	if r.check != nil {
		if err := r.check(); err != nil {
			return fail(&Error{Cause: CauseNotAirflow, Detail: err.Error(), err: err})
		}
	}
	return nil
}

func (c *Client) build(ctx context.Context, r request) (*http.Request, error) {
	u := *c.base
	u.RawPath = c.base.Path + r.path
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
	req.Header.Set("User-Agent", c.config.UserAgent)
	return req, nil
}

// open says whether an answer of this status leaves open if a write was made.
// 0 is no answer, 2xx an answer that could not be understood.
func open(status int) bool {
	return status == 0 || status >= 500 || status == http.StatusRequestTimeout || (status >= 200 && status < 300)
}
