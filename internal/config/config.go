// Package config reads the operator's configuration file: what is too much for a flag. It is read once, at the start.
//
// The file is strict: an unknown field, a field that is there twice and a value of another type are errors, and every error
// names the field and its line. A new version of the format gets another apiVersion.
package config

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

const (
	// APIVersion of the file.
	APIVersion = "config.access.airflow-oam.dev/v1alpha1"
	// Kind of the file.
	Kind = "OperatorConfiguration"
)

// Configuration is the content of the file. The zero value is that of an operator without one.
type Configuration struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	// ConsoleURL is the address of a web page about requests and grants, to which notifications link; empty for none.
	ConsoleURL string `yaml:"consoleURL"`
	// Notifiers are told of events.
	Notifiers []Notifier `yaml:"notifiers"`

	// lines are where fields stand, by their path.
	lines map[string]int
}

// NotifierType says what a notifier speaks.
type NotifierType string

const (
	// Slack is an incoming webhook of Slack, or of another program that understands the same messages.
	Slack NotifierType = "Slack"
	// HTTP is a POST of a CloudEvent in JSON.
	HTTP NotifierType = "HTTP"
)

// Notifier is told of events.
type Notifier struct {
	// Name in the log and in metrics.
	Name string `yaml:"name"`
	// Type of the notifier.
	Type NotifierType `yaml:"type"`
	// URLFile holds the address, which is a secret. It is read again whenever something is sent, as the other files are.
	URLFile string `yaml:"urlFile"`
	// TokenFile holds a bearer token, for HTTP; empty for none.
	TokenFile string `yaml:"tokenFile"`
	// CAFile holds certificates in PEM that are trusted beside those of the system; empty for none.
	CAFile string `yaml:"caFile"`
	// AllowHTTP lets the address be one without TLS.
	AllowHTTP bool `yaml:"allowHTTP"`
	// Filter is an expression in CEL over the event; empty for every event.
	Filter string `yaml:"filter"`
	// Timeout of one request; 10s when unset.
	Timeout time.Duration `yaml:"timeout"`
}

const (
	defaultTimeout = 10 * time.Second
	maxTimeout     = time.Minute
	// maxSize is the greatest size of the file in bytes.
	maxSize = 1 << 20
	// maxNotifiers and maxFilter bound what is made of the file.
	maxNotifiers = 32
	maxFilter    = 4096
)

// Read reads the file at a path.
func Read(path string) (*Configuration, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // it was only read
	content, err := io.ReadAll(io.LimitReader(file, maxSize+1))
	if err != nil {
		return nil, err
	}
	configuration, err := Parse(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return configuration, nil
}

// Parse reads the content of the file. The error names every field that is wrong.
func Parse(content []byte) (*Configuration, error) {
	if len(content) > maxSize {
		return nil, fmt.Errorf("the file has more than %d bytes", maxSize)
	}
	c, err := decode(content)
	if err != nil {
		return nil, err
	}
	return c, c.complete()
}

// Problem gives an error about a field, with its line. The path of a field is such as notifiers[0].filter; where the field is
// not in the file, the line is that of the nearest field around it.
func (c *Configuration) Problem(field, format string, arguments ...any) error {
	return fmt.Errorf("line %d: %s: %w", c.line(field), field, fmt.Errorf(format, arguments...))
}

// complete checks values and sets those that have a default.
func (c *Configuration) complete() error {
	var problems []error
	if given := [2]string{c.APIVersion, c.Kind}; given != [2]string{APIVersion, Kind} {
		return c.Problem("apiVersion", "want apiVersion: %s and kind: %s", APIVersion, Kind)
	}
	if c.ConsoleURL != "" && !isAddress(c.ConsoleURL) {
		problems = append(problems, c.Problem("consoleURL", "want an address such as https://access.example.com, without query and fragment"))
	}
	if len(c.Notifiers) > maxNotifiers {
		problems = append(problems, c.Problem("notifiers", "want at most %d", maxNotifiers))
	}
	names := map[string]bool{}
	for i := range c.Notifiers {
		n := &c.Notifiers[i]
		if names[n.Name] {
			problems = append(problems, c.Problem(fmt.Sprintf("notifiers[%d].name", i), "another notifier has this name"))
		}
		names[n.Name] = true
		if n.Timeout == 0 {
			n.Timeout = defaultTimeout
		}
		for _, check := range checks {
			if problem := check.of(n); problem != "" {
				problems = append(problems, c.Problem(fmt.Sprintf("notifiers[%d].%s", i, check.field), "%s", problem))
			}
		}
	}
	return errors.Join(problems...)
}

// isAddress reports whether a text is an address to which a path can be added.
func isAddress(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return false
	}
	plain := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	return *u == plain && slices.Contains([]string{"https", "http"}, u.Scheme)
}

var notifierName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// checks are what the values of a notifier must be, by field. Each gives what is wrong, or nothing.
var checks = []struct {
	field string
	of    func(*Notifier) string
}{
	{"name", func(n *Notifier) string {
		return unless(notifierName.MatchString(n.Name), "want lower-case letters, digits and '-', at most 63")
	}},
	{"type", func(n *Notifier) string {
		return unless(slices.Contains([]NotifierType{Slack, HTTP}, n.Type), "want Slack or HTTP")
	}},
	{"urlFile", func(n *Notifier) string {
		return unless(filepath.IsAbs(n.URLFile), "want the path of a file that holds the address, such as a key of a mounted Secret")
	}},
	{"tokenFile", func(n *Notifier) string {
		if n.TokenFile != "" && n.Type == Slack {
			return "an incoming webhook has no token beside its address"
		}
		return optional(n.TokenFile)
	}},
	{"caFile", func(n *Notifier) string {
		return optional(n.CAFile)
	}},
	{"filter", func(n *Notifier) string {
		return unless(len(n.Filter) <= maxFilter, fmt.Sprintf("want at most %d characters", maxFilter))
	}},
	{"timeout", func(n *Notifier) string {
		return unless(n.Timeout >= time.Second && n.Timeout <= maxTimeout, "want a time from 1s to 1m, such as 10s")
	}},
}

// optional checks the path of a file that need not be there.
func optional(path string) string {
	if path == "" {
		return ""
	}
	return unless(filepath.IsAbs(path), "want an absolute path")
}

func unless(right bool, problem string) string {
	if right {
		return ""
	}
	return problem
}
