package airflow

import "context"

const endpointDags = "/api/v2/dags"

type dagWire struct {
	ID     string     `json:"dag_id"`
	Tags   []nameWire `json:"tags"`
	Owners []string   `json:"owners"`
	Bundle string     `json:"bundle_name"`
	Path   string     `json:"relative_fileloc"`
	Paused bool       `json:"is_paused"`
	Stale  bool       `json:"is_stale"`
}

type dagsWire struct {
	Dags  *[]dagWire `json:"dags"`
	Total *int       `json:"total_entries"`
}

var listDags = listing[dagsWire, Dag]{
	endpoint: endpointDags, orderBy: "dag_id",
	query: map[string][]string{"exclude_stale": {"false"}},
	page: func(w dagsWire) ([]Dag, *int, error) {
		if w.Dags == nil {
			return nil, nil, errNoList
		}
		out := make([]Dag, 0, len(*w.Dags))
		for _, d := range *w.Dags {
			if d.ID == "" {
				return nil, nil, errNoName
			}
			tags := make([]string, 0, len(d.Tags))
			for _, t := range d.Tags {
				tags = append(tags, t.Name)
			}
			out = append(out, Dag{
				ID: d.ID, Tags: sortedNames(tags), Owners: sortedNames(d.Owners),
				Bundle: d.Bundle, Path: d.Path, Paused: d.Paused, Stale: d.Stale,
			})
		}
		return out, w.Total, nil
	},
	key: func(d Dag) string { return d.ID },
}

// Dags reads all DAGs that the account may read, stale ones included, by id.
func (c *Client) Dags(ctx context.Context) (List[Dag], error) { return listDags.read(ctx, c) }
