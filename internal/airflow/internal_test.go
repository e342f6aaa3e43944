package airflow

import (
	"encoding/base64"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	clocktesting "k8s.io/utils/clock/testing"
)

func TestF75AddressesThatAreNeverCalled(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1": true, "127.8.9.1": true, "::1": true, "::ffff:127.0.0.1": true, "::127.0.0.1": true,
		"0.0.0.0": true, "0.1.2.3": true, "::": true,
		"169.254.169.254": true, "169.254.170.2": true, "fe80::1": true, "fe80::1%eth0": true, "::ffff:169.254.169.254": true,
		"fd00:ec2::254": true, "fd00:ec2::23": true, "fd20:ce::254": true, "168.63.129.16": true, "100.100.100.200": true,
		"64:ff9b::169.254.169.254": true, "64:ff9b::7f00:1": true, "2002:7f00:1::": true, "2002:a9fe:a9fe::1": true,
		"64:ff9b:1::169.254.169.254": true, "64:ff9b:1:a9fe:a9:fe00::": true, "64:ff9b:1:7f00:0:100::": true, "::ffff:0:127.0.0.1": true,
		"64:ff9b:1::8.8.8.8": false, "64:ff9b:1:808:8:800::": false, "::ffff:0:8.8.8.8": false,
		"224.0.0.1": true, "ff02::1": true, "255.255.255.255": true,
		"10.0.0.1": false, "172.16.0.1": false, "192.168.1.1": false, "fd12:3456::1": false, "8.8.8.8": false,
		"64:ff9b::808:808": false, "2001:db8::1": false, "100.64.0.1": false,
	} {
		if got := blocked(netip.MustParseAddr(address), nil); got != want {
			t.Errorf("%s: blocked %v, want %v", address, got, want)
		}
	}
	allowed := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	for address, want := range map[string]bool{"127.0.0.1": false, "::ffff:127.0.0.1": false, "127.0.0.2": true, "169.254.169.254": true} {
		if got := blocked(netip.MustParseAddr(address), allowed); got != want {
			t.Errorf("%s with an exception: blocked %v, want %v", address, got, want)
		}
	}
	if DialControl(nil)("tcp", "no address", nil) == nil {
		t.Error("what is no address is dialled")
	}
}

func TestTransportIgnoresProxiesAndOldTLS(t *testing.T) {
	c, err := New(Config{URL: "https://airflow.example.com", Clock: clocktesting.NewFakePassiveClock(time.Unix(0, 0))})
	if err != nil {
		t.Fatal(err)
	}
	transport := c.wire.http.Transport.(*http.Transport)
	if transport.Proxy != nil {
		t.Error("there is a proxy")
	}
	if transport.TLSClientConfig.MinVersion < 0x0303 || transport.TLSClientConfig.InsecureSkipVerify {
		t.Error("TLS is too weak")
	}
}

