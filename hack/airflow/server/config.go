package server

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// AuthManager is the component of Airflow that decides who may do what.
type AuthManager string

const (
	// FAB is the auth manager with roles and users behind a REST API.
	FAB AuthManager = "fab"
	// Simple is Airflow's own default: users in the configuration, no roles API.
	Simple AuthManager = "simple"
)

// adminUsername is the administrator's account.
const adminUsername = "operator"

const (
	configFile   = "airflow.cfg"
	databaseFile = "airflow.db"
	passwordFile = "passwords.json"
)

// settings are those of airflow.cfg, by section and option.
type settings map[string]map[string]string

// settingsOf returns what all processes of a server read. Secrets are in this
// file, of mode 0600, and nowhere else: neither in arguments nor in the
// environment.
func settingsOf(o Options, r Release, port int) settings {
	s := settings{
		"core": {
			"dags_folder":                 o.DAGs,
			"load_examples":               "False",
			"parallelism":                 "4",
			"dags_are_paused_at_creation": "False",
			"fernet_key":                  base64.URLEncoding.EncodeToString(randomBytes(32)),
		},
		"database":              {"sql_alchemy_conn": "sqlite:///" + filepath.Join(o.Home, databaseFile)},
		"logging":               {"base_log_folder": filepath.Join(o.Home, "logs", "tasks")},
		"scheduler":             {"scheduler_health_check_threshold": "60"},
		"usage_data_collection": {"enabled": "False"},
	}
	switch o.AuthManager {
	case FAB:
		s.set("core", "auth_manager", "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager")
	case Simple:
		s.set("core", "auth_manager", "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager")
		s.set("core", "simple_auth_manager_users", adminUsername+":admin")
		s.set("core", "simple_auth_manager_all_admins", "False")
		s.set("core", "simple_auth_manager_passwords_file", filepath.Join(o.Home, passwordFile))
	}
	if o.AuthManager == FAB && r.CachesPermissions() {
		s.set("fab", "cache_ttl", strconv.Itoa(int(o.CacheTTL/time.Second)))
	}
	if r.Airflow2() {
		s.airflow2(o, port)
	} else {
		s.airflow3(o, port)
	}
	for section, options := range o.Settings {
		for option, value := range options {
			s.set(section, option, value)
		}
	}
	return s
}

// airflow3 adds what is set elsewhere, or does not exist, in Airflow 2.
func (s settings) airflow3(o Options, port int) {
	base := "http://127.0.0.1:" + strconv.Itoa(port)
	s.set("core", "executor", "LocalExecutor")
	s.set("core", "execution_api_server_url", base+"/execution/")
	s["api"] = map[string]string{
		"host":       "127.0.0.1",
		"port":       strconv.Itoa(port),
		"workers":    strconv.Itoa(o.Workers),
		"base_url":   base,
		"secret_key": secret(),
	}
	s["api_auth"] = map[string]string{"jwt_secret": secret() + secret()}
	s["dag_processor"] = map[string]string{
		"refresh_interval":              "5",
		"bundle_refresh_check_interval": "2",
		"min_file_process_interval":     "10",
		"parsing_processes":             "1",
		"print_stats_interval":          "0",
	}
}

// airflow2 adds what is set elsewhere, or does not exist, in Airflow 3. Its API
// takes a password with every call, or the cookie of a session.
func (s settings) airflow2(o Options, port int) {
	const backends = "airflow.providers.fab.auth_manager.api.auth.backend."
	s.set("core", "executor", "SequentialExecutor") // the only one on SQLite
	s["api"] = map[string]string{"auth_backends": backends + "basic_auth," + backends + "session"}
	s["webserver"] = map[string]string{
		"web_server_host":         "127.0.0.1",
		"web_server_port":         strconv.Itoa(port),
		"base_url":                "http://127.0.0.1:" + strconv.Itoa(port),
		"workers":                 strconv.Itoa(o.Workers),
		"worker_refresh_interval": "0",
		"secret_key":              secret(),
	}
	s.set("scheduler", "dag_dir_list_interval", "5")
	s.set("scheduler", "min_file_process_interval", "10")
	s.set("scheduler", "parsing_processes", "1")
	s.set("scheduler", "print_stats_interval", "0")
}

func (s settings) set(section, option, value string) {
	if s[section] == nil {
		s[section] = map[string]string{}
	}
	s[section][option] = value
}

func (s settings) write(home string) error {
	var text strings.Builder
	for _, section := range slices.Sorted(maps.Keys(s)) {
		fmt.Fprintf(&text, "[%s]\n", section)
		for _, option := range slices.Sorted(maps.Keys(s[section])) {
			// The format expands %: a doubled one stands for itself.
			fmt.Fprintf(&text, "%s = %s\n", option, strings.ReplaceAll(s[section][option], "%", "%%"))
		}
		text.WriteString("\n")
	}
	return os.WriteFile(filepath.Join(home, configFile), []byte(text.String()), 0o600)
}

// secret returns 32 random hex digits.
func secret() string { return hex.EncodeToString(randomBytes(16)) }

func randomBytes(count int) []byte {
	b := make([]byte, count)
	_, _ = rand.Read(b) // never fails: it ends the program where the system has no randomness
	return b
}
