package kind

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Interest says which news wake an object. News about other instances never do.
type Interest struct {
	// Instance that the object is about.
	Instance types.NamespacedName
	// Directory is true while the verdict depends on the users, DAGs and policies of the instance.
	Directory bool
	// Proof is true while the object waits for a proof: each new reading wakes it, before others.
	Proof bool
	// Leaving is true for a deleted object: it waits until the instance retains its terms.
	Leaving bool
	// Closed is true for an object in its final state: reports do not wake it.
	Closed bool
}

// Memory is what this process knows of the objects of a kind beside what is stored. It is safe for concurrent use.
type Memory struct {
	forget func(types.UID)

	mu    sync.Mutex
	byUID map[types.UID]*remembered
	uids  map[types.NamespacedName]types.UID
}

// remembered is one object.
type remembered struct {
	name     types.NamespacedName
	interest Interest
	// end is the object with an end that was decided and perhaps not stored; nil where there is none.
	end client.Object
}

// NewMemory makes an empty memory. forget, which may be nil, is called for each object that is dropped.
func NewMemory(forget func(types.UID)) *Memory {
	if forget == nil {
		forget = func(types.UID) {}
	}
	return &Memory{forget: forget, byUID: map[types.UID]*remembered{}, uids: map[types.NamespacedName]types.UID{}}
}

// latched gives an object as it was latched; nil where it was not.
func (m *Memory) latched(uid types.UID) client.Object {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.byUID[uid]; known != nil {
		return known.end
	}
	return nil
}

// latch keeps an end that was decided: the first one stays.
func (m *Memory) latch(object client.Object) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.entry(object); known.end == nil {
		known.end = object
	}
}

// Await replaces which news wake an object.
func (m *Memory) Await(object client.Object, interest Interest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entry(object).interest = interest
}

// Decided replaces which news wake an object whose verdict was stored. In a final state, nothing has to be latched any more.
func (m *Memory) Decided(object client.Object, interest Interest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.entry(object)
	known.interest = interest
	if interest.Closed {
		known.end = nil
	}
}

// entry finds or makes the entry of an object. The lock is held.
func (m *Memory) entry(object client.Object) *remembered {
	name, uid := keyOf(object), object.GetUID()
	if old, known := m.uids[name]; known && old != uid {
		m.drop(name, old)
	}
	known := m.byUID[uid]
	if known == nil {
		known = &remembered{name: name}
		m.byUID[uid], m.uids[name] = known, uid
	}
	return known
}

// Forget drops an object that is gone.
func (m *Memory) Forget(name types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if uid, known := m.uids[name]; known {
		m.drop(name, uid)
	}
}

// drop removes an entry. The lock is held.
func (m *Memory) drop(name types.NamespacedName, uid types.UID) {
	delete(m.byUID, uid)
	delete(m.uids, name)
	m.forget(uid)
}

// About gives the objects with an interest in an instance that a test accepts.
func (m *Memory) About(instance types.NamespacedName, accepts func(types.UID, Interest) bool) []types.NamespacedName {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []types.NamespacedName
	for uid, known := range m.byUID {
		if known.interest.Instance == instance && accepts(uid, known.interest) {
			names = append(names, known.name)
		}
	}
	return names
}
