package dag

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/sets"
)

// remembered is how long a DAG is remembered that the list lacks: longer than access to it can stay.
const remembered = 8 * 24 * time.Hour

// Catalog is what is known of the DAGs of an Airflow, from its lists. A list is believed at once in what it newly has, and
// slowly in what it has no more.
type Catalog struct {
	dags     map[string]listedDag
	from, at time.Time // see Lists
	lists    int
	// interrupted is true where a list could not be read since the last one.
	interrupted bool
	// asked are the DAGs that Airflow was asked for by id since the last complete list.
	asked sets.Set[string]
}

// listedDag is a DAG as it was when a list had it last, other than stale.
type listedDag struct {
	dag Dag
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

// NewCatalog makes a catalog of nothing.
func NewCatalog() *Catalog { return &Catalog{dags: map[string]listedDag{}, asked: sets.New[string]()} }

// Interrupt notes that a list could not be read.
func (c *Catalog) Interrupt() { c.interrupted = true }

// Set takes in a list: the DAGs that it marks stale, and the others. An incomplete one proves nothing about what it lacks.
func (c *Catalog) Set(live, stale []Dag, complete bool, at time.Time) {
	seen, rows := sets.New[string](), make(map[string]Dag, len(stale))
	for _, d := range live {
		seen.Insert(d.ID)
		c.dags[d.ID] = listedDag{dag: d}
	}
	if !complete {
		return
	}
	c.resume(at)
	c.lists++
	c.asked.Clear()
	if c.at = at; c.from.IsZero() {
		c.from = at
	}
	for _, d := range stale {
		rows[d.ID] = d
		if _, known := c.dags[d.ID]; !known { // no list that this process read had it otherwise: no second one is needed
			c.dags[d.ID] = listedDag{dag: d, misses: gone - 1}
		}
	}
	for id, listed := range c.dags {
		if !seen.Has(id) {
			_, isStale := rows[id]
			c.miss(id, listed, isStale)
		}
	}
}

// Lists are the moments of the first and of the last complete list, and how many there were. The first moves on by the time
// in which none could be read.
func (c *Catalog) Lists() (from, at time.Time, count int) { return c.from, c.at, c.lists }

// resume goes on after lists could not be read. The time between does not count as time in which DAGs were away: they may
// have been back.
func (c *Catalog) resume(at time.Time) {
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
func (c *Catalog) miss(id string, listed listedDag, stale bool) {
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

// List gives the DAGs that are there and those that are away, each sorted by id.
func (c *Catalog) List() (dags []Dag, away []Away) {
	dags = make([]Dag, 0, len(c.dags))
	for _, listed := range c.dags {
		if listed.present() {
			dags = append(dags, listed.dag)
		} else {
			away = append(away, Away{Dag: listed.dag, Since: listed.since, Stale: listed.stale, Deleted: listed.deleted})
		}
	}
	slices.SortFunc(dags, func(a, b Dag) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(away, func(a, b Away) int { return strings.Compare(a.ID, b.ID) })
	return dags, away
}

// Ask chooses, of some DAGs, those for which Airflow is to be asked by id: two lists lacked them. Each is chosen once after a
// list, and at most as many as the most are chosen after one.
func (c *Catalog) Ask(ids []string, most int) []string {
	var chosen []string
	for _, id := range ids {
		if c.asked.Len() < most && c.doubtful(id) {
			c.asked.Insert(id)
			chosen = append(chosen, id)
		}
	}
	return chosen
}

// doubtful reports whether two lists lacked a DAG, and Airflow was not asked for it since the last one.
func (c *Catalog) doubtful(id string) bool {
	listed, known := c.dags[id]
	switch {
	case c.lists < gone, c.asked.Has(id):
		return false
	case !known: // no list of this process had it
		return true
	}
	return !listed.present() && !listed.stale && !listed.deleted
}

// Drop notes that Airflow knew no DAG of an id that it was asked for.
func (c *Catalog) Drop(id string) {
	listed, known := c.dags[id]
	if !known {
		listed = listedDag{dag: Dag{ID: id}, misses: gone, since: c.from}
	}
	listed.deleted = true
	c.dags[id] = listed
}

// Besides gives the DAGs that are there and not among some.
func (c *Catalog) Besides(known sets.Set[string]) []string {
	var out []string
	for id, listed := range c.dags {
		if listed.present() && !known.Has(id) {
			out = append(out, id)
		}
	}
	return out
}
