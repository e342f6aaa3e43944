package airflow

import (
	"io"
	"net/http"
	"net/url"
	"strings"
)

// page is an answer of Airflow that is meant for people.
type page struct {
	status   int
	location string // where a redirect leads
	text     string // its beginning
}

// readPage reads as much of an answer as a sign-in page has.
func readPage(resp *http.Response) page {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // a part says less, and is not wrong
	return page{status: resp.StatusCode, location: resp.Header.Get("Location"), text: string(body)}
}

// Parts of the sign-in page, measured on fab 3.10.2 (test/signon) and the same in earlier releases.
const (
	partPasswordField = `type="password"`
	partProvider      = `id="btn-signin-`
)

// withoutPassword says whether a sign-in page offers other ways to sign in than a password: buttons of providers (OAuth), or
// nothing, since a proxy signs people in and the page leads them on (remote user). prefix is the path of Airflow.
func (p page) withoutPassword(prefix string) bool {
	switch {
	case p.status == http.StatusFound:
		to, err := url.Parse(p.location)
		return err == nil && to.Path == prefix+"/auth/"
	case p.status != http.StatusOK, strings.Contains(p.text, partPasswordField):
		return false
	}
	return strings.Contains(p.text, partProvider)
}