func TestSecretsAreTakenOutOfDetails(t *testing.T) {
	r := request{auth: &token{secrets: []string{"eyJ.abc.def"}}, body: loginBody{Username: "u", Password: "pass word"}}
	if got, want := hide("no eyJ.abc.def for pass word", r), "no [hidden] for [hidden]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A server may repeat the request in its error, whole or cut, in any encoding of a text, and its text is cut after that.
func TestK10PartsOfSecretsAreHiddenBeforeTextsAreCut(t *testing.T) {
	const password, bearer = "correct-horse-battery+1", "eyJhbGciOi.J9.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
	r := request{auth: &token{secrets: []string{bearer}}, body: loginBody{Username: "u", Password: password}}
	for name, test := range map[string]struct{ body, want string }{
		"whole":                  {`{"detail":"login u correct-horse-battery+1 refused"}`, "login u [hidden] refused"},
		"cut at its end":         {`{"detail":"login u correct-horse-batt"}`, "login u [hidden]"},
		"cut at its begin":       {`{"detail":"...horse-battery+1 refused"}`, "...[hidden] refused"},
		"cut at both ends":       {`{"detail":"...OiJ9 lnbmF0dXJlLW9mLX..."}`, "...OiJ9 [hidden]..."},
		"twice":                  {`{"detail":"horse-battery, horse-battery"}`, "[hidden], [hidden]"},
		"escaped for a URL":      {`{"detail":"q=correct-horse-battery%2B1"}`, "q=[hidden]"},
		"escaped in JSON":        {`{"detail":"correct\u002dhorse-battery+1"}`, "[hidden]"},
		"in a field":             {`{"detail":[{"loc":["body","correct-horse-battery"],"msg":"no horse-battery"}]}`, "body.[hidden]: no [hidden]"},
		"in the title":           {`{"title":"correct-horse-battery+1"}`, "[hidden]"},
		"eight bytes are a part": {`{"detail":"the horse-ba is one"}`, "the [hidden] is one"},
		"short words are shown":  {`{"detail":"horse and battery"}`, "horse and battery"},
	} {
		t.Run(name, func(t *testing.T) {
			got := readDetail([]byte(test.body), func(text string) string { return hide(text, r) })
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestLifetimeIsReadFromTheToken(t *testing.T) {
	jwt := func(claims string) string {
		return "x." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".y"
	}
	for token, want := range map[string]time.Duration{
		jwt(`{"iat":1000,"exp":4600}`):   time.Hour,
		jwt(`{"iat":1000.5,"exp":1001}`): 500 * time.Millisecond,
		jwt(`{"iat":1000,"exp":1000}`):   unknownLifetime,
		jwt(`{"iat":1000,"exp":-1}`):     unknownLifetime,
		jwt(`{"iat":1,"exp":1e300}`):     unknownLifetime,
		jwt(`{"exp":4600}`):              unknownLifetime,
		jwt(`[]`):                        unknownLifetime,
		"opaque":                         unknownLifetime,
		"a.%%%.c":                        unknownLifetime,
	} {
		if got := lifetime(token); got != want {
			t.Errorf("%s: %v, want %v", token, got, want)
		}
	}
}

func TestF74SameOrigin(t *testing.T) {
	const spec = "https://airflow.example.com/team-a"
	for secret, want := range map[string]bool{
		"https://airflow.example.com/team-a":          true,
		"https://airflow.example.com/team-a/":         true,
		"HTTPS://Airflow.Example.COM:443/team-a":      true,
		"https://airflow.example.com./team-a":         true,
		"https://airflow.example.com":                 false,
		"https://airflow.example.com/team-b":          false,
		"https://airflow.example.com/team-a/b":        false,
		"https://airflow.example.com/Team-A":          false,
		"http://airflow.example.com/team-a":           false,
		"https://airflow.example.com:8443/team-a":     false,
		"https://airflow.example.com.evil.org/team-a": false,
		"https://evil.org/airflow.example.com/team-a": false,
		"https://airflow.example.com@evil.org/team-a": false,
		"https://airflow.example.com/x/../team-a":     false,
		"https://airflow.example.com/team%2Da":        false,
		"https://airflow.example.com//team-a":         false,
		"https://airflow.example.com/team-a?x":        false,
		"https://airflow.example.com/team-a#x":        false,
		"https://аirflow.example.com/team-a":          false, // a Cyrillic letter
		"":                                            false,
		"airflow.example.com/team-a":                  false,
	} {
		if got := SameOrigin(spec, secret); got != want {
			t.Errorf("%q: %v, want %v", secret, got, want)
		}
	}
	if SameOrigin("", "") || SameOrigin("https://u:p@a", "https://u:p@a") {
		t.Error("addresses that are not valid are the same")
	}
}

func TestURLsAreNormalised(t *testing.T) {
	for raw, want := range map[string]string{
		"https://A.example:443/x/":       "https://a.example/x",
		"http://a.example:80":            "http://a.example",
		"http://a.example:8080/":         "http://a.example:8080",
		"https://[2001:DB8::1]:443/":     "https://[2001:db8::1]",
		"https://[2001:db8:0:0::1]:8443": "https://[2001:db8::1]:8443",
		"https://[::ffff:10.0.0.1]":      "https://10.0.0.1",
	} {
		got, err := ParseURL(raw)
		if err != nil || got.String() != want {
			t.Errorf("%s: %v, %v, want %s", raw, got, err, want)
		}
	}
	for _, raw := range []string{"https://", "https:///x", "https://a:", "https://a:0", "https://a:99999999", "https:a", "https://a b", "//a", "https://a/%2e%2e", "https://a\x00"} {
		if got, err := ParseURL(raw); !IsInvalid(err) {
			t.Errorf("%q is read as %v, %v", raw, got, err)
		}
	}
}

func TestNamesOfDotsAreEscaped(t *testing.T) {
	for name, want := range map[string]string{
		".": "%2E", "..": "%2E%2E", "a..b": "a..b", "a b": "a%20b", "100%": "100%25", "a?#b": "a%3F%23b", "ü": "%C3%BC",
	} {
		if got := escapeName(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestF76EveryMessageIsBounded(t *testing.T) {
	e := &Error{Cause: CauseInvalid, Method: "GET", Endpoint: "/x", Detail: "a\nb\u202e" + strings.Repeat("ü", 1000), Maybe: true}
	if got := e.Error(); len(got) > 512 || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) || !utf8.ValidString(got) {
		t.Errorf("%q", got)
	}
}
