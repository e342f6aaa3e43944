package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/airflow-oam/airflow-oam/internal/actuator"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

const (
	oursName  = "airflow-oam"
	getName   = "a GET per object"
	naiveName = "a call per permission"
)

// contestant is one way to bring an Airflow to what is declared.
type contestant struct {
	name     string
	converge func(context.Context, *world) error
}

func contestants() []contestant {
	return []contestant{{oursName, ours}, {getName, perObject}, {naiveName, perPermission}}
}

// ours is a full pass of the actuator. In P4 nothing is read beforehand: a pass over what is due.
func ours(ctx context.Context, w *world) error {
	look := actuator.LookFull
	if len(w.ended) > 0 {
		look = actuator.LookTouched
	}
	report := w.act.Pass(ctx, w, look)
	if report.Err != nil {
		return report.Err
	}
	if len(report.Failures) > 0 {
		return errors.New(report.Failures[0])
	}
	for uid, g := range report.Grants {
		if !g.Proof.Present && !g.Proof.Absent {
			return fmt.Errorf("grant %s is not proved", uid)
		}
	}
	return nil
}

// perObject refreshes each object by a GET of its own and writes where it differs, as declarative tools do that keep a
// list of resources.
func perObject(ctx context.Context, w *world) error {
	if err := each(ctx, w, sortedKeys(w.roles), func(ctx context.Context, w *world, name string) error {
		stored, err := w.client.Role(ctx, name)
		want := airflow.Role{Name: name, Permissions: w.roles[name]}
		switch {
		case airflow.IsNotFound(err):
			_, err = w.client.CreateRole(ctx, want)
			return err
		case err != nil:
			return err
		case slices.Equal(stored.Permissions, want.Permissions):
			return nil
		}
		_, err = w.client.UpdateRole(ctx, want, len(stored.Permissions))
		return err
	}); err != nil {
		return err
	}
	return each(ctx, w, w.people(), perUser)
}

// perPermission gives a role one permission a call, as a script does that loops over them. It keeps no account of what
// it did: when it runs again it gives each permission again. It takes no permission away. In P4 it goes straight to the
// people whose time is over.
func perPermission(ctx context.Context, w *world) error {
	if len(w.ended) == 0 {
		if err := each(ctx, w, sortedKeys(w.roles), perPair); err != nil {
			return err
		}
	}
	return each(ctx, w, w.people(), perUser)
}

// perPair makes a role, or looks what it holds where it is there, and adds its permissions one by one. Airflow takes a
// role's permissions as a whole.
func perPair(ctx context.Context, w *world, name string) error {
	var held []airflow.Permission
	_, err := w.client.CreateRole(ctx, airflow.Role{Name: name})
	if airflow.IsConflict(err) {
		var stored airflow.Role
		stored, err = w.client.Role(ctx, name)
		held = stored.Permissions
	}
	for _, pair := range w.roles[name] {
		if err != nil {
			return err
		}
		before := len(held)
		held = airflow.SortPermissions(append(slices.Clone(held), pair))
		_, err = w.client.UpdateRole(ctx, airflow.Role{Name: name, Permissions: held}, before)
	}
	return err
}

// perUser reads one user and writes it where it differs.
func perUser(ctx context.Context, w *world, name string) error {
	stored, err := w.client.User(ctx, name)
	if err != nil {
		return err
	}
	want := []string{"Public"}
	if role := w.members[name]; role != "" {
		want = append(want, role)
	}
	if slices.Equal(stored.Roles, want) {
		return nil
	}
	_, err = w.client.SetUserRoles(ctx, stored, want)
	return err
}

func each(ctx context.Context, w *world, names []string, work func(context.Context, *world, string) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(w.settings.concurrency)
	for _, name := range names {
		group.Go(func() error { return work(ctx, w, name) })
	}
	return group.Wait()
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for key := range m {
		out = append(out, key)
	}
	slices.Sort(out)
	return out
}
