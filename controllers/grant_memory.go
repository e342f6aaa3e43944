package controllers

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/decision/grant"
	"github.com/airflow-oam/airflow-oam/internal/metrics"
	"github.com/airflow-oam/airflow-oam/internal/status"
)

// grantMemory is what this process knows of grants beside their status.
type grantMemory struct {
	mu    sync.Mutex
	byUID map[types.UID]*rememberedGrant
	uids  map[types.NamespacedName]types.UID
}

type rememberedGrant struct {
	name, instance types.NamespacedName
	// latched is an end that was decided and perhaps could not be stored.
	latched *v1alpha1.End
	// awaiting grants are woken when the directory of their instance changes.
	awaiting bool
	// unproved grants are woken by every look at their user.
	unproved bool
	// final grants are not woken by reports.
	final bool
	// deleting grants wait for their instance to keep their terms.
	deleting bool
}

// latched gives the end of a grant that was decided and perhaps not stored.
func (m *grantMemory) latched(uid types.UID) *v1alpha1.End {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.byUID[uid]; known != nil {
		return known.latched
	}
	return nil
}

// latch keeps an end before it is stored: it is never taken back.
func (m *grantMemory) latch(grant *v1alpha1.AccessGrant, end *v1alpha1.End) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.entry(grant); known.latched == nil {
		known.latched = end.DeepCopy()
	}
}

// deleted notes that a grant is woken when its instance keeps its terms.
func (m *grantMemory) deleted(grant *v1alpha1.AccessGrant, instance types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.entry(grant)
	known.instance, known.deleting = instance, true
}

// stored keeps what the wakers need.
func (m *grantMemory) stored(grant *v1alpha1.AccessGrant, instance types.NamespacedName, v grant.Verdict) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.entry(grant)
	known.instance, known.awaiting = instance, v.Awaiting
	known.unproved = v.Activation != nil && !v.Phase.Terminal() && !status.IsTrue(v.Conditions, v1alpha1.ConditionActive)
	known.final, known.deleting = v.Phase.Terminal(), grant.DeletionTimestamp != nil
	if known.final {
		known.latched = nil
	}
}

// entry is called with the lock held.
func (m *grantMemory) entry(grant *v1alpha1.AccessGrant) *rememberedGrant {
	if m.byUID == nil {
		m.byUID, m.uids = map[types.UID]*rememberedGrant{}, map[types.NamespacedName]types.UID{}
	}
	name := client.ObjectKeyFromObject(grant)
	if old, ok := m.uids[name]; ok && old != grant.UID {
		delete(m.byUID, old)
		metrics.ForgetGrant(old)
	}
	known := m.byUID[grant.UID]
	if known == nil {
		known = &rememberedGrant{name: name}
		m.byUID[grant.UID], m.uids[name] = known, grant.UID
	}
	return known
}

// forget drops a grant that is gone.
func (r *GrantReconciler) forget(name types.NamespacedName) {
	m := &r.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if uid, ok := m.uids[name]; ok {
		delete(m.byUID, uid)
		delete(m.uids, name)
		metrics.ForgetGrant(uid)
	}
}

// wakeable gives the grants of an instance that the test accepts.
func (m *grantMemory) wakeable(instance types.NamespacedName, test func(types.UID, *rememberedGrant) bool) []types.NamespacedName {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []types.NamespacedName
	for uid, known := range m.byUID {
		if known.instance == instance && test(uid, known) {
			names = append(names, known.name)
		}
	}
	return names
}
