package kind

import (
	"sync"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/actuator"
	"github.com/airflow-oam/airflow-oam/internal/decision"
)

// Report is what one pass over an instance saw and did. It is never changed after it was published.
type Report = actuator.Report

// Reports has the last report about every instance in memory, and nothing about instances that are gone. The instance
// controller publishes, all other controllers read. After a restart it is empty: what is stored in a status stays until a
// pass reports. It is safe for concurrent use.
type Reports struct {
	mu   sync.Mutex
	last map[types.NamespacedName]*published
	wake []func(before, report *Report)
}

// published is a report with the index of its users, which is made when it is first asked for.
type published struct {
	*Report
	directory func() *access.Directory
}

// NewReports makes an empty store.
func NewReports() *Reports {
	return &Reports{last: map[types.NamespacedName]*published{}}
}

// Publish stores a report and calls everything that was registered with OnPublish.
func (r *Reports) Publish(report *Report) {
	r.mu.Lock()
	var before *Report
	if last := r.last[report.Instance]; last != nil {
		before = last.Report
	}
	r.last[report.Instance] = &published{report, sync.OnceValue(func() *access.Directory { return access.NewDirectory(report.Users, report.Account) })}
	wake := r.wake
	r.mu.Unlock()
	for _, f := range wake {
		f(before, report)
	}
}

// Get gives the last report about an instance; nil where there is none yet.
func (r *Reports) Get(instance types.NamespacedName) *Report {
	if last := r.get(instance); last != nil {
		return last.Report
	}
	return nil
}

func (r *Reports) get(instance types.NamespacedName) *published {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last[instance]
}

// ReportOf is what a pass made of a policy; nil where it did not know this policy, but at most an earlier one of its name.
func ReportOf(report *Report, policy *v1alpha1.DagAccessPolicy) *access.PolicyReport {
	found, known := report.Policies[policy.Key()]
	if !known || found.UID != policy.UID {
		return nil
	}
	return &found
}

// DirectoryChanged reports whether objects that wait, or were refused by what a pass saw, may find something new in a report.
// before is nil for the first report.
func DirectoryChanged(before, report *Report) bool {
	return before == nil || !equality.Semantic.DeepEqual(directory(before), directory(report))
}

// directory is what a report says about an instance beside its grants.
func directory(r *Report) any {
	policies := make(map[types.NamespacedName]any, len(r.Policies))
	for name, p := range r.Policies {
		policies[name] = []any{p.UID, p.Generation, p.Desire.Refused}
	}
	return []any{r.Err == nil, r.InstanceUID, r.Giving.All(), r.CacheTTL, r.Account, policies, r.Dags, r.Users}
}

// Directory gives the index of a report's users.
func (r *Reports) Directory(report *Report) *access.Directory {
	if last := r.get(report.Instance); last != nil && last.Report == report {
		return last.directory()
	}
	return access.NewDirectory(report.Users, report.Account) // there is a newer one, which wakes the objects that read this one
}

// Observation is what a report says about a policy, which may be nil, and the objects that name it.
func (r *Reports) Observation(report *Report, policy *v1alpha1.DagAccessPolicy) *decision.Observation {
	observed := &decision.Observation{
		Reachable: report.Err == nil, Endpoint: report.Endpoint, Giving: report.Giving, Behind: report.Behind, Dags: report.Dags,
	}
	if !report.ObservedAt.IsZero() {
		observed.Users = r.Directory(report)
	}
	if policy != nil {
		observed.Policy = ReportOf(report, policy)
	}
	return observed
}

// Forget drops the report about an instance that is gone.
func (r *Reports) Forget(instance types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.last, instance)
}

// OnPublish registers a function that is called with every report and the one before it, which is nil for the first. It
// is called before the controllers start.
func (r *Reports) OnPublish(f func(before, report *Report)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wake = append(r.wake, f)
}
