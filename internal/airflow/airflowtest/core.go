package airflowtest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
)

func itoa(n int) string { return strconv.Itoa(n) }

func (s *Sim) getVersion(*incoming) *response {
	return ok(map[string]string{"version": s.generation.Version, "git_version": ".release:simulated"})
}

func (s *Sim) getHealth(*incoming) *response {
	return ok(map[string]any{"metadatabase": map[string]string{"status": "healthy"}})
}

func (s *Sim) getOpenAPI(*incoming) *response {
	title := "FAB auth manager API"
	if s.options.AuthManager != "FAB" {
		title = "Simple auth manager sub application"
	}
	return ok(map[string]any{"openapi": "3.1.0", "info": map[string]string{"title": title, "version": "0.1.0"}, "paths": map[string]any{}})
}

func (s *Sim) getProviders(in *incoming) *response {
	limit, offset, refusal := s.window(in.URL.Query(), false)
	if refusal != nil {
		return refusal
	}
	all := []map[string]string{
		{"package_name": "apache-airflow-providers-common-compat", "version": "1.23.0"},
		{"package_name": "apache-airflow-providers-fab", "version": s.generation.FABProvider},
		{"package_name": "apache-airflow-providers-standard", "version": "1.21.0"},
	}
	return ok(map[string]any{"providers": cut(all, limit, offset), "total_entries": len(all)})
}

type dagBody struct {
	ID      string    `json:"dag_id"`
	Name    string    `json:"dag_display_name"`
	Paused  bool      `json:"is_paused"`
	Stale   bool      `json:"is_stale"`
	Bundle  *string   `json:"bundle_name"`
	Path    *string   `json:"relative_fileloc"`
	Fileloc string    `json:"fileloc"`
	Tags    []tagBody `json:"tags"`
	Owners  []string  `json:"owners"`
}

type tagBody struct {
	Name string `json:"name"`
	Dag  string `json:"dag_id"`
}

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func (s *Sim) dagOut(d *Dag) any {
	if s.generation.two() {
		return oldDagOut(d)
	}
	out := dagBody{
		ID: d.ID, Name: d.ID, Paused: d.Paused, Stale: d.Stale, Bundle: optional(d.Bundle), Path: optional(d.Path),
		Fileloc: "/dags/" + d.Path, Tags: []tagBody{}, Owners: append([]string{}, d.Owners...),
	}
	for _, tag := range sorted(slices.Clone(d.Tags)) {
		out.Tags = append(out.Tags, tagBody{Name: tag, Dag: d.ID})
	}
	return out
}

func (s *Sim) getDags(in *incoming) *response {
	query := in.URL.Query()
	limit, offset, refusal := s.window(query, false)
	if refusal != nil {
		return refusal
	}
	_, descending, refusal := s.ordering(query, "dag_id", "dag_id", "dag_display_name", "next_dagrun", "state", "start_date", "last_run_state", "last_run_start_date")
	if refusal != nil {
		return refusal
	}
	withStale := query.Get("exclude_stale") == "false"
	if s.generation.two() {
		withStale = query.Get("only_active") == "false"
	}
	h := s.heldBy(in.user)
	var all []*Dag
	for _, d := range s.store.dags {
		if (withStale || !d.Stale) && h.dag("GET", d.ID) {
			all = append(all, d)
		}
	}
	if descending {
		slices.Reverse(all)
	}
	out := []any{}
	for _, d := range cut(all, limit, offset) {
		out = append(out, s.dagOut(d))
	}
	return ok(map[string]any{"dags": out, "total_entries": len(all)})
}

func (s *Sim) getDag(in *incoming) *response {
	d := s.store.dagByID[in.args["dag_id"]]
	if d == nil {
		return detail(http.StatusNotFound, "The Dag with ID: `"+in.args["dag_id"]+"` was not found")
	}
	return ok(s.dagOut(d))
}

func (s *Sim) patchDag(in *incoming) *response {
	f, refusal := readFields(in.body, "is_paused")
	if refusal != nil {
		return refusal
	}
	var paused bool
	switch {
	case f["is_paused"] == nil && s.generation.two():
		return broken()
	case f["is_paused"] == nil:
		return unprocessable(missingField(f, "body", "is_paused"))
	case json.Unmarshal(f["is_paused"], &paused) != nil:
		return unprocessable(wrongType("bool_parsing", "boolean, unable to interpret input", f["is_paused"], "body", "is_paused"))
	}
	d := s.store.dagByID[in.args["dag_id"]]
	if d == nil {
		return detail(http.StatusNotFound, "Dag with id: "+in.args["dag_id"]+" was not found")
	}
	changed := *d
	changed.Paused = paused
	in.tx.putDag(changed)
	return ok(s.dagOut(&changed))
}

func (s *Sim) deleteDag(in *incoming) *response {
	if s.store.dagByID[in.args["dag_id"]] == nil {
		return detail(http.StatusNotFound, "Dag with id: "+in.args["dag_id"]+" was not found")
	}
	in.tx.removeDag(in.args["dag_id"])
	return &response{status: http.StatusNoContent}
}

func (s *Sim) getRuns(in *incoming) *response {
	out := []map[string]string{}
	for _, d := range s.store.dags {
		if (in.args["dag_id"] == "~" || in.args["dag_id"] == d.ID) && s.heldBy(in.user).dag("GET", d.ID) {
			for _, run := range s.store.runs[d.ID] {
				out = append(out, map[string]string{"dag_run_id": run, "dag_id": d.ID})
			}
		}
	}
	return ok(map[string]any{"dag_runs": out, "total_entries": len(out)})
}

func (s *Sim) postRun(in *incoming) *response {
	dag := in.args["dag_id"]
	var f fields
	if json.Unmarshal(in.body, &f) != nil || f["logical_date"] == nil && !s.generation.two() {
		return unprocessable(missingField(f, "body", "logical_date"))
	}
	if d := s.store.dagByID[dag]; d == nil || d.Stale {
		return detail(http.StatusNotFound, "Dag with dag_id: '"+dag+"' not found")
	}
	run := in.tx.addRun(dag)
	return ok(map[string]any{
		"dag_run_id": run, "dag_id": dag, "state": "queued", "run_type": "manual", "triggered_by": "rest_api",
		"triggering_user_name": in.user.username, "logical_date": nil,
	})
}

// noRun answers for runs and what belongs to them: none can be asked for.
func (s *Sim) noRun(in *incoming) *response {
	return detail(http.StatusNotFound, "The DagRun with dag_id: `"+in.args["dag_id"]+"` and run_id: `"+in.args["run_id"]+"` was not found")
}

func (s *Sim) getSource(in *incoming) *response {
	return needDag(func(*Sim, *incoming) *response {
		return ok(map[string]any{"content": "# " + in.args["dag_id"], "dag_id": in.args["dag_id"], "version_number": 1})
	})(s, in)
}

func (s *Sim) getGrid(*incoming) *response {
	return ok([]any{})
}

// emptyList answers with a list of nothing.
func emptyList(name string) func(*Sim, *incoming) *response {
	return func(*Sim, *incoming) *response { return ok(map[string]any{name: []any{}, "total_entries": 0}) }
}

// needDag answers 404 where the DAG of the path does not exist.
func needDag(serve func(*Sim, *incoming) *response) func(*Sim, *incoming) *response {
	return func(s *Sim, in *incoming) *response {
		if s.store.dagByID[in.args["dag_id"]] == nil {
			return detail(http.StatusNotFound, "The Dag with ID: `"+in.args["dag_id"]+"` was not found")
		}
		return serve(s, in)
	}
}
