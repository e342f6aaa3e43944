package airflow

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Permission is one pair of Airflow's RBAC, for example can_read on DAG:sales.
// It is comparable and can be the key of a map.
type Permission struct {
	// Action is one of can_create, can_read, can_edit, can_delete, menu_access.
	Action string
	// Resource is the name of the resource, for example "DAG:sales" or "Task Logs".
	Resource string
}

// Compare orders permissions by resource, then by action.
func (p Permission) Compare(q Permission) int {
	if c := strings.Compare(p.Resource, q.Resource); c != 0 {
		return c
	}
	return strings.Compare(p.Action, q.Action)
}

// Less says whether p comes before q in the order of [Permission.Compare].
func (p Permission) Less(q Permission) bool { return p.Compare(q) < 0 }

// String returns "can_read on DAG:sales".
func (p Permission) String() string { return p.Action + " on " + p.Resource }

// SortPermissions returns a sorted copy of permissions without duplicates.
func SortPermissions(permissions []Permission) []Permission {
	out := slices.Clone(permissions)
	slices.SortFunc(out, Permission.Compare)
	return slices.Compact(out)
}

// Role is a role as Airflow stores it.
type Role struct {
	// Name is case-sensitive.
	Name string
	// Permissions is sorted and without duplicates in what the client returns.
	Permissions []Permission
}

// User is a user as Airflow stores it.
type User struct {
	// Username is the key. Airflow matches it case-insensitively.
	Username  string
	Email     string
	FirstName string
	LastName  string
	// Active is false also where Airflow does not say: it regards that as no.
	Active bool
	// Roles are the names of the user's roles, sorted and without duplicates.
	Roles []string
	// CreatedOn, ChangedOn and LastLogin are what Airflow sent, to be compared
	// byte for byte; empty where it sent none. [ParseTime] reads them.
	CreatedOn string
	ChangedOn string
	LastLogin string
}

// Dag is a DAG as the DAG list shows it.
type Dag struct {
	ID string
	// Tags and Owners are sorted and without duplicates.
	Tags   []string
	Owners []string
	// Bundle is the name of the DAG bundle; empty on Airflow 2, which has none.
	Bundle string
	// Path is the DAG file's path relative to its bundle; empty where Airflow
	// does not know it, and on Airflow 2: its API has the file's absolute path
	// on the server, and not where the folder of DAGs begins.
	Path string
	// Paused says that the DAG is not scheduled.
	Paused bool
	// Stale says that the DAG's file is gone or cannot be parsed. Its permissions
	// stay in Airflow, and so does the rest of what is said here, as it was when the
	// file was parsed last.
	Stale bool
}

// AuthManager is the kind of Airflow's auth manager.
type AuthManager string

// The auth managers the client can tell apart.
const (
	// AuthManagerUnknown is neither of the others.
	AuthManagerUnknown AuthManager = "Unknown"
	// AuthManagerFAB is the one whose roles and users can be managed.
	AuthManagerFAB AuthManager = "FAB"
	// AuthManagerSimple is Airflow's default, with fixed roles and no API.
	AuthManagerSimple AuthManager = "Simple"
)

// Server is what an Airflow says about itself.
type Server struct {
	// Version is Airflow's, for example "3.3.2".
	Version string
	// AuthManager is found without credentials.
	AuthManager AuthManager
	// FABProvider is the version of the FAB provider, for example "3.10.2";
	// empty where it is not installed or could not be read.
	FABProvider string
	// Capabilities say what it can do; empty where the
	// provider's version could not be read. See [Server.Misleads].
	Capabilities Capabilities
}

// List is a whole list that was read page by page.
type List[T any] struct {
	// Items are in the server's order, without duplicates.
	Items []T
	// Complete says that the list was seen to be consistent: the total did not
	// change from page to page and that many different items were read. Where it
	// is false, the list kept shifting however often it was read again; an
	// absence from it proves nothing. Pages have no snapshot: one item that goes
	// while another comes between two pages can hide a third, so that what
	// matters is to be read once more by name.
	Complete bool
	// Total is the number of items the server claims to have.
	Total int
}

// ParseTime reads a time as Airflow's users carry it, with or without a zone.
// Times without a zone are in the server's local time, which is not known; they
// are read as UTC. It says false where value is empty or no time.
func ParseTime(value string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999"} {
		if t, err := time.Parse(layout, value); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

func sortedNames(names []string) []string {
	out := slices.Clone(names)
	slices.SortFunc(out, cmp.Compare[string])
	return slices.Compact(out)
}
