// Package v1alpha1 holds the kinds of airflow-oam: which Airflow is governed (AirflowInstance), who may do what to
// which DAGs (DagAccessPolicy), who asks for that access (AccessRequest), and who holds it for a while (AccessGrant).
//
// +kubebuilder:object:generate=true
// +groupName=access.airflow-oam.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the API group and version of every kind in this package.
var GroupVersion = schema.GroupVersion{Group: "access.airflow-oam.dev", Version: "v1alpha1"}

// SchemeBuilder collects the functions that register the kinds.
var SchemeBuilder = runtime.NewSchemeBuilder(func(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&AirflowInstance{}, &AirflowInstanceList{},
		&DagAccessPolicy{}, &DagAccessPolicyList{},
		&AccessGrant{}, &AccessGrantList{},
		&AccessRequest{}, &AccessRequestList{},
	)
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
})

// AddToScheme registers the kinds of this package in a scheme.
var AddToScheme = SchemeBuilder.AddToScheme

const (
	// Finalizer keeps an object until what it gave in Airflow is proved gone.
	Finalizer = "access.airflow-oam.dev/revoke"
	// ReconcileAtAnnotation asks for a pass now: every change of its value on an AirflowInstance makes a full comparison.
	ReconcileAtAnnotation = "access.airflow-oam.dev/reconcile-at"
	// GivenAsAnnotation holds the UID of the grant as which it was given. Backups keep annotations but no status: a grant
	// that holds the UID of another object is a copy of one that was given, and is not given again.
	GivenAsAnnotation = "access.airflow-oam.dev/given-as"
)
