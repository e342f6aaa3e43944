// Package dag selects DAGs: what the selectors of a policy match in the list that an Airflow gives.
//
// It is pure: values in, values out. Results are sorted, so that equal inputs give equal results.
package dag

// Dag is one DAG of the live list.
type Dag struct {
	// ID is unique in an Airflow.
	ID string
	// Tags and Owners are as the DAG's code names them, in any order.
	Tags, Owners []string
	// Bundle is empty on Airflow 2. Path is that of the file with the DAG's code, relative to its bundle.
	Bundle, Path string
}
