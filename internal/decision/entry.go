package decision

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// Entry is one event in the life of an object: a transition, or a state that was proved; never an attempt. It is the
// single source of the line in status.history, of the Kubernetes Event, and of the audit record.
type Entry struct {
	// Event is the reason word, a constant of the API package.
	Event string
	// Message says more, on one line without secrets or times.
	Message string
	// Warning is true when a user should act, or when another writer acted.
	Warning bool
	// Actor caused the event: v1alpha1.ActorOperator where the operator did, by its clock, by the rules or by what it read
	// from Airflow; a user name where an object proves it; empty where an object was changed or deleted and does not say
	// by which user. It is never a guess.
	Actor string
	// References are the objects that the event is about besides the object itself, the most important first.
	References []Reference
}

// Kinds of References, besides the kinds of the API.
const (
	// KindPolicy is a DagAccessPolicy.
	KindPolicy = "DagAccessPolicy"
	// KindInstance is an AirflowInstance.
	KindInstance = "AirflowInstance"
	// KindGrant is an AccessGrant.
	KindGrant = "AccessGrant"
	// KindRole is a role of Airflow. It has no namespace and no UID.
	KindRole = "AirflowRole"
)

// Reference names an object of Kubernetes or of Airflow.
type Reference struct {
	// Kind is one of the Kind constants.
	Kind string
	// Namespace is empty for objects of Airflow.
	Namespace string
	Name      string
	// UID is empty for objects of Airflow, and where an object is named that does not exist.
	UID types.UID
}

// ToPolicy refers to a policy.
func ToPolicy(p *v1alpha1.DagAccessPolicy) Reference {
	return Reference{Kind: KindPolicy, Namespace: p.Namespace, Name: p.Name, UID: p.UID}
}

// ToInstance refers to an instance.
func ToInstance(i *v1alpha1.AirflowInstance) Reference {
	return Reference{Kind: KindInstance, Namespace: i.Namespace, Name: i.Name, UID: i.UID}
}

// ToRole refers to a role of Airflow.
func ToRole(name string) Reference { return Reference{Kind: KindRole, Name: name} }

// History returns the lines of status.history for entries, without sequence and time, which status.History adds when it
// appends them.
func History(entries []Entry) []v1alpha1.HistoryEntry {
	lines := make([]v1alpha1.HistoryEntry, 0, len(entries))
	for _, e := range entries {
		lines = append(lines, v1alpha1.HistoryEntry{Actor: e.Actor, Event: e.Event, Message: e.Message})
	}
	return lines
}
