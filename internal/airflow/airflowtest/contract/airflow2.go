package contract

import (
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

// oldWindows pins the rules of paging of Airflow 2.
func oldWindows(s *session, count func(path string) (items, total int)) {
	for path, want := range map[string]int{
		"/permissions?limit=1000": 5, "/permissions?limit=0": 5, "/permissions?limit=2": 2, "/permissions?offset=1000000": 0,
	} {
		if items, all := count(s.fab() + path); items != want || all != 5 {
			s.Errorf("%s: %d of %d, want %d of 5", path, items, all, want)
		}
	}
	if items, all := count(s.api() + "/dags?limit=0"); items != all || all < 2 {
		s.Errorf("no DAGs asked for: %d of %d", items, all)
	}
	for _, list := range []string{"/roles", "/users", "/permissions", "/dags"} {
		for _, query := range []string{"?limit=-1", "?offset=-1", "?limit=x", "?order_by=nope"} {
			if a := s.admin("GET", s.api()+list+query, nil); a.status != 400 {
				s.Errorf("%s%s: %d", list, query, a.status)
			}
		}
	}
	for _, path := range []string{"/roles?order_by=-name", "/users?order_by=-username", "/users?order_by=username"} {
		if a := s.admin("GET", s.api()+path, nil); a.status != 400 {
			s.Errorf("%s: %d", path, a.status)
		}
	}
	for _, path := range []string{
		"/roles?order_by=role_id", "/users?order_by=id", "/dags?order_by=-dag_id&only_active=false", "/providers?limit=1",
	} {
		if items, _ := count(s.api() + path); items == 0 {
			s.Errorf("%s: nothing", path)
		}
	}
}

// oldTokens pins what a password is worth on Airflow 2, and what tells a wrong
// one from missing rights: the cookie.
func oldTokens(s *session) {
	const login, own = "/auth/fab/v1/roles?limit=1", "/api/v1/roles?limit=1"
	s.addUser("contract_token", "Public")
	s.sub("credentials", func(s *session) {
		for name, tc := range map[string]struct {
			username, password string
			right              bool
		}{
			"right":                  {"contract_token", userPassword, true},
			"username in other case": {"Contract_TOKEN", userPassword, true},
			"e-mail as username":     {"contract_token@example.com", userPassword, true},
			"wrong password":         {"contract_token", "wrong", false},
			"unknown user":           {"contract_nobody", "wrong", false},
			"empty password":         {"contract_token", "", false},
		} {
			if a := s.send("GET", login, basic(tc.username, tc.password), nil); !s.refused(a) || len(a.cookies) > 0 != tc.right {
				s.Errorf("%s: %d %s, %d cookies", name, a.status, a.body, len(a.cookies))
			}
		}
		for path, want := range map[string]int{login: 1, own: 0} {
			if a := s.send("GET", path, basic(s.Username, s.Password), nil); a.status != 200 || len(a.cookies) != want {
				s.Errorf("%s: %d, %d cookies", path, a.status, len(a.cookies))
			}
		}
	})
	s.sub("what is no session is refused without a word", func(s *session) {
		for _, authorization := range []string{"", "Bearer garbage", "Basic eDp5", "session=garbage"} {
			for _, path := range []string{login, own, "/api/v1/dags"} {
				if a := s.send("GET", path, authorization, nil); !s.refused(a) {
					s.Errorf("%q, %s: %d %s", authorization, path, a.status, a.body)
				}
			}
		}
	})
	s.sub("a session does not count as a login", func(s *session) {
		s.admin("GET", own, nil)
		before := s.user(s.Username).LastLogin
		s.admin("GET", own, nil)
		if after := s.user(s.Username).LastLogin; before == "" || before != after {
			s.Errorf("last login %q, then %q", before, after)
		}
		s.send("GET", own, basic(s.Username, s.Password), nil)
		if after := s.user(s.Username).LastLogin; before == after {
			s.Errorf("a password does not: %q", after)
		}
	})
	s.sub("the client tells wrong credentials from missing rights", func(s *session) {
		_, err := s.connect("contract_token", "wrong").Roles(s.ctx)
		s.want(airflow.CauseUnauthorized, err)
		_, err = s.connect("contract_token", userPassword).Roles(s.ctx)
		s.want(airflow.CauseForbidden, err)
	})
	s.sub("the session of a deleted user makes the server fail", func(s *session) {
		s.addUser("contract_gone", "Viewer")
		session := s.token("contract_gone", userPassword)
		if a := s.send("GET", "/api/v1/dags", session, nil); a.status != 200 {
			s.Fatalf("%d %s", a.status, a.body)
		}
		s.admin("DELETE", "/api/v1/users/contract_gone", nil)
		for _, path := range []string{"/api/v1/dags", own, login, "/api/v1/version"} {
			if a := s.send("GET", path, session, nil); a.status != 500 || a.kind != "text/html" {
				s.Errorf("%s: %d %s", path, a.status, a.body)
			}
		}
	})
}

const (
	oldDagPath  = "/api/v1/dags/{d}"
	oldRunPath  = oldDagPath + "/dagRuns/contract_nope"
	oldTaskPath = oldRunPath + "/taskInstances/contract_nope"
)

// oldVerbs are what people do over REST on Airflow 2. The source of a DAG is not
// among them: its address holds a secret.
var oldVerbs = map[string]verb{
	"get DAG":             {"GET", oldDagPath, nil, check("GET", airflowtest.EntityDag), false},
	"list DAGs":           {"GET", "/api/v1/dags", nil, check("GET", airflowtest.EntityDag), true},
	"list tasks":          {"GET", oldDagPath + "/tasks", nil, check("GET", airflowtest.EntityTask), false},
	"list runs":           {"GET", oldDagPath + "/dagRuns", nil, check("GET", airflowtest.EntityRun), false},
	"list all runs":       {"GET", "/api/v1/dags/~/dagRuns", nil, check("GET", airflowtest.EntityRun), true},
	"get run":             {"GET", oldRunPath, nil, check("GET", airflowtest.EntityRun), false},
	"list task instances": {"GET", oldRunPath + "/taskInstances", nil, check("GET", airflowtest.EntityTaskInstance), false},
	"read log":            {"GET", oldTaskPath + "/logs/1", nil, check("GET", airflowtest.EntityTaskLogs), false},
	"list XComs":          {"GET", oldTaskPath + "/xcomEntries", nil, check("GET", airflowtest.EntityXCom), false},
	"list warnings":       {"GET", "/api/v1/dagWarnings", nil, check("GET", airflowtest.EntityWarning), true},
	"read event log":      {"GET", "/api/v1/eventLogs?dag_id={d}", nil, check("GET", airflowtest.EntityAuditLog), false},
	"trigger":             {"POST", oldDagPath + "/dagRuns", map[string]any{}, check("POST", airflowtest.EntityRun), false},
	"pause":               {"PATCH", oldDagPath, paused, check("PUT", airflowtest.EntityDag), false},
	"clear run":           {"POST", oldRunPath + "/clear", dryRun, check("PUT", airflowtest.EntityRun), false},
	"mark run":            {"PATCH", oldRunPath, failed, check("PUT", airflowtest.EntityRun), false},
	"delete run":          {"DELETE", oldRunPath, nil, check("DELETE", airflowtest.EntityRun), false},
	"clear tasks": {
		"POST", oldDagPath + "/clearTaskInstances", map[string]any{"dry_run": true, "dag_run_id": "contract_nope"},
		check("PUT", airflowtest.EntityTaskInstance), false,
	},
	"mark task": {"PATCH", oldTaskPath, map[string]any{"new_state": "failed"}, check("PUT", airflowtest.EntityTaskInstance), false},
}

// oldRows is what levels of access are made of on Airflow 2.
var oldRows = []row{
	{"get DAG", "can_read D"},
	{"list DAGs", "can_read D"},
	{"list tasks", "can_read D, can_read Task Instances"},
	{"list runs", "can_read D, can_read R"},
	{"list runs", "can_read D, can_read DAG Runs"},
	{"list all runs", "can_read DAG Runs"},
	{"list task instances", "can_read D, can_read R, can_read Task Instances"},
	{"list task instances", "can_read D, can_read DAG Runs, can_read Task Instances"},
	{"read log", "can_read D, can_read Task Logs"},
	{"list XComs", "can_read D, can_read XComs"},
	{"trigger", "can_edit D, can_create R"},
	{"trigger", "can_edit D, can_create DAG Runs"},
	{"pause", "can_edit D"},
	{"clear run", "can_edit D, can_edit R"},
	{"mark run", "can_edit D, can_edit DAG Runs"},
	{"delete run", "can_edit D, can_delete R"},
	{"clear tasks", "can_edit D, can_edit R, can_edit Task Instances"},
	{"mark task", "can_edit D, can_edit R, can_edit Task Instances"},
}

// oldNotEnough are sets that one might take for enough on Airflow 2.
var oldNotEnough = []row{
	{"list all runs", "can_read D, can_read R"},
	{"clear tasks", "can_edit D, can_edit R"},
	{"trigger", "can_read D, can_create R"},
	{"pause", "can_read D, can_create R"},
	{"get DAG", "can_edit D"},
	{"read log", "can_read Task Logs"},
}
