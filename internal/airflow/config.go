package airflow

import (
	"context"
	"net/netip"
	"net/url"
	"time"

	"k8s.io/utils/clock"
)

// The defaults of [Config].
const (
	DefaultCallTimeout    = 30 * time.Second
	DefaultPairTimeout    = 30 * time.Millisecond
	DefaultConnectTimeout = 10 * time.Second
	DefaultMaxBody        = 16 << 20
	DefaultUserAgent      = "airflow-oam"
)

// Credentials are an Airflow user and how it makes itself known: by a password, or by
// a token in its place. They print as a placeholder.
type Credentials struct {
	// Username is the account's name in Airflow.
	Username string
	// Password is empty where there is a Bearer.
	Password string
	// Bearer is the source of tokens that are sent in place of a password, to an Airflow 3
	// alone; nil where there is a password. It is asked again before a token ends, and
	// once after Airflow rejected one. It need not be fast, and keeps nothing: a token is
	// used until shortly before its end.
	Bearer TokenSource
	// Exchange: the token of Bearer is posted to Airflow's own login, and the token that
	// Airflow issues for it is used. Otherwise the token of Bearer itself is used.
	Exchange bool
}

// TokenSource gets a token. Its errors become a failure with [CauseNoToken] that wraps
// them; their text is shown, so that it must hold nothing of a token or of an answer.
type TokenSource func(context.Context) (string, error)

// String hides the password. A source of tokens is not asked.
func (c Credentials) String() string { return "{" + clean(c.Username, 64) + " [hidden]}" }

// GoString hides the password.
func (c Credentials) GoString() string { return c.String() }

// MarshalText hides the password.
func (c Credentials) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Config says which Airflow to call, and how.
type Config struct {
	// URL is Airflow's address, with a path prefix where it has one. See [ParseURL].
	URL string
	// Credentials may be empty: then only [Client.Discover] works, without the
	// version of the FAB provider.
	Credentials Credentials
	// CABundle are PEM certificates to trust instead of the system's; empty means
	// the system's.
	CABundle []byte
	// ClientCertificate and ClientKey are PEM, for servers that ask for a certificate
	// of the client; both or neither.
	ClientCertificate, ClientKey []byte
	// AllowHTTPHosts are the hosts, as "host" or "host:port", that may be called
	// without TLS. None by default.
	AllowHTTPHosts []string
	// AllowedAddresses are exceptions from the addresses that are never called:
	// loopback, link-local, metadata services, multicast and unspecified ones.
	// They are checked at the moment of dialling, on what the name resolved to.
	AllowedAddresses []netip.Prefix
	// Clock is what the time is read from; required. Deadlines are of real time.
	Clock clock.PassiveClock
	// Observer is called after each request; optional.
	Observer Observer
	// CallTimeout bounds each HTTP request from connecting to the last byte.
	CallTimeout time.Duration
	// PairTimeout is added to it for each permission pair that a call writes.
	// Measured: 14 ms for a pair that Airflow has not stored before, 8 ms for a
	// removal; the default is twice that.
	PairTimeout time.Duration
	// ConnectTimeout bounds connecting, and the TLS handshake after it.
	ConnectTimeout time.Duration
	// MaxBody bounds the bytes read of one answer.
	MaxBody int64
	// UserAgent is the value of that header.
	UserAgent string
}

func (c *Config) setDefaults() {
	if c.CallTimeout <= 0 {
		c.CallTimeout = DefaultCallTimeout
	}
	if c.PairTimeout <= 0 {
		c.PairTimeout = DefaultPairTimeout
	}
	if c.ConnectTimeout <= 0 {
		c.ConnectTimeout = DefaultConnectTimeout
	}
	if c.MaxBody <= 0 {
		c.MaxBody = DefaultMaxBody
	}
	if c.UserAgent == "" {
		c.UserAgent = DefaultUserAgent
	}
}

func invalid(detail string) *Error { return &Error{Cause: CauseInvalid, Detail: detail} }

func (c *Config) validate() (*url.URL, error) {
	if c.Clock == nil {
		return nil, invalid("a clock is required")
	}
	u, err := ParseURL(c.URL)
	if err != nil {
		return nil, err
	}
	if u.Scheme == "http" && !AllowsHTTP(c.AllowHTTPHosts, u) {
		return nil, invalid("http is not allowed for this host; use https, or allow the host where the operator is installed")
	}
	return u, c.Credentials.validate()
}

// validate wants an account to have one way to make itself known, and no way without an account.
func (c Credentials) validate() error {
	switch {
	case c.Bearer == nil && c.Exchange:
		return invalid("there is no source of the token to exchange")
	case c.Bearer == nil && (c.Username == "") != (c.Password == ""):
		return invalid("username and password belong together; one of them is empty")
	case c.Bearer == nil:
		return nil
	case c.Username == "":
		return invalid("a token needs the name of its account in Airflow")
	case c.Password != "":
		return invalid("there are a password and a source of tokens; one is enough")
	}
	return nil
}
