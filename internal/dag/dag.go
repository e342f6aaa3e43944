// Package dag selects DAGs: it computes which DAGs of an Airflow the selectors of a policy match.
//
// A Selection is the compiled form of selectors, an Index that of a list of DAGs; matching one against the other is what
// the package is for. Patterns are globs, and a match costs time linear in the length of the text, whatever the pattern,
// because patterns are written by users.
//
// The package is pure: values in, values out. Results are sorted, so that equal inputs yield equal results.
package dag

import "time"

// Dag is one DAG of the live list.
type Dag struct {
	// ID is unique in an Airflow.
	ID string
	// Tags and Owners are as the DAG's code names them, in any order.
	Tags, Owners []string
	// Bundle is empty on Airflow 2. Path is that of the file with the DAG's code, relative to its bundle.
	Bundle, Path string
}

// Away is a DAG that the live list marks stale or lacks.
type Away struct {
	// Dag is as the list had it when it was last neither, whatever a stale row says of it since. Where no list had it, it is as
	// the stale row has it, or has only an id.
	Dag
	// Since is the moment of the first complete list that marked it stale or lacked it.
	Since time.Time
	// Stale is true where the list has it, and false where the list lacks it.
	Stale bool
	// Deleted is true where Airflow, asked for it by its id, knows no such DAG any more.
	Deleted bool
}

// described reports whether more than its id is known.
func (a *Away) described() bool {
	return a.Stale || a.Path != "" || a.Bundle != "" || len(a.Tags)+len(a.Owners) > 0
}

// file is the place of the code of a DAG. Two bundles may have files of the same path.
type file struct{ bundle, path string }

// file returns the file that contains the DAG's code.
func (d *Dag) file() file { return file{bundle: d.Bundle, path: d.Path} }
