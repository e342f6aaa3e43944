package airflow

import (
	"errors"
	"net/netip"
	"slices"
	"syscall"
)

// errBlocked is the error of the dialler. It does not name the address, so that
// the operator cannot be used to resolve names.
var errBlocked = errors.New("the name resolves to a loopback, link-local, metadata, multicast or unspecified address")

// never are the networks that are not called: of this machine, of the link, of groups, and the metadata services of
// clouds.
var never = prefixes(
	"0.0.0.0/8", "::/128", // unspecified
	"127.0.0.0/8", "::1/128", // loopback
	"169.254.0.0/16", "fe80::/10", // link-local, with most metadata services
	"224.0.0.0/4", "ff00::/8", // multicast
	"255.255.255.255/32", // broadcast
	"fd00:ec2::254/128",  // AWS, metadata
	"fd00:ec2::23/128",   // AWS, pods' credentials
	"fd20:ce::254/128",   // Google Cloud, metadata
	"168.63.129.16/32",   // Azure, metadata
	"100.100.100.200/32", // Alibaba Cloud, metadata
	"192.0.0.192/32",     // Oracle Cloud, metadata
)

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, 0, len(texts))
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

// Prefixes in which an IPv6 address carries an IPv4 one.
var (
	nat64     = netip.MustParsePrefix("64:ff9b::/96")
	nat64Own  = netip.MustParsePrefix("64:ff9b:1::/48") // RFC 8215; a network cuts its own prefixes out of it
	siit      = netip.MustParsePrefix("::ffff:0:0:0/96")
	sixToFour = netip.MustParsePrefix("2002::/16")
	mapped    = netip.MustParsePrefix("::/96")
	thisNet   = netip.MustParsePrefix("0.0.0.0/8")
)

// DialControl returns the function that the dialler calls with each address before
// it connects.
func DialControl(allowed []netip.Prefix) func(network, address string, _ syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil || blocked(ap.Addr(), allowed) {
			return errBlocked
		}
		return nil
	}
}

// blocked says whether an address, or an IPv4 address inside it, is in one of the networks that are never called, and in
// none that is allowed.
func blocked(a netip.Addr, allowed []netip.Prefix) bool {
	a = a.WithZone("").Unmap()
	if inAny(a, allowed) {
		return false
	}
	return inAny(a, never) || slices.ContainsFunc(embedded(a), func(inner netip.Addr) bool { return blocked(inner, allowed) })
}

func inAny(a netip.Addr, networks []netip.Prefix) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a) })
}

// embedded returns the IPv4 addresses inside an IPv6 address.
func embedded(a netip.Addr) []netip.Addr {
	if !a.Is6() {
		return nil
	}
	b := a.As16()
	last := netip.AddrFrom4([4]byte(b[12:16]))
	switch {
	case nat64.Contains(a), mapped.Contains(a), siit.Contains(a):
		return []netip.Addr{last}
	case nat64Own.Contains(a): // by its own 48 bits or by a prefix of 96 bits, see RFC 6052
		var out []netip.Addr
		for _, inner := range []netip.Addr{last, netip.AddrFrom4([4]byte{b[6], b[7], b[9], b[10]})} {
			if !thisNet.Contains(inner) { // nothing is there: it is the other form
				out = append(out, inner)
			}
		}
		return out
	case sixToFour.Contains(a):
		return []netip.Addr{netip.AddrFrom4([4]byte(b[2:6]))}
	}
	return nil
}
