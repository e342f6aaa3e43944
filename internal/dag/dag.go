// Package dag selects DAGs: it computes which DAGs of an Airflow the selectors of a policy match.
//
// A Selection is the compiled form of selectors, an Index that of a list of DAGs; matching one against the other is what
// the package is for. Patterns are globs, and a match costs time linear in the length of the text, whatever the pattern,
// because patterns are written by users.
//
// The package is pure: values in, values out. Results are sorted, so that equal inputs yield equal results.
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

// file is the place of the code of a DAG. Two bundles may have files of the same path.
type file struct{ bundle, path string }

// file returns the file that contains the DAG's code.
func (d *Dag) file() file { return file{bundle: d.Bundle, path: d.Path} }
