package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/airflow-oam/airflow-oam/internal/config"
)

const head = "apiVersion: config.access.airflow-oam.dev/v1alpha1\nkind: OperatorConfiguration\n"

func TestReadsAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	content := head + `consoleURL: https://access.example.com
notifiers:
- name: team
  type: Slack
  urlFile: /etc/airflow-oam/secrets/notify/slack
  filter: event.emergency
- name: itsm
  type: HTTP
  urlFile: /etc/airflow-oam/secrets/notify/itsm
  tokenFile: /etc/airflow-oam/secrets/notify/token
  timeout: 3s
`
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Notifiers) != 2 || c.Notifiers[0].Timeout != 10*time.Second || c.Notifiers[1].Timeout != 3*time.Second {
		t.Errorf("%+v", c)
	}
	if c.ConsoleURL != "https://access.example.com" || c.Notifiers[0].Type != config.Slack || c.Notifiers[1].TokenFile == "" {
		t.Errorf("%+v", c)
	}
}

func TestRefusesAndNamesTheFieldAndItsLine(t *testing.T) {
	notifier := head + "notifiers:\n- name: team\n  type: Slack\n  urlFile: /url\n"
	for name, c := range map[string]struct{ content, want string }{
		"an empty file":           {"", "the file is empty"},
		"another kind":            {"apiVersion: v1\nkind: ConfigMap\n", "line 1: apiVersion: want apiVersion: config.access.airflow-oam.dev/v1alpha1"},
		"a newer version":         {"apiVersion: config.access.airflow-oam.dev/v1\nkind: OperatorConfiguration\n", "line 1: apiVersion"},
		"an unknown field":        {head + "notifier: []\n", "line 3: notifier: there is no such field"},
		"an unknown field inside": {notifier + "  url: https://hooks.example.com/x\n", "line 7: notifiers[0].url: there is no such field"},
		"a field twice":           {notifier + "  type: HTTP\n", `line 7: mapping key "type" already defined at line 5`},
		"another type":            {head + "notifiers: team\n", "line 3: notifiers: want a list"},
		"no YAML":                 {head + "notifiers: [\n", "line"},
		"two documents":           {head + "---\n" + head, "second"},
		"a console that is none":  {head + "consoleURL: access\n", "line 3: consoleURL: want an address"},
		"no name":                 {head + "notifiers:\n- type: Slack\n  urlFile: /url\n", "line 4: notifiers[0].name"},
		"another notifier type":   {head + "notifiers:\n- name: team\n  type: IRC\n  urlFile: /url\n", "line 5: notifiers[0].type: want Slack or HTTP"},
		"no address":              {head + "notifiers:\n- name: team\n  type: Slack\n", "line 4: notifiers[0].urlFile"},
		"a relative path":         {head + "notifiers:\n- name: team\n  type: Slack\n  urlFile: url\n", "line 6: notifiers[0].urlFile"},
		"a token for a webhook":   {notifier + "  tokenFile: /token\n", "line 7: notifiers[0].tokenFile"},
		"a timeout without unit":  {notifier + "  timeout: 10\n", "line 7: notifiers[0].timeout: want a time such as 10s"},
		"a long timeout":          {notifier + "  timeout: 1h\n", "line 7: notifiers[0].timeout"},
		"a flag in words":         {notifier + "  allowHTTP: sometimes\n", "line 7: notifiers[0].allowHTTP: want true or false"},
		"a notifier as text":      {head + "notifiers: [team]\n", "line 3: notifiers[0]: want fields"},
		"a long filter":           {notifier + "  filter: '" + strings.Repeat("x", 5000) + "'\n", "line 7: notifiers[0].filter"},
		"a name twice":            {notifier + "- name: team\n  type: Slack\n  urlFile: /url\n", "line 7: notifiers[1].name"},
		"a large file":            {head + "# " + strings.Repeat("x", 1<<20), "more than"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Parse([]byte(c.content))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one that says %q", err, c.want)
			}
		})
	}
}

// Every problem is told at once, so that a file is not corrected one start after another.
func TestTellsEveryProblem(t *testing.T) {
	_, err := config.Parse([]byte(head + "consoleURL: x\nnotifiers:\n- name: UPPER\n  type: IRC\n"))
	if err == nil {
		t.Fatal("the file was accepted")
	}
	for _, want := range []string{"line 3: consoleURL", "line 5: notifiers[0].name", "line 6: notifiers[0].type", "notifiers[0].urlFile"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}
