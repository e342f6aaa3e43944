package actuator

import (
	"context"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
)

// inventory is the list of managed roles in memory, which is newer than a cached status. The goroutine of the pass owns it.
type inventory struct {
	loaded bool
	known  []v1alpha1.ManagedRole // before this pass
	stored []v1alpha1.ManagedRole // as this pass stored it last
	saved  bool                   // this pass stored it

	// attempted are roles whose creation took effect, or may have, and was not read back: ours, although nothing shows it.
	attempted sets.Set[string]
}

// newInventory makes the inventory of a new process, which takes in the status with the first load.
func newInventory() *inventory { return &inventory{attempted: sets.New[string]()} }

// begin starts a pass.
func (i *inventory) begin() { i.stored, i.saved = nil, false }

// load takes in what is stored in the status, unless memory is newer.
func (i *inventory) load(status []v1alpha1.ManagedRole) {
	if !i.loaded {
		i.known, i.loaded = status, true
	}
}

// latest is the inventory as it is stored.
func (i *inventory) latest() []v1alpha1.ManagedRole {
	if i.saved {
		return i.stored
	}
	return i.known
}

// owned is the inventory that plans of this pass rest on: what was stored before it and what it stored since, without roles
// that it began to adopt, which are only observed in their first pass.
func (i *inventory) owned() []v1alpha1.ManagedRole {
	if !i.saved {
		return i.known
	}
	before := sets.New[string]()
	for _, entry := range i.known {
		before.Insert(entry.Name)
	}
	return slices.DeleteFunc(slices.Clone(i.stored), func(entry v1alpha1.ManagedRole) bool { return entry.Adopted && !before.Has(entry.Name) })
}

// lacks reports whether there are entries that are not stored yet, although no step makes their roles: those that are only
// observed before they are adopted, those of a lost inventory, and those that were let go of or retired.
func (i *inventory) lacks(desired []v1alpha1.ManagedRole) bool {
	stored := sets.New(i.latest()...)
	return !stored.HasAll(desired...)
}

// save stores the inventory before the first write that needs it. After a conflict the status counts, which another writer
// changed.
func (i *inventory) save(ctx context.Context, source Source, desired []v1alpha1.ManagedRole, held []v1alpha1.HeldRevocation) error {
	if slices.Equal(i.latest(), desired) {
		return nil
	}
	if err := source.StoreInventory(ctx, desired, held); err != nil {
		i.loaded = i.loaded && !apierrors.IsConflict(err)
		return err
	}
	i.stored, i.saved = desired, true
	return nil
}

// disown removes a role that turned out to be another writer's.
func (i *inventory) disown(ctx context.Context, source Source, name string, held []v1alpha1.HeldRevocation) error {
	i.stored, i.saved = without(i.latest(), []string{name}), true
	return source.StoreInventory(ctx, i.stored, held)
}

// settle ends a pass: roles that were proved gone leave.
func (i *inventory) settle(gone []string) []v1alpha1.ManagedRole {
	i.known = without(i.latest(), gone)
	return i.known
}

// attempt notes that a role may have been made and was not read back yet.
func (i *inventory) attempt(name string) { i.attempted.Insert(name) }

// confirm notes that a role was read back.
func (i *inventory) confirm(name string) { i.attempted.Delete(name) }

// foreign reports whether a role that is in the way of a creation was made by another writer.
func (i *inventory) foreign(name string) bool {
	ours := rolename.HasOwnPrefix(name) || strings.Contains(name, "~")
	return !ours && !i.attempted.Has(name)
}

// without gives the entries of an inventory that do not have one of these names.
func without(inventory []v1alpha1.ManagedRole, names []string) []v1alpha1.ManagedRole {
	drop := sets.New(names...)
	out := make([]v1alpha1.ManagedRole, 0, len(inventory))
	for _, entry := range inventory {
		if !drop.Has(entry.Name) {
			out = append(out, entry)
		}
	}
	return out
}
