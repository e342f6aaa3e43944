package airflow

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

type dagWire struct {
	ID     string          `json:"dag_id"`
	Tags   inner[nameWire] `json:"tags"`
	Owners inner[string]   `json:"owners"`
	Bundle string          `json:"bundle_name"`
	Path   string          `json:"relative_fileloc"`
	Paused bool            `json:"is_paused"`
	Stale  bool            `json:"is_stale"`
	Active *bool           `json:"is_active"` // Airflow 2, in the place of is_stale
}

func (w dagWire) dag() Dag {
	var tags, owners []string
	for _, t := range w.Tags {
		tags = append(tags, t.Name)
	}
	for _, o := range w.Owners {
		owners = append(owners, strings.TrimSpace(o)) // Airflow 2 splits "a, b" at the comma
	}
	stale := w.Stale
	if w.Active != nil {
		stale = !*w.Active
	}
	return Dag{
		ID: w.ID, Tags: sortedNames(tags), Owners: sortedNames(owners), Bundle: w.Bundle, Path: w.Path,
		Paused: w.Paused, Stale: stale,
	}
}

type dagsWire struct {
	Dags  *elements[dagWire] `json:"dags"`
	Total *int               `json:"total_entries"`
}

var listDags = listing[dagsWire, Dag]{
	name:     "DAGs",
	endpoint: func(d *dialect) string { return d.dags }, orderBy: "dag_id",
	query: func(d *dialect) url.Values { return d.allDags },
	parse: func(w dagsWire) ([]Dag, *int, error) {
		if w.Dags == nil {
			return nil, nil, errNoList
		}
		out := make([]Dag, 0, len(*w.Dags))
		for _, d := range *w.Dags {
			if d.ID == "" {
				return nil, nil, errNoName
			}
			out = append(out, d.dag())
		}
		return out, w.Total, nil
	},
	key: func(d Dag) string { return d.ID },
}

// dagAPI are the calls about DAGs.
type dagAPI struct{ *lists }

// Dags reads all DAGs that the account may read, stale ones included, by id.
func (d dagAPI) Dags(ctx context.Context) (List[Dag], error) { return listDags.read(ctx, d.lists) }

// Dag reads one DAG, stale or not. It fails with [IsNotFound] where Airflow stores
// no DAG of this id: it was deleted, and never is because of its file.
func (d dagAPI) Dag(ctx context.Context, id string) (Dag, error) {
	if err := checkName("DAG", id); err != nil {
		return Dag{}, err
	}
	speaks, err := d.speak(ctx)
	if err != nil {
		return Dag{}, err
	}
	var answer dagWire
	r := request{method: http.MethodGet, endpoint: speaks.dags + "/{dag_id}", path: speaks.dags + "/" + escapeName(id)}
	r.check = func() error {
		if answer.ID != id {
			return otherName(answer.ID, id)
		}
		return nil
	}
	if err := d.call(ctx, r, &answer); err != nil {
		return Dag{}, r.another(err)
	}
	return answer.dag(), nil
}
