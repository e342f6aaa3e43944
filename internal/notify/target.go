package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/airflow-oam/airflow-oam/internal/config"
)

const (
	// maxFile and maxAnswer bound what is read, in bytes.
	maxFile   = 256 << 10
	maxAnswer = 16 << 10
	// maxAddress is the greatest length of an address and of a token in bytes.
	maxAddress = 8 << 10
)

// target is where a notifier sends to. Its files are read for each request, so that a Secret that changes has an effect
// without a restart. It is used by one goroutine.
type target struct {
	settings config.Notifier
	// write makes the body of a request, of a media type.
	write func(Event) ([]byte, error)
	media string
	// client trusts roots, and is made again when they change.
	client *http.Client
	roots  []byte
}

func newTarget(settings config.Notifier) *target {
	if settings.Type == config.Slack {
		return &target{settings: settings, write: asSlack, media: "application/json; charset=utf-8"}
	}
	return &target{settings: settings, write: asCloudEvent, media: cloudEventMedia}
}

// send makes one try.
func (t *target) send(ctx context.Context, e Event, now time.Time) *failure {
	ctx, cancel := context.WithTimeout(ctx, t.settings.Timeout)
	defer cancel()
	request, bad := t.request(ctx, e)
	if bad != nil {
		return bad
	}
	if bad := t.trust(); bad != nil {
		return bad
	}
	response, err := t.client.Do(request)
	if err != nil {
		return unanswered(err)
	}
	defer response.Body.Close() //nolint:errcheck // what matters was read
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return unanswered(err)
	}
	return answered(response.StatusCode, strings.TrimSpace(string(body)), response.Header.Get("Retry-After"), now)
}

// request makes the request for an event.
func (t *target) request(ctx context.Context, e Event) (*http.Request, *failure) {
	address, bad := t.address()
	if bad != nil {
		return nil, bad
	}
	body, err := t.write(e)
	if err != nil {
		return nil, &failure{words: "the event cannot be written", final: true}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, &failure{words: "urlFile holds no address"}
	}
	request.Header.Set("Content-Type", t.media)
	request.Header.Set("User-Agent", "airflow-oam")
	if t.settings.TokenFile != "" {
		token, bad := line("tokenFile", t.settings.TokenFile)
		if bad != nil {
			return nil, bad
		}
		request.Header.Set("Authorization", "Bearer "+token)
	}
	return request, nil
}

// address reads the address.
func (t *target) address() (string, *failure) {
	content, bad := line("urlFile", t.settings.URLFile)
	if bad != nil {
		return "", bad
	}
	u, err := url.Parse(content)
	switch {
	case err != nil, u.Host == "":
		return "", &failure{words: "urlFile holds no address"}
	case u.User != nil:
		return "", &failure{words: "urlFile holds an address with a user name: use tokenFile"}
	case u.Scheme == "https", u.Scheme == "http" && t.settings.AllowHTTP:
		return content, nil
	}
	return "", &failure{words: "urlFile holds an address without https, see allowHTTP"}
}

// trust makes the client, and makes it again when the trusted certificates changed.
func (t *target) trust() *failure {
	var roots []byte
	if t.settings.CAFile != "" {
		var bad *failure
		if roots, bad = content("caFile", t.settings.CAFile); bad != nil {
			return bad
		}
	}
	if t.client != nil && bytes.Equal(roots, t.roots) {
		return nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if t.settings.CAFile != "" && !pool.AppendCertsFromPEM(roots) {
		return &failure{words: "caFile holds no certificate in PEM"}
	}
	t.close()
	t.roots, t.client = roots, &http.Client{
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment, // chat services are often behind one
			DialContext:            (&net.Dialer{Timeout: t.settings.Timeout}).DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool},
			TLSHandshakeTimeout:    t.settings.Timeout,
			ForceAttemptHTTP2:      true,
			MaxIdleConns:           1,
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: maxAnswer,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return nil
}

func (t *target) close() {
	if t.client != nil {
		t.client.CloseIdleConnections()
	}
}

// line reads a file of one line, which is a secret.
func line(field, path string) (string, *failure) {
	read, bad := content(field, path)
	if bad != nil {
		return "", bad
	}
	text := strings.TrimSpace(string(read))
	switch {
	case text == "":
		return "", &failure{words: field + ": the file is empty"}
	case len(text) > maxAddress, strings.ContainsFunc(text, unprintable):
		return "", &failure{words: field + ": want one line of text in the file"}
	}
	return text, nil
}

func unprintable(r rune) bool { return r <= ' ' || r >= 0x7f }

// content reads a file. The error of the system names the path, which is no secret.
func content(field, path string) ([]byte, *failure) {
	file, err := os.Open(path)
	if err != nil {
		return nil, &failure{words: fmt.Sprintf("%s: %v", field, err)}
	}
	defer file.Close() //nolint:errcheck // it was only read
	read, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return nil, &failure{words: fmt.Sprintf("%s: %v", field, err)}
	}
	return read, nil
}
