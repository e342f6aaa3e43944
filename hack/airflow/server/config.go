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

// adminUsername is the operator's account.
const adminUsername = "operator"

const (
	configFile   = "airflow.cfg"
	databaseFile = "airflow.db"
	passwordFile = "passwords.json"
)

// section and option name a setting of airflow.cfg.
type settings map[string]map[string]string

// settingsOf returns what all processes of a server read. Secrets are in this
// file, of mode 0600, and nowhere else: neither in arguments nor in the
// environment.
func settingsOf(o Options, port int) settings {
	base := "http://127.0.0.1:" + strconv.Itoa(port)
	s := settings{
		"core": {
			"dags_folder":                    o.DAGs,
			"load_examples":                  "False",
			"executor":                       "LocalExecutor",
			"parallelism":                    "4",
			"dags_are_paused_at_creation":    "False",
			"execution_api_server_url":       base + "/execution/",
			"fernet_key":                     base64.URLEncoding.EncodeToString(randomBytes(32)),
			"simple_auth_manager_all_admins": "False",
		},
		"database": {"sql_alchemy_conn": "sqlite:///" + filepath.Join(o.Home, databaseFile)},
		"logging":  {"base_log_folder": filepath.Join(o.Home, "logs", "tasks")},
		"api": {
			"host":       "127.0.0.1",
			"port":       strconv.Itoa(port),
			"workers":    strconv.Itoa(o.Workers),
			"base_url":   base,
			"secret_key": secret(),
		},
		"api_auth": {"jwt_secret": secret() + secret()},
		"dag_processor": {
			"refresh_interval":              "5",
			"bundle_refresh_check_interval": "2",
			"min_file_process_interval":     "10",
			"parsing_processes":             "1",
			"print_stats_interval":          "0",
		},
		"scheduler":             {"scheduler_health_check_threshold": "60"},
		"usage_data_collection": {"enabled": "False"},
	}
	switch o.AuthManager {
	case FAB:
		s["core"]["auth_manager"] = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
		s["fab"] = map[string]string{"cache_ttl": strconv.Itoa(int(o.CacheTTL / time.Second))}
	case Simple:
		s["core"]["auth_manager"] = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
		s["core"]["simple_auth_manager_users"] = adminUsername + ":admin"
		s["core"]["simple_auth_manager_passwords_file"] = filepath.Join(o.Home, passwordFile)
	}
	return s
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
