// Package request is the controller of AccessRequests: it admits a request, counts its votes, and creates the AccessGrant of
// an approved request. It changes no request: it patches one for its finalizer and, in a dry run that has to be refused, to
// prove that the API server checks names (internal/identity).
//
// +kubebuilder:rbac:groups=access.airflow-oam.dev,resources=accessrequests,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=access.airflow-oam.dev,resources=accessrequests/status,verbs=patch
// +kubebuilder:rbac:groups=access.airflow-oam.dev,resources=accessgrants,verbs=get;list;watch;create
// +kubebuilder:rbac:groups=access.airflow-oam.dev,resources=dagaccesspolicies;airflowinstances,verbs=get;list;watch
// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=validatingadmissionpolicies;validatingadmissionpolicybindings,resourceNames=airflow-oam-identity,verbs=get
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
package request
