package airflow

import (
	"errors"
	"net/netip"
	"slices"
	"syscall"
)

// errBlocked is what the dialler fails with; it does not tell the address, so
// that the operator cannot be used to look names up.
var errBlocked = errors.New("the name resolves to a loopback, link-local, metadata, multicast or unspecified address")

// metadata are addresses of clouds' metadata services that no class covers.
var metadata = []netip.Addr{
	netip.MustParseAddr("fd00:ec2::254"),   // AWS
	netip.MustParseAddr("fd00:ec2::23"),    // AWS, pods' credentials
	netip.MustParseAddr("fd20:ce::254"),    // Google Cloud
	netip.MustParseAddr("168.63.129.16"),   // Azure
	netip.MustParseAddr("100.100.100.200"), // Alibaba Cloud
	netip.MustParseAddr("192.0.0.192"),     // Oracle Cloud
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

// control gives the function that the dialler calls with each address before
// it connects.
func control(allowed []netip.Prefix) func(network, address string, _ syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil || blocked(ap.Addr(), allowed) {
			return errBlocked
		}
		return nil
	}
}

func blocked(a netip.Addr, allowed []netip.Prefix) bool {
	a = a.WithZone("").Unmap()
	if slices.ContainsFunc(allowed, func(p netip.Prefix) bool { return p.Contains(a) }) {
		return false
	}
	if slices.ContainsFunc(embedded(a), func(inner netip.Addr) bool { return blocked(inner, allowed) }) {
		return true
	}
	return a.IsLoopback() || a.IsUnspecified() || a.IsMulticast() || a.IsLinkLocalUnicast() ||
		thisNet.Contains(a) || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) || slices.Contains(metadata, a)
}

// embedded gives the IPv4 addresses that a may carry.
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
