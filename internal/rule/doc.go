// Package rule evaluates the CEL expressions of policies and instances: grants.requests.rules of a DagAccessPolicy, which
// decide how many must agree to a request, and identity of an AirflowInstance, which names the Airflow user of a requester.
//
// The language is that of Kubernetes' own expressions: the environment, the libraries and the limits of cost are those of
// k8s.io/apiserver/pkg/cel. An expression is checked when it is compiled: its variables, the type of its result, and the
// cost that it may have for the largest request. When it is evaluated, its actual cost is limited as well, and the length of
// every text and list that it makes.
//
// An expression that fails has no result. The error says which expression it was and what to do; a caller reports it and
// decides nothing.
//
// The package is pure: time comes in as a value, nothing is read, and equal inputs have equal results.
package rule
