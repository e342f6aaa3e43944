package operator_test

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/airflow-oam/airflow-oam/hack/airflow/server"
)

// shapes of what nobody may see, whatever its value.
var shapes = map[string]*regexp.Regexp{
	"a token":   regexp.MustCompile(`eyJ[A-Za-z0-9_-]{20,}`),
	"a session": regexp.MustCompile(`[0-9a-f-]{36}\.[A-Za-z0-9_-]{20,}`),
	"a header":  regexp.MustCompile(`(?i)cookie|\b(basic|bearer) [A-Za-z0-9+/=_.-]{16,}`),
}

// silent looks for secrets in everything that the operator writes.
func (w *world) silent(t *testing.T) {
	g := NewWithT(t)
	log, err := os.ReadFile(w.OperatorLog)
	g.Expect(err).NotTo(HaveOccurred())
	objects, err := w.Kubectl(t.Context(), nil, "get", "airflow-access,events", "-A", "-o", "yaml", "--show-managed-fields")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(objects).To(ContainSubstring("kind: Event"))
	shape := "a token"
	if w.Airflow.Airflow2() {
		shape = "a session"
	}
	token, err := w.Airflow.Token(t.Context(), w.Account.Username, w.Account.Password)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(shapes[shape].MatchString(token)).To(BeTrue(), "the pattern knows the operator's own kind")

	secrets := w.secrets(t)
	for where, text := range map[string]string{"the log": string(log), "objects and events": objects, "metrics": w.exposed(t)} {
		for what, values := range secrets {
			for _, value := range values {
				g.Expect(strings.Contains(text, value)).To(BeFalse(), "%s in %s", what, where)
			}
		}
		text = strings.ReplaceAll(text, "httpcookie", "") // a part of the name of a metric of Go's own
		for what, shape := range shapes {
			g.Expect(shape.FindAllStringIndex(text, -1)).To(BeEmpty(), "%s in %s", what, where)
		}
	}
}

// secrets are values that the operator holds, in the ways in which they are written.
func (w *world) secrets(t *testing.T) map[string][]string {
	t.Helper()
	encoded := func(text string) []string {
		return []string{base64.RawStdEncoding.EncodeToString([]byte(text)), base64.RawURLEncoding.EncodeToString([]byte(text))}
	}
	user, password := w.Account.Username, w.Account.Password
	return map[string][]string{
		"the password":                    {password},
		"base64 of user and password":     encoded(user + ":" + password),
		"base64 of the password":          encoded(password),
		"a session's id, which is cookie": w.sessions(t),
	}
}

// sessions are the ids of all sessions that Airflow 2 stores, the operator's among them: a cookie begins with one.
func (w *world) sessions(t *testing.T) []string {
	t.Helper()
	if !w.Airflow.Airflow2() {
		return nil
	}
	g, ctx := NewWithT(t), t.Context()
	installed, err := server.Install(ctx, w.version, nil)
	g.Expect(err).NotTo(HaveOccurred())
	const script = `import sqlite3, sys
for row in sqlite3.connect(sys.argv[1]).execute("select session_id from session"):
    print(row[0].removeprefix("session:"))`
	out, err := exec.CommandContext(ctx, installed.Program("python"), "-c", script, filepath.Join(w.Airflow.Home, "airflow.db")).Output()
	g.Expect(err).NotTo(HaveOccurred())
	ids := strings.Fields(string(out))
	known, _, _ := strings.Cut(w.tokens["alice"], ".")
	g.Expect(ids).To(ContainElement(known))
	return ids
}
