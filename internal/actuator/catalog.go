package actuator

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/dag"
)

// remembered is how long a DAG is remembered that the list lacks: longer than access to it can stay.
const remembered = 8 * 24 * time.Hour

// catalog is what is known of the DAGs of an Airflow, from its lists. A list is believed at once in what it newly has, and
// slowly in what it has no more.
type catalog struct {
	dags map[string]listedDag
	// from and at are the moments of the first and of the last complete list, and lists how many there were. From moves on by
	// the time in which no list could be read.
	from, at time.Time
	lists    int
	// interrupted is true where a list could not be read since the last one.
	interrupted bool
	// asked are the DAGs that Airflow was asked for by id since the last complete list.
	asked sets.Set[string]
}

// listedDag is a DAG as it was when a list had it last, other than stale.
type listedDag struct {
	dag dag.Dag
	// misses counts the complete lists in a row that marked it stale or lacked it, and since is the moment of the first.
	misses int
	since  time.Time
	// stale is true where the last of them had it.
	stale bool
	// deleted is true where Airflow knew no such DAG when it was asked for it.
	deleted bool
}

// gone is how many complete lists in a row have to lack a DAG.
const gone = 2

// present reports whether a DAG is in the list, or may be: one list can lack it by chance.
func (l listedDag) present() bool { return l.misses < gone }

// newCatalog makes a catalog of nothing.
func newCatalog() *catalog { return &catalog{dags: map[string]listedDag{}, asked: sets.New[string]()} }

// interrupt notes that a list could not be read.
func (c *catalog) interrupt() { c.interrupted = true }

// set takes in a list. An incomplete one proves nothing about what it lacks.
func (c *catalog) set(list airflow.List[airflow.Dag], at time.Time) {
	seen, stale := sets.New[string](), map[string]dag.Dag{}
	for _, d := range list.Items {
		row := dag.Dag{ID: d.ID, Tags: d.Tags, Owners: d.Owners, Bundle: d.Bundle, Path: d.Path}
		if d.Stale {
			stale[d.ID] = row
			continue
		}
		seen.Insert(d.ID)
		c.dags[d.ID] = listedDag{dag: row}
	}
	if !list.Complete {
		return
	}
	c.resume(at)
	c.lists++
	c.asked.Clear()
	if c.at = at; c.from.IsZero() {
		c.from = at
	}
	for id, row := range stale {
		if _, known := c.dags[id]; !known { // it was stale before this process read any list: no second one is needed
			c.dags[id] = listedDag{dag: row, misses: gone - 1}
		}
	}
	for id, listed := range c.dags {
		if !seen.Has(id) {
			_, isStale := stale[id]
			c.miss(id, listed, isStale)
		}
	}
}

// resume goes on after lists could not be read. The time between does not count as time in which DAGs were away: they may
// have been back.
func (c *catalog) resume(at time.Time) {
	if !c.interrupted {
		return
	}
	c.interrupted = false
	if c.at.IsZero() {
		return
	}
	pause := at.Sub(c.at)
	c.from = c.from.Add(pause)
	for id, listed := range c.dags {
		if listed.misses > 0 {
			listed.since = listed.since.Add(pause)
			c.dags[id] = listed
		}
	}
}

// miss notes that a complete list marked a DAG stale or lacked it.
func (c *catalog) miss(id string, listed listedDag, stale bool) {
	if listed.misses++; listed.since.IsZero() {
		listed.since = c.at
	}
	if listed.stale = stale; stale {
		listed.deleted = false
	}
	if !stale && c.at.Sub(listed.since) > remembered {
		delete(c.dags, id)
		return
	}
	c.dags[id] = listed
}

// list gives the DAGs that are there and those that are away, each sorted by id.
func (c *catalog) list() (dags []dag.Dag, away []dag.Away) {
	dags = make([]dag.Dag, 0, len(c.dags))
	for _, listed := range c.dags {
		if listed.present() {
			dags = append(dags, listed.dag)
		} else {
			away = append(away, dag.Away{Dag: listed.dag, Since: listed.since, Stale: listed.stale, Deleted: listed.deleted})
		}
	}
	slices.SortFunc(dags, func(a, b dag.Dag) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(away, func(a, b dag.Away) int { return strings.Compare(a.ID, b.ID) })
	return dags, away
}

// doubtful are those of some DAGs that two lists lacked and that Airflow was not asked for since the last one.
func (c *catalog) doubtful(ids []string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		listed, known := c.dags[id]
		switch {
		case c.lists < gone, c.asked.Has(id):
			return true
		case !known: // no list of this process had it
			return false
		}
		return listed.present() || listed.stale || listed.deleted
	})
}

// drop notes that Airflow knew no DAG of an id that it was asked for.
func (c *catalog) drop(id string) {
	listed, known := c.dags[id]
	if !known {
		listed = listedDag{dag: dag.Dag{ID: id}, misses: gone, since: c.from}
	}
	listed.deleted = true
	c.dags[id] = listed
}

// unlike gives the DAGs that are there and not among some.
func (c *catalog) unlike(known sets.Set[string]) []string {
	var out []string
	for id, listed := range c.dags {
		if listed.present() && !known.Has(id) {
			out = append(out, id)
		}
	}
	return out
}
