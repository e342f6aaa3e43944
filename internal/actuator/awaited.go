package actuator

import (
	"context"
	"maps"
	"time"

	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// awaited records when users were looked up that grants and policies wait for: at once when they are named for the first
// time, then every dagInterval.
type awaited struct {
	reader    *reader
	usernames map[string]time.Time // by folded username
	emails    time.Time            // the list was read for addresses
}

// newAwaited makes the memory of a new process: every awaited user is looked up by its first pass.
func newAwaited(r *reader) *awaited { return &awaited{reader: r, usernames: map[string]time.Time{}} }

// read looks up users that are declared and not known. started is when the pass was.
func (a *awaited) read(ctx context.Context, d Declared, started time.Time) error {
	now, interval := a.reader.clock.Now(), d.Instance.Spec.DagInterval.Duration
	recent := func(last time.Time) bool { return started.Sub(last) < interval }
	maps.DeleteFunc(a.usernames, func(_ string, last time.Time) bool { return !recent(last) })
	names, byEmail := a.unresolved(d)
	if len(names) > a.reader.userPages() || byEmail && !recent(a.emails) {
		users := sets.New(listUsers)
		if err := a.reader.readLists(ctx, users); err != nil {
			return err
		}
		a.emails = started
		if a.reader.inVain(users).Len() == 0 {
			for _, name := range names {
				a.usernames[text.Fold(name)] = started
			}
			return nil
		}
	}
	if err := a.reader.readUsers(ctx, names, now); err != nil {
		return err
	}
	for _, name := range names {
		if _, _, err := a.reader.user(name); err == nil || ofName(err) {
			a.usernames[text.Fold(name)] = started
		}
	}
	return nil
}

// unresolved are the usernames of subjects that no stored user has, and which were not looked up within the interval; byEmail
// reports whether one is named by an address.
func (a *awaited) unresolved(d Declared) (names []string, byEmail bool) {
	directory := access.NewDirectory(a.reader.view().Observed.Users, d.Account)
	seen := sets.KeySet(a.usernames)
	for _, subject := range waiting(d) {
		_, problem := directory.Resolve(subject)
		switch {
		case problem == nil, problem.Reason != v1alpha1.ReasonUserNotFound:
		case subject.Username == "":
			byEmail = true
		case !seen.Has(text.Fold(subject.Username)):
			seen.Insert(text.Fold(subject.Username))
			names = append(names, subject.Username)
		}
	}
	return names, byEmail
}

// waiting are the subjects that may be waited for: standing members, those of grants that were not activated, and the users
// of live grants, who may be deleted and made again.
func waiting(d Declared) []v1alpha1.Subject {
	var subjects []v1alpha1.Subject
	for _, policy := range d.Policies {
		subjects = append(subjects, policy.Spec.Members...)
	}
	for _, grant := range d.Grants {
		pinned := grant.In(d.Instance)
		switch {
		case grant.Status.End != nil, grant.DeletionTimestamp != nil:
		case grant.Status.Activation == nil:
			subjects = append(subjects, grant.Spec.Subject)
		case pinned != nil:
			subjects = append(subjects, v1alpha1.Subject{Username: pinned.Username})
		}
	}
	return subjects
}
