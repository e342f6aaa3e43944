// Package signon starts a real Airflow whose people sign in elsewhere: by a real
// OpenID provider or a proxy. It is a module of its own, so that the provider is no
// requirement of the product.
package signon

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/airflow-oam/airflow-oam/hack/airflow/server"
	"github.com/airflow-oam/airflow-oam/test/controlplane"
	"github.com/airflow-oam/airflow-oam/test/signon/provider"
)

// Auth managers that an Airflow can be started with.
const (
	// Installed is that of the installed release of the fab provider.
	Installed = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
	// Later has the rule of fab 3.11: a password is checked against AUTH_TYPE alone.
	Later = "rehearsal.LaterFabAuthManager"
	// Operator is contrib/airflow-auth on the installed release.
	Operator = "airflow_oam_auth.OperatorFabAuthManager"
	// LaterOperator is contrib/airflow-auth on a release with the rule of fab 3.11.
	LaterOperator = "rehearsal.LaterOperatorFabAuthManager"
)

// Ways to sign in, as FAB names them.
const (
	Database   = "AUTH_DB"
	OAuth      = "AUTH_OAUTH"
	RemoteUser = "AUTH_REMOTE_USER"
)

//go:embed python/requirements.txt
var requirements []byte

//go:embed python/webserver_config.py
var webserverConfig []byte

// Options say what Airflow to start.
type Options struct {
	// Home is the server's folder. An Airflow that ran there before finds its
	// database again, as after an upgrade.
	Home string
	// AuthType is one of the ways to sign in.
	AuthType string
	// AuthManager is the path of the class.
	AuthManager string
	// Provider signs people in where the way is OAuth, under these names of FAB, such
	// as okta.
	Provider  *provider.Provider
	Providers []string
	// Exchange is the section airflow_oam of airflow.cfg, which contrib/airflow-auth
	// reads.
	Exchange map[string]string
	// PasswordAnswer is the status that Later answers a password with: 401, or 400.
	PasswordAnswer string
	// Log receives progress lines; nil means none.
	Log io.Writer
}

// Start starts an Airflow 3.3.2 and waits until it is healthy. With Later and another way
// than Database, the administrator of the server has no way in.
func Start(ctx context.Context, o Options) (*server.Server, error) {
	root, err := controlplane.Root()
	if err != nil {
		return nil, err
	}
	installation, err := server.Install(ctx, "3.3.2", o.Log)
	if err != nil {
		return nil, err
	}
	extras, err := installation.Extras(ctx, requirements, o.Log)
	if err != nil {
		return nil, err
	}
	if err := writeConfig(o); err != nil {
		return nil, err
	}
	started, err := server.Start(ctx, server.Options{
		Home: o.Home, Version: "3.3.2", NoScheduler: true, Log: o.Log,
		NoPasswordLogin: (o.AuthManager == Later || o.AuthManager == LaterOperator) && o.AuthType != Database,
		PythonPath:      []string{extras, filepath.Join(root, "contrib", "airflow-auth"), filepath.Join(root, "test", "signon", "python")},
		Settings: map[string]map[string]string{
			"core":        {"auth_manager": o.AuthManager},
			"airflow_oam": o.Exchange,
			"rehearsal":   {"password_answer": o.PasswordAnswer},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("start Airflow with %s: %w", o.AuthType, err)
	}
	if o.Provider != nil {
		var redirects []string
		for _, name := range o.Providers {
			redirects = append(redirects, started.URL+"/auth/oauth-authorized/"+name)
		}
		o.Provider.Allow(redirects...)
	}
	return started, nil
}

// writeConfig writes webserver_config.py, which FAB reads from the home folder, and
// what it reads in turn.
func writeConfig(o Options) error {
	given := map[string]any{"auth_type": o.AuthType, "providers": []string{}, "ca_file": "", "client_id": "", "client_secret": "", "issuer": ""}
	if o.Provider != nil {
		given["providers"], given["ca_file"], given["issuer"] = o.Providers, o.Provider.CAFile, o.Provider.Issuer
		given["client_id"], given["client_secret"] = o.Provider.ClientID, o.Provider.ClientSecret
	}
	content, err := json.Marshal(given)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.Home, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(o.Home, "signon.json"), content, 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(o.Home, "webserver_config.py"), webserverConfig, 0o600)
}
