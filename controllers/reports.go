package controllers

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/internal/actuator"
)

// Reports holds the last report of every instance in memory. The instance controller publishes, the grant and policy
// controllers read. After a restart it is empty: what is stored in status stays until a pass reports.
type Reports struct {
	mu   sync.RWMutex
	last map[types.NamespacedName]*actuator.Report
	wake []func(*actuator.Report)
}

// NewReports makes an empty store.
func NewReports() *Reports {
	return &Reports{last: map[types.NamespacedName]*actuator.Report{}}
}

// Publish stores a report and tells those who asked with OnPublish.
func (r *Reports) Publish(report *actuator.Report) {
	r.mu.Lock()
	r.last[report.Instance] = report
	wake := r.wake
	r.mu.Unlock()
	for _, f := range wake {
		f(report)
	}
}

// Get gives the last report of an instance; nil where there is none yet.
func (r *Reports) Get(instance types.NamespacedName) *actuator.Report {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.last[instance]
}

// Forget drops what is known of an instance that is gone.
func (r *Reports) Forget(instance types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.last, instance)
}

// OnPublish asks to be told of every report. It is called before the controllers start.
func (r *Reports) OnPublish(f func(*actuator.Report)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wake = append(r.wake, f)
}
