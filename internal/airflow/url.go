package airflow

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// ParseURL reads and normalises the address of an Airflow: scheme http or
// https and host in lower case, default port and closing dots and slashes
// removed, a path prefix kept. An address with user information, query or
// fragment, and a prefix with escapes, empty or dot segments is refused with
// [CauseInvalid]; the message does not repeat it.
func ParseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || len(raw) > 2048 {
		return nil, invalid("the url cannot be read")
	}
	u.Scheme = strings.ToLower(u.Scheme)
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, invalid("the url must begin with https:// or http://")
	case u.Opaque != "" || u.Hostname() == "":
		return nil, invalid("the url names no host")
	case u.User != nil:
		return nil, invalid("the url must not hold a user or a password")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(raw, "#"):
		return nil, invalid("the url must not hold a query or a fragment")
	}
	host, err := normalHost(u)
	if err != nil {
		return nil, err
	}
	prefix, err := normalPrefix(u)
	if err != nil {
		return nil, err
	}
	return &url.URL{Scheme: u.Scheme, Host: host, Path: prefix}, nil
}

// SameOrigin says whether two addresses name the same Airflow: scheme, host,
// port and path prefix are equal after [ParseURL]. It is false where either is
// not valid. A Secret's url must pass it against the url of the object that
// refers to the Secret, so that credentials go only where their owner says.
func SameOrigin(specURL, secretURL string) bool {
	a, errA := ParseURL(specURL)
	b, errB := ParseURL(secretURL)
	return errA == nil && errB == nil && *a == *b
}

func normalHost(u *url.URL) (string, error) {
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if host == "" || strings.ContainsFunc(host, func(r rune) bool { return !hostRune(r) }) {
		return "", invalid("the url's host holds characters that no host name has")
	}
	if address, err := netip.ParseAddr(host); err == nil {
		host = address.Unmap().String()
	}
	port := u.Port()
	if port == "" && strings.HasSuffix(u.Host, ":") {
		return "", invalid("the url's port is empty")
	}
	if port == "" || (u.Scheme == "https" && port == "443") || (u.Scheme == "http" && port == "80") {
		if strings.Contains(host, ":") {
			return "[" + host + "]", nil
		}
		return host, nil
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || strings.HasPrefix(port, "0") {
		return "", invalid("the url's port is none")
	}
	return net.JoinHostPort(host, port), nil
}

func hostRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("-._:", r)
}

func normalPrefix(u *url.URL) (string, error) {
	prefix := strings.TrimRight(u.Path, "/")
	if u.RawPath != "" || u.EscapedPath() != u.Path {
		return "", invalid("the url's path holds characters that need escaping")
	}
	for i, segment := range strings.Split(prefix, "/") {
		if segment == "." || segment == ".." || (i > 0 && segment == "") {
			return "", invalid("the url's path holds an empty or a dot segment")
		}
	}
	return prefix, nil
}

func allowsHTTP(hosts []string, u *url.URL) bool {
	return slices.ContainsFunc(hosts, func(host string) bool {
		host = strings.ToLower(host)
		return host == u.Host || host == u.Hostname()
	})
}

// escapeName encodes a name for one segment of a path. Dots are encoded where
// they are all of the name, so that nobody on the way takes them for a
// relative path.
func escapeName(name string) string {
	escaped := url.PathEscape(name)
	if strings.Trim(name, ".") == "" {
		return strings.ReplaceAll(escaped, ".", "%2E")
	}
	return escaped
}

// checkName refuses names that Airflow's paths cannot carry. Airflow stores a
// role named "a/b" and can then never again be asked for it.
func checkName(kind, name string) error {
	switch {
	case name == "":
		return invalid("the " + kind + "'s name is empty")
	case strings.Contains(name, "/"):
		return invalid("the " + kind + "'s name holds a slash, which Airflow's API cannot address")
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }):
		return invalid("the " + kind + "'s name holds control characters or is not UTF-8")
	case len(name) > 1024:
		return invalid("the " + kind + "'s name is too long")
	}
	return nil
}
