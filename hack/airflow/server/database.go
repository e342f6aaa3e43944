package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// setPassword gives a random password to the account of a copied database. The
// values come by standard input: process arguments can be read by everybody.
const setPassword = `
import json, sqlite3, sys
from werkzeug.security import generate_password_hash
given = json.load(sys.stdin)
with sqlite3.connect(given["database"]) as db:
    changed = db.execute("update ab_user set password = ? where username = ?",
                         (generate_password_hash(given["password"]), given["username"])).rowcount
sys.exit(0 if changed == 1 else "the account is not in the prepared database")
`

// mergeJournal leaves everything in the file alone. The file stays in the mode in
// which readers do not wait for a writer; Airflow 3 chooses it, Airflow 2 does not.
const mergeJournal = `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("pragma journal_mode = wal")
db.execute("pragma wal_checkpoint(truncate)")
`

// prepareDatabase puts a migrated database with the administrator's account, of the
// given password, into the home folder. A database that is there is kept, only
// the password is set.
func (in *Installation) prepareDatabase(ctx context.Context, o Options, password string, p progress) error {
	target := filepath.Join(o.Home, databaseFile)
	if _, err := os.Stat(target); errors.Is(err, fs.ErrNotExist) {
		template, err := in.template(ctx, o.AuthManager, p)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(template)
		if err != nil {
			return err
		}
		if err := os.WriteFile(target, content, 0o600); err != nil {
			return err
		}
	}
	if o.AuthManager == Simple {
		content, err := json.Marshal(map[string]string{adminUsername: password})
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(o.Home, passwordFile), content, 0o600)
	}
	given, err := json.Marshal(map[string]string{"database": target, "username": adminUsername, "password": password})
	if err != nil {
		return err
	}
	cmd := command(ctx, in.Program("python"), "-c", setPassword)
	cmd.Stdin = bytes.NewReader(given)
	return p.run(ctx, "set the password of the administrator's account", cmd)
}

// template returns a migrated database of the installation, made once per auth
// manager: migrating takes Airflow half a minute.
func (in *Installation) template(ctx context.Context, manager AuthManager, p progress) (string, error) {
	unlock, err := lockFolder(in.Folder)
	if err != nil {
		return "", err
	}
	defer unlock()
	path := filepath.Join(in.Folder, "database-"+string(manager)+".db")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	home, err := os.MkdirTemp(in.Folder, "migrate-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(home) }()
	o := Options{Home: home, DAGs: filepath.Join(home, "dags"), AuthManager: manager, Workers: 1}
	if err := os.Mkdir(o.DAGs, 0o755); err != nil {
		return "", err
	}
	if err := settingsOf(o, in.Release, 0).write(home); err != nil {
		return "", err
	}
	steps := []struct {
		what      string
		arguments []string
	}{{"migrate a database (once)", []string{"db", "migrate"}}}
	if manager == FAB {
		// The random password of this account is never learned: each start sets its own.
		steps = append(steps, struct {
			what      string
			arguments []string
		}{"create the administrator's account (once)", []string{"users", "create", "--username", adminUsername, "--role", "Admin",
			"--firstname", "Airflow", "--lastname", "Operator", "--email", adminUsername + "@example.com", "--use-random-password"}})
	}
	for _, step := range steps {
		cmd := command(ctx, in.Program("airflow"), step.arguments...)
		cmd.Env = environment("AIRFLOW_HOME="+home, "SCARF_ANALYTICS=false")
		if err := p.run(ctx, step.what, cmd); err != nil {
			return "", err
		}
	}
	// The file alone has to hold everything: what is in the journal goes into it.
	cmd := command(ctx, in.Program("python"), "-c", mergeJournal, filepath.Join(home, databaseFile))
	if err := p.run(ctx, "keep the database for later starts", cmd); err != nil {
		return "", err
	}
	if err := os.Rename(filepath.Join(home, databaseFile), path); err != nil {
		return "", fmt.Errorf("keep the migrated database: %w", err)
	}
	return path, nil
}
