package airflow

// Client calls one Airflow. It is safe for concurrent use. Its parts, each with the calls of one subject, share the
// connection, the token or session, and what is known about the server.
type Client struct {
	discovery
	accountAPI
	probeAPI
	roleAPI
	userAPI
	dagAPI

	wire *transport
}

// New makes a client; it calls nothing. Its errors have [CauseInvalid] and name
// the part of config that is wrong.
func New(config Config) (*Client, error) {
	config.setDefaults()
	base, err := config.validate()
	if err != nil {
		return nil, err
	}
	wire, err := newTransport(base, config)
	if err != nil {
		return nil, err
	}
	lists := newLists(newCaller(wire, config.Credentials))
	roles, users := roleAPI{lists}, userAPI{lists}
	return &Client{
		discovery: discovery{lists}, accountAPI: accountAPI{lists, roles, users}, probeAPI: probeAPI{roles},
		roleAPI: roles, userAPI: users, dagAPI: dagAPI{lists}, wire: wire,
	}, nil
}

// String names the address only.
func (c *Client) String() string { return "airflow at " + c.URL() }

// GoString is [Client.String], so that no way of printing shows secrets.
func (c *Client) GoString() string { return c.String() }

// URL is the normalised address.
func (c *Client) URL() string { return c.wire.base.String() }

// Close ends idle connections. The client can still be used.
func (c *Client) Close() { c.wire.http.CloseIdleConnections() }
