package actuator

import (
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// TestTheOrderOfAListIsNoChange: a cache lists objects in another order each time. A phase that was cut short for it came
// to nothing on a server whose answers take longer than a slice.
func TestTheOrderOfAListIsNoChange(t *testing.T) {
	meta := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Name: name, UID: "uid-", ResourceVersion: name, Generation: 1}
	}
	d := Declared{
		Instance: &v1alpha1.AirflowInstance{ObjectMeta: meta("1")},
		Policies: []*v1alpha1.DagAccessPolicy{{ObjectMeta: meta("2")}, {ObjectMeta: meta("3")}},
		Grants:   []*v1alpha1.AccessGrant{{ObjectMeta: meta("4")}, {ObjectMeta: meta("5")}},
	}
	before := fingerprint(d)
	slices.Reverse(d.Policies)
	slices.Reverse(d.Grants)
	if fingerprint(d) != before {
		t.Error("another order counts as a change")
	}
	d.Grants[0].ResourceVersion = "6"
	if fingerprint(d) == before {
		t.Error("a change does not count")
	}
}
