package airflowtest

import (
	"net/http"
	"slices"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

// Airflow211 is Airflow 2.11.2 with FAB provider 1.5.4: another API, basic
// authentication and sessions in the place of tokens, 403 without a word for
// wrong credentials and for missing permissions alike. Updating a role only
// adds, and says so. Not simulated are the source of DAGs, whose address holds a
// secret, and what the role Public gives to those who bring no credentials.
var Airflow211 = Generation{
	Version: "2.11.2", FABProvider: "1.5.4",
	Does: airflow.Capabilities{
		Authentication: airflow.AuthenticationSession, RoleUpdate: airflow.RoleUpdateAdd,
		PermissionList: airflow.PermissionListActions, PermissionModel: airflow.PermissionModelAirflow2,
	},
}

// two says that it is an Airflow 2.
func (g Generation) two() bool { return g.Does.Authentication == airflow.AuthenticationSession }

// checks says whether the generation has what the check asks about, and does not
// leave it to permissions on all DAGs.
func (g Generation) checks(c Check) bool {
	if !g.two() {
		return true
	}
	if c.Entity == EntityXCom {
		return c.Method == http.MethodGet
	}
	return !slices.Contains([]Entity{EntityVersion, EntityHITL, EntityDependencies}, c.Entity)
}

// The resources of Airflow 3 that an Airflow 2 does not have, and what it has
// in their place.
var (
	notInAirflow2 = []string{
		"All Audit Logs", "All Import Errors", "All Reparses", "Assets", "Asset Aliases", "Backfills", "DAG Versions", "HITL Detail",
	}
	onlyInAirflow2 = map[airflow.Permission][]string{
		{Action: "can_read", Resource: "Datasets"}:    {"Admin", "Viewer", "User", "Op"},
		{Action: "menu_access", Resource: "Datasets"}: {"Admin", "Viewer", "User", "Op"},
		{Action: "can_create", Resource: "Datasets"}:  {"Admin", "Op"},
		{Action: "can_delete", Resource: "Datasets"}:  {"Admin", "Op"},
	}
)

// seedOf gives the pairs of a new Airflow of the generation and its roles.
func (g Generation) seedOf() (pairs []airflow.Permission, roles map[string][]airflow.Permission) {
	pairs, roles = readSeed()
	if !g.two() {
		return pairs, roles
	}
	gone := func(p airflow.Permission) bool {
		return slices.Contains(notInAirflow2, p.Resource) || p.Resource == "XComs" && (p.Action == "can_create" || p.Action == "can_edit")
	}
	pairs = slices.DeleteFunc(pairs, gone)
	for name := range roles {
		roles[name] = slices.DeleteFunc(roles[name], gone)
	}
	for p, holders := range onlyInAirflow2 {
		pairs = append(pairs, p)
		for _, name := range holders {
			roles[name] = append(roles[name], p)
		}
	}
	return airflow.SortPermissions(pairs), roles
}

// problemBody is how Airflow 2 says what is wrong.
type problemBody struct {
	Detail *string `json:"detail"`
	Status int     `json:"status"`
	Title  string  `json:"title"`
	Type   string  `json:"type"`
}

// translate makes of Airflow 3's refusals those of Airflow 2.
func translate(answer *response) *response {
	if answer.status < http.StatusBadRequest || answer.text != "" {
		return answer
	}
	body := problemBody{Status: answer.status, Title: http.StatusText(answer.status), Type: "about:blank"}
	switch said := answer.body.(type) {
	case map[string]string:
		if text := said["detail"]; text != "" {
			body.Detail = &text
		}
	case map[string]any: // what is not valid
		if problems, _ := said["detail"].([]problem); len(problems) > 0 {
			body.Detail = &problems[0].Msg
		}
	}
	switch answer.status {
	case http.StatusUnprocessableEntity:
		body.Status, body.Title = http.StatusBadRequest, http.StatusText(http.StatusBadRequest)
	case http.StatusUnauthorized, http.StatusForbidden:
		body.Status, body.Title, body.Detail = http.StatusForbidden, http.StatusText(http.StatusForbidden), nil
	}
	return &response{status: body.Status, body: body, contentType: "application/problem+json", header: answer.header}
}

// broken is the page that Airflow 2 shows where it did not expect a request.
func broken() *response { return html(http.StatusInternalServerError) }

// halfPair says whether a role is refused for a pair without its other half,
// which Airflow 2 does not expect.
func halfPair(refusal *response) bool {
	body, _ := refusal.body.(map[string]any)
	problems, _ := body["detail"].([]problem)
	return len(problems) > 0 && problems[0].Type == "missing" && slices.Contains(problems[0].Loc, any("actions"))
}

type oldDagBody struct {
	ID      string   `json:"dag_id"`
	Name    string   `json:"dag_display_name"`
	Paused  bool     `json:"is_paused"`
	Active  bool     `json:"is_active"`
	Fileloc string   `json:"fileloc"`
	Tags    []named  `json:"tags"`
	Owners  []string `json:"owners"`
}

func oldDagOut(d *Dag) oldDagBody {
	out := oldDagBody{
		ID: d.ID, Name: d.ID, Paused: d.Paused, Active: !d.Stale, Fileloc: "/opt/airflow/dags/" + d.Path,
		Tags: []named{}, Owners: append([]string{}, d.Owners...),
	}
	for _, tag := range sorted(slices.Clone(d.Tags)) {
		out.Tags = append(out.Tags, named{tag})
	}
	return out
}
