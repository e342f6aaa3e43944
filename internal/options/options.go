// Package options reads the operator's command line.
package options

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	kubeconfig "sigs.k8s.io/controller-runtime/pkg/client/config"
)

// Options are the settings of the operator.
type Options struct {
	MetricsAddress, ProbeAddress string
	LeaderElect                  bool
	LeaderElectionNamespace      string
	// InstanceNamespaces are the namespaces whose AirflowInstances are served, by Secrets there; empty means all.
	InstanceNamespaces []string
	AllowHTTPHosts     []string
	AllowAddresses     []netip.Prefix
	AllowPrivileged    bool
	// ServiceAccount is the operator's own account, and TokenAudiences are the addresses that tokens of it may be sent to, by
	// audience.
	ServiceAccount types.NamespacedName
	TokenAudiences map[string][]string
	// IdentityPolicy names the ValidatingAdmissionPolicy that checks names on AccessRequests, and its binding.
	IdentityPolicy string
	// Retention is how long an ended grant stays that no Git tool keeps.
	Retention time.Duration
	// Concurrency is how many requests to one Airflow are under way at once.
	Concurrency int
	LogLevel    slog.Level
	LogFormat   string
	// Config is the path of the configuration file; empty for none.
	Config  string
	Version bool
}

var (
	accountText  = regexp.MustCompile(`^[^/]+/[^/]+$`)
	audienceText = regexp.MustCompile(`^[^=]+=https?://.+$`)
	policyText   = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`)
)

const usage = `airflow-oam governs access to Apache Airflow: who may do what to which DAGs, for how long.

It watches AirflowInstance, DagAccessPolicy, AccessGrant and AccessRequest objects, makes Airflow's roles say what they say, and takes
access away on time. It is usually installed by its Helm chart, which sets these flags:

`

// Parse reads the command line. Help goes to output and gives flag.ErrHelp; other errors say which flag is wrong.
func Parse(arguments []string, output io.Writer) (Options, error) {
	o := Options{}
	set := flag.NewFlagSet("airflow-oam", flag.ContinueOnError)
	set.SetOutput(output)
	set.Usage = func() {
		_, _ = io.WriteString(output, usage)
		set.PrintDefaults()
	}
	kubeconfig.RegisterFlags(set) // --kubeconfig, for runs outside a cluster
	set.StringVar(&o.MetricsAddress, "metrics-bind-address", ":8080", "`address` for Prometheus metrics; 0 turns them off")
	set.StringVar(&o.ProbeAddress, "health-probe-bind-address", ":8081", "`address` for /healthz and /readyz")
	set.BoolVar(&o.LeaderElect, "leader-elect", false, "only one of several replicas works, by a Lease")
	set.StringVar(&o.LeaderElectionNamespace, "leader-election-namespace", "", "`namespace` of that Lease; the pod's own when empty")
	set.Func("instance-namespaces", "`namespaces`, comma separated, in which AirflowInstances are served; all when empty", func(v string) error {
		for name := range strings.SplitSeq(v, ",") {
			if name = strings.TrimSpace(name); name != "" {
				o.InstanceNamespaces = append(o.InstanceNamespaces, name)
			}
		}
		return nil
	})
	set.Func("allow-http-host", "`host` or host:port that may be called by http, without TLS; may be given more than once", func(v string) error {
		if v == "" || strings.Contains(v, "/") {
			return errors.New("want a host such as airflow.example.internal or airflow.example.internal:8080")
		}
		o.AllowHTTPHosts = append(o.AllowHTTPHosts, v)
		return nil
	})
	set.Func("allow-address", "`CIDR` of addresses that may be called although they are loopback or link-local; may be given more than once", func(v string) error {
		prefix, err := netip.ParsePrefix(v)
		if err != nil {
			return errors.New("want a CIDR such as 127.0.0.0/8")
		}
		o.AllowAddresses = append(o.AllowAddresses, prefix)
		return nil
	})
	o.identityFlags(set)
	set.BoolVar(&o.AllowPrivileged, "allow-privileged-permissions", false, "policies may hold write actions on global resources, where their instance allows them")
	set.DurationVar(&o.Retention, "retention", 30*24*time.Hour, "how `long` an ended grant stays when no Git tool keeps it")
	set.IntVar(&o.Concurrency, "airflow-concurrency", 8, "how many requests to one Airflow are under way at once")
	set.TextVar(&o.LogLevel, "log-level", slog.LevelInfo, "`level`: debug, info, warn or error")
	set.StringVar(&o.LogFormat, "log-format", "json", "`format`: json or text")
	set.StringVar(&o.Config, "config", "", "configuration `file`, with what is too much for a flag, such as notifiers")
	set.BoolVar(&o.Version, "version", false, "print the version and end")
	if err := set.Parse(arguments); err != nil {
		return Options{}, err
	}
	return o, o.validate(set.Args())
}

// identityFlags defines the flags of the operator's own tokens, and of the names of other users.
func (o *Options) identityFlags(set *flag.FlagSet) {
	set.StringVar(&o.IdentityPolicy, "identity-policy", "airflow-oam-identity", "`name` of the ValidatingAdmissionPolicy that checks names on AccessRequests, and of its binding")
	set.Func("service-account", "the operator's own ServiceAccount, as `namespace/name`, whose tokens an AirflowInstance may use", func(v string) error {
		namespace, name, _ := strings.Cut(v, "/")
		if !accountText.MatchString(v) {
			return errors.New("want a namespace and a name such as airflow-oam-system/airflow-oam")
		}
		o.ServiceAccount = types.NamespacedName{Namespace: namespace, Name: name}
		return nil
	})
	set.Func("token-audience", "`audience=URL` of an Airflow that gets tokens of this audience; may be given more than once", func(v string) error {
		audience, url, _ := strings.Cut(v, "=")
		if !audienceText.MatchString(v) {
			return errors.New("want an audience and an address such as airflow=https://airflow.example.com")
		}
		if o.TokenAudiences == nil {
			o.TokenAudiences = map[string][]string{}
		}
		o.TokenAudiences[audience] = append(o.TokenAudiences[audience], url)
		return nil
	})
}

func (o *Options) validate(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q: settings are given as flags, see --help", rest[0])
	case !policyText.MatchString(o.IdentityPolicy):
		return fmt.Errorf("--identity-policy=%q: want the name of an object of Kubernetes such as airflow-oam-identity", o.IdentityPolicy)
	case o.Retention < time.Hour:
		return fmt.Errorf("--retention=%s: want at least 1h, ended grants are evidence", o.Retention)
	case o.Concurrency < 1 || o.Concurrency > 64:
		return fmt.Errorf("--airflow-concurrency=%d: want 1 to 64", o.Concurrency)
	case o.LogFormat != "json" && o.LogFormat != "text":
		return fmt.Errorf("--log-format=%s: want json or text", o.LogFormat)
	}
	return nil
}
