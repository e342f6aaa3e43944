package options_test

import (
	"errors"
	"flag"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/airflow-oam/airflow-oam/internal/options"
)

func TestParse(t *testing.T) {
	var out strings.Builder
	o, err := options.Parse([]string{
		"--allow-http-host=airflow.dev", "--allow-http-host=localhost:8080", "--allow-address=127.0.0.0/8",
		"--instance-namespaces=a, b,", "--retention=48h", "--log-level=debug", "--leader-elect",
		"--service-account=oam/operator", "--token-audience=a=https://one.example.com", "--token-audience=a=https://two.example.com",
	}, &out)
	if err != nil {
		t.Fatal(err)
	}
	if len(o.AllowHTTPHosts) != 2 || len(o.AllowAddresses) != 1 || len(o.InstanceNamespaces) != 2 || o.InstanceNamespaces[1] != "b" {
		t.Errorf("lists: %+v", o)
	}
	if o.ServiceAccount.String() != "oam/operator" || len(o.TokenAudiences["a"]) != 2 {
		t.Errorf("identity: %+v", o)
	}
	if o.IdentityPolicy != "airflow-oam-identity" {
		t.Errorf("the policy by default: %s", o.IdentityPolicy)
	}
	if o.Retention != 48*time.Hour || o.LogLevel != slog.LevelDebug || !o.LeaderElect || o.Concurrency != 8 {
		t.Errorf("values: %+v", o)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, argument := range map[string]string{
		"a URL as a host":          "--allow-http-host=http://airflow.dev/",
		"an address without bits":  "--allow-address=127.0.0.1",
		"evidence kept too short":  "--retention=1m",
		"no concurrency":           "--airflow-concurrency=0",
		"an unknown log format":    "--log-format=xml",
		"an unknown log level":     "--log-level=loud",
		"an argument without flag": "serve",
		"an account alone":         "--service-account=airflow-oam",
		"an audience alone":        "--token-audience=airflow",
		"an audience and no URL":   "--token-audience=airflow=prod",
		"no policy":                "--identity-policy=",
		"a policy with a space":    "--identity-policy=airflow oam",
		"an unknown flag":          "--insecure",
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			if _, err := options.Parse([]string{argument}, &out); err == nil {
				t.Errorf("%s was accepted", argument)
			}
		})
	}
}

func TestHelpTeaches(t *testing.T) {
	var out strings.Builder
	if _, err := options.Parse([]string{"--help"}, &out); !errors.Is(err, flag.ErrHelp) {
		t.Fatalf("error %v, want flag.ErrHelp", err)
	}
	for _, want := range []string{"AirflowInstance", "-allow-http-host", "-retention", "-leader-elect"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("help does not name %s", want)
		}
	}
}
