package airflow

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
)

// caller makes calls in the server's dialect and as the operator's account: under a valid token or session, which it
// gets and renews. It is safe for concurrent use.
type caller struct {
	wire   *transport
	tokens *tokens

	// spoken is the server's dialect; nil until it is known, and again where the
	// server turns out to have no such endpoint. last is never forgotten.
	spoken, last atomic.Pointer[dialect]
	asking       chan struct{}          // filled while one asks for the dialect
	server       atomic.Pointer[Server] // what the last discovery found; nil before
}

func newCaller(wire *transport, credentials Credentials) *caller {
	c := &caller{wire: wire, asking: make(chan struct{}, 1)}
	c.tokens = &tokens{clock: wire.config.Clock, fetch: c.login, credentials: credentials}
	return c
}

// call sends r under a valid token or session and decodes the answer into out.
// One that Airflow rejects is renewed once.
func (c *caller) call(ctx context.Context, r request, out any) error {
	if r.public {
		return c.wire.read(ctx, r, out)
	}
	t, err := c.tokens.get(ctx)
	if err != nil {
		return err
	}
	r.auth = t
	err = c.wire.read(ctx, r, out)
	if errors.Is(err, errRejected) {
		if t, err = c.tokens.renew(ctx, t, err); err != nil {
			return err
		}
		r.auth = t
		err = c.wire.read(ctx, r, out)
	}
	c.tokens.judge(t, err)
	if IsUnsupported(err) {
		c.spoken.Store(nil) // it may have been upgraded
	}
	return err
}

// login makes the account known in the way of the server's generation.
func (c *caller) login(ctx context.Context, credentials Credentials) (*token, error) {
	if credentials.Username == "" {
		return nil, &Error{Cause: CauseUnauthorized, Detail: "no credentials are configured"}
	}
	d, err := c.speak(ctx)
	if err != nil {
		return nil, err
	}
	l := login{c.wire, credentials}
	switch {
	case d.session && credentials.Bearer != nil:
		return nil, &Error{Cause: CauseUnsupported, Detail: "Airflow 2 knows the operator's account by a password alone: use no token"}
	case d.session:
		return l.session(ctx)
	case credentials.Exchange:
		return l.exchange(ctx)
	case credentials.Bearer != nil:
		return l.bearer(ctx)
	}
	return l.password(ctx)
}

// capabilities are those that the last discovery found; zero before.
func (c *caller) capabilities() Capabilities {
	if server := c.server.Load(); server != nil {
		return server.Capabilities
	}
	return Capabilities{}
}

// speak returns the server's dialect, and asks the server where it is not known yet.
// One caller asks while the others wait.
func (c *caller) speak(ctx context.Context) (*dialect, error) {
	if d := c.spoken.Load(); d != nil {
		return d, nil
	}
	select {
	case c.asking <- struct{}{}:
	case <-ctx.Done():
		return nil, transportError(ctx, ctx.Err())
	}
	defer func() { <-c.asking }()
	if d := c.spoken.Load(); d != nil {
		return d, nil
	}
	d, _, err := c.detect(ctx)
	return d, err
}

// detect asks the server for its version, and adopts the dialect of that
// generation. No credentials are sent.
func (c *caller) detect(ctx context.Context) (*dialect, string, error) {
	version, err := c.version(ctx, airflow3.version)
	if err == nil {
		return c.adopt(airflow3), version, nil
	}
	if !lacksEndpoint(err) {
		return nil, "", err
	}
	if version, oldErr := c.version(ctx, airflow2.version); oldErr == nil {
		return c.adopt(airflow2), version, nil
	}
	return nil, "", err
}

// adopt makes d the dialect of all further calls.
func (c *caller) adopt(d *dialect) *dialect {
	if before := c.last.Swap(d); before != nil && before != d {
		c.tokens.forget() // the server was upgraded: what it issued before is of no use
	}
	c.spoken.Store(d)
	return d
}

func (c *caller) version(ctx context.Context, endpoint string) (string, error) {
	var answer versionWire
	err := c.call(ctx, request{
		method: http.MethodGet, endpoint: endpoint, path: endpoint, public: true, version: true,
		check: func() error {
			if answer.Version == "" || len(answer.Version) > 64 {
				return errors.New("the answer holds no version")
			}
			return nil
		},
	}, &answer)
	return answer.Version, err
}
