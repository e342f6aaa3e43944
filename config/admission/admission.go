// Package admission holds the admission policies that the operator has to compare with those of the cluster.
package admission

import _ "embed"

// Identity is the ValidatingAdmissionPolicy that compares names on AccessRequests with the user, and its binding, in YAML.
//
//go:embed identity.yaml
var Identity []byte

// Name and Operator are the name of both objects, and the user name of the operator, as Identity has them. An installation
// may have others.
const (
	Name     = "airflow-oam-identity"
	Operator = "system:serviceaccount:airflow-oam-system:airflow-oam"
)
