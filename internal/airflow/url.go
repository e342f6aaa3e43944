package airflow

import (
	"net"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/airflow-oam/airflow-oam/internal/text"
)

// defaultPorts are the ports of the schemes that can be called.
var defaultPorts = map[string]string{"https": "443", "http": "80"}

// hostText is what names and addresses of hosts are made of, in lower case.
var hostText = regexp.MustCompile(`^[a-z0-9._:-]+$`)

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
	case defaultPorts[u.Scheme] == "":
		return nil, invalid("the url must begin with https:// or http://")
	case u.Opaque != "", u.Hostname() == "":
		return nil, invalid("the url names no host")
	case u.User != nil:
		return nil, invalid("the url must not hold a user or a password")
	case strings.ContainsAny(raw, "?#"):
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
	a, err := ParseURL(specURL)
	if err != nil {
		return false
	}
	b, err := ParseURL(secretURL)
	return err == nil && *a == *b
}

// normalHost returns host and port in the one form that is compared.
func normalHost(u *url.URL) (string, error) {
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if !hostText.MatchString(host) {
		return "", invalid("the url's host holds characters that no host name has")
	}
	if address, err := netip.ParseAddr(host); err == nil {
		host = address.Unmap().String()
	}
	port := u.Port()
	switch port {
	case "":
		if strings.HasSuffix(u.Host, ":") {
			return "", invalid("the url's port is empty")
		}
		return bracketed(host), nil
	case defaultPorts[u.Scheme]:
		return bracketed(host), nil
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil || strings.HasPrefix(port, "0") {
		return "", invalid("the url's port is none")
	}
	return net.JoinHostPort(host, port), nil
}

// bracketed is a host as it stands in a url without a port.
func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// normalPrefix returns the path without slashes at its end.
func normalPrefix(u *url.URL) (string, error) {
	prefix := strings.TrimRight(u.Path, "/")
	switch {
	case u.RawPath != "", u.EscapedPath() != u.Path:
		return "", invalid("the url's path holds characters that need escaping")
	case prefix != "" && path.Clean(prefix) != prefix:
		return "", invalid("the url's path holds an empty or a dot segment")
	}
	return prefix, nil
}

// AllowsHTTP says whether an address may be called without TLS: hosts has its host, with its port or without.
func AllowsHTTP(hosts []string, u *url.URL) bool {
	return slices.ContainsFunc(hosts, func(host string) bool {
		switch strings.ToLower(host) {
		case u.Host, u.Hostname():
			return true
		}
		return false
	})
}

// escapeName encodes a name for one segment of a path. Dots are encoded where
// they are all of the name, so that no proxy regards them as a
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
	if why := text.Unaddressable(name); why != "" {
		return invalid("the " + kind + "'s name " + why + ", so that Airflow's API cannot address it")
	}
	return nil
}
