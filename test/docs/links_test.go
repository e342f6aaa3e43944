package docs

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestLinksLeadSomewhere(t *testing.T) {
	known := map[string]map[string]bool{}
	all := pages(t)
	for _, p := range all {
		known[p.path] = p.anchors()
	}
	checked := 0
	for _, p := range all {
		for _, line := range p.prose {
			for _, match := range link.FindAllStringSubmatch(codeSpan.ReplaceAllString(line, ""), -1) {
				target, err := url.Parse(match[1])
				switch {
				case err != nil:
					t.Errorf("%s: the link %s cannot be read: %v", p.path, match[1], err)
				case target.Scheme == "":
					checked++
					follow(t, known, p.path, target)
				case target.Scheme != "https":
					t.Errorf("%s: the link %s is not https", p.path, match[1])
				}
			}
		}
	}
	if checked < 50 {
		t.Errorf("only %d links inside the repository were found", checked)
	}
}

// follow looks for the file and the heading of a link.
func follow(t *testing.T, known map[string]map[string]bool, from string, target *url.URL) {
	t.Helper()
	to := from
	if target.Path != "" {
		to = filepath.ToSlash(filepath.Join(filepath.Dir(from), filepath.FromSlash(target.Path)))
	}
	if strings.HasPrefix(to, "..") {
		t.Errorf("%s: the link %s leaves the repository", from, target)
		return
	}
	if _, err := os.Stat(filepath.Join(root(t), filepath.FromSlash(to))); err != nil {
		t.Errorf("%s: the link %s leads nowhere", from, target)
		return
	}
	if target.Fragment == "" {
		return
	}
	if anchors, page := known[to]; !page || !anchors[target.Fragment] {
		t.Errorf("%s: there is no heading #%s in %s", from, target.Fragment, to)
	}
}

// Outputs of commands are no promise: they change with what is there.
func TestOutputsAreMarkedAsExamples(t *testing.T) {
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if b.language == "" {
				t.Errorf("%s:%d: the code block says no language; outputs are text", p.path, b.line-1)
			}
		}
		content, err := os.ReadFile(filepath.Join(root(t), filepath.FromSlash(p.path)))
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(string(content), "\n```text\n")
		for _, before := range parts[:len(parts)-1] {
			lines := strings.Split(strings.TrimSpace(before), "\n")
			if !strings.HasPrefix(lines[len(lines)-1], "An example") {
				t.Errorf("%s: the output after %q is not marked as an example", p.path, lines[len(lines)-1])
			}
		}
	}
}
