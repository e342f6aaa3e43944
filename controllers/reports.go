package controllers

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/actuator"
)

// Reports holds the last report of every instance in memory, and nothing of instances that are gone. The instance
// controller publishes, the grant and policy controllers read. After a restart it is empty: what is stored in status stays
// until a pass reports.
type Reports struct {
	mu   sync.Mutex
	last map[types.NamespacedName]*published
	wake []func(before, report *actuator.Report)
}

// published is a report with the index of its users, which is made when it is first asked for.
type published struct {
	*actuator.Report
	directory func() *access.Directory
}

// NewReports makes an empty store.
func NewReports() *Reports {
	return &Reports{last: map[types.NamespacedName]*published{}}
}

// Publish stores a report and tells those who asked with OnPublish.
func (r *Reports) Publish(report *actuator.Report) {
	r.mu.Lock()
	var before *actuator.Report
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

// Get gives the last report of an instance; nil where there is none yet.
func (r *Reports) Get(instance types.NamespacedName) *actuator.Report {
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

// Directory gives the index of a report's users.
func (r *Reports) Directory(report *actuator.Report) *access.Directory {
	if last := r.get(report.Instance); last != nil && last.Report == report {
		return last.directory()
	}
	return access.NewDirectory(report.Users, report.Account) // there is a newer one, which wakes whoever asks
}

// Forget drops what is known of an instance that is gone.
func (r *Reports) Forget(instance types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.last, instance)
}

// OnPublish asks to be told of every report, and of the one before it; nil where it is the first. It is called before the
// controllers start.
func (r *Reports) OnPublish(f func(before, report *actuator.Report)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wake = append(r.wake, f)
}
