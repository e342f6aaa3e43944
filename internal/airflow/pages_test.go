package airflow_test

import (
	"fmt"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

// roleNamesOf checks that no role comes twice and gives the names, sorted.
func roleNamesOf(t *testing.T, list airflow.List[airflow.Role]) []string {
	t.Helper()
	var names []string
	for _, r := range list.Items {
		names = append(names, r.Name)
	}
	slices.Sort(names)
	if len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Error("a role comes twice")
	}
	return names
}

func storedNames(s *airflowtest.Server) []string {
	var names []string
	for _, r := range s.Roles() {
		names = append(names, r.Name)
	}
	slices.Sort(names)
	return names
}

func TestF44Pages(t *testing.T) {
	const many = 245 // with the built-in roles 250: three pages
	once := func(change func(*airflowtest.Server)) func(*airflowtest.Server) {
		return func(s *airflowtest.Server) {
			s.Inject(airflowtest.Meanwhile(func() { change(s) }).On("GET", endpointRoles).After(1).For(1))
		}
	}
	next := 0
	for name, tc := range map[string]struct {
		inject   func(*airflowtest.Server)
		requests int
		shifts   bool // never complete
	}{
		"as they should be": {func(*airflowtest.Server) {}, 3, false},
		"short pages": {func(s *airflowtest.Server) {
			s.Inject(airflowtest.ShortPages(40).On("GET", endpointRoles))
		}, 7, false},
		"one page is short": {func(s *airflowtest.Server) {
			short := airflowtest.ShortPages(99).On("GET", endpointRoles).For(1)
			short.If = func(r airflowtest.Request) bool { return strings.Contains(r.Query, "offset=100") }
			s.Inject(short)
		}, 4, false},
		"a role goes between two pages":  {once(func(s *airflowtest.Server) { s.DeleteRole("r000") }), 6, false},
		"a role comes between two pages": {once(func(s *airflowtest.Server) { s.SetRole("new") }), 6, false},
		"half of them go between two pages": {once(func(s *airflowtest.Server) {
			for i := range 150 {
				s.DeleteRole(fmt.Sprintf("r%03d", i))
			}
		}), 4, false},
		"they come and go all the time": {func(s *airflowtest.Server) {
			s.Inject(airflowtest.Meanwhile(func() {
				next++
				s.SetRole(fmt.Sprintf("new%d", next))
			}).On("GET", endpointRoles))
		}, 9, true},
		"the same page again and again": {func(s *airflowtest.Server) {
			s.Inject(airflowtest.Fault{Query: func(q url.Values) { q.Set("offset", "0") }}.On("GET", endpointRoles))
		}, 9, true},
		"an empty page": {func(s *airflowtest.Server) {
			s.Inject(airflowtest.Fault{Query: func(q url.Values) { q.Set("offset", "100000") }}.On("GET", endpointRoles).After(1))
		}, 5, true},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := setup(t, airflowtest.Options{}, nil)
			for i := range many {
				s.SetRole(fmt.Sprintf("r%03d", i))
			}
			tc.inject(s)
			list, err := c.Roles(ctx)
			if err != nil {
				t.Fatal(err)
			}
			names := roleNamesOf(t, list)
			if list.Complete == tc.shifts {
				t.Errorf("complete: %v", list.Complete)
			}
			if list.Complete && !slices.Equal(names, storedNames(s)) {
				t.Errorf("%d roles read, %d stored", len(names), len(s.Roles()))
			}
			if n := requests(s, "GET", endpointRoles); n != tc.requests {
				t.Errorf("%d requests, want %d", n, tc.requests)
			}
		})
	}
}

// TestAListThatIsKnownIsAskedForAtOnce holds each page back until all of them were asked for.
func TestAListThatIsKnownIsAskedForAtOnce(t *testing.T) {
	s, c := setup(t, airflowtest.Options{}, nil)
	read := func(pages int) {
		t.Helper()
		var asked sync.WaitGroup
		asked.Add(pages)
		all := make(chan struct{})
		go func() { asked.Wait(); close(all) }()
		s.Inject(airflowtest.Meanwhile(func() {
			asked.Done()
			select {
			case <-all:
			case <-time.After(10 * time.Second):
				t.Error("a page was not asked for while others were under way")
			}
		}).On("GET", endpointRoles))
		list, err := c.Roles(ctx)
		if err != nil || !list.Complete || len(list.Items) != len(s.Roles()) {
			t.Fatalf("%d roles of %d, complete: %v, %v", len(list.Items), len(s.Roles()), list.Complete, err)
		}
		s.Heal()
	}
	for i := range 190 { // with the built-in roles 195: two pages
		s.SetRole(fmt.Sprintf("r%03d", i))
	}
	if _, err := c.Roles(ctx); err != nil {
		t.Fatal(err)
	}
	read(2)
	for i := range 10 {
		if _, err := c.CreateRole(ctx, airflow.Role{Name: fmt.Sprintf("made%d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	read(3)
	for i := range 10 {
		if err := c.DeleteRole(ctx, fmt.Sprintf("made%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	read(2)
}

// TestAListThatWasAnotherIsReadWhole: what is remembered saves time and decides nothing.
func TestAListThatWasAnotherIsReadWhole(t *testing.T) {
	s, c := setup(t, airflowtest.Options{}, nil)
	for i := range 245 {
		s.SetRole(fmt.Sprintf("r%03d", i))
	}
	for name, change := range map[string]func(){
		"as before": func() {},
		"longer": func() {
			for i := range 200 {
				s.SetRole(fmt.Sprintf("more%03d", i))
			}
		},
		"shorter": func() {
			for i := range 245 {
				s.DeleteRole(fmt.Sprintf("r%03d", i))
			}
		},
		"shorter pages": func() { s.Inject(airflowtest.ShortPages(30).On("GET", endpointRoles)) },
	} {
		change()
		for range 2 {
			list, err := c.Roles(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if names := roleNamesOf(t, list); !list.Complete || !slices.Equal(names, storedNames(s)) {
				t.Errorf("%s: %d roles read, %d stored, complete: %v", name, len(names), len(s.Roles()), list.Complete)
			}
		}
	}
}

func TestListsThatAreTooLargeAreRefused(t *testing.T) {
	for name, body := range map[string]string{
		"a total beyond all reason": `{"roles":[],"total_entries":99999999}`,
		"a negative total":          `{"roles":[],"total_entries":-1}`,
		"no total":                  `{"roles":[]}`,
		"no list":                   `{"total_entries":0}`,
		"an item without a name":    `{"roles":[{"actions":[]}],"total_entries":1}`,
		"a pair without a name":     `{"roles":[{"name":"r","actions":[{"action":{"name":"can_read"}}]}],"total_entries":1}`,
	} {
		t.Run(name, func(t *testing.T) {
			s, c := setup(t, airflowtest.Options{}, nil)
			s.Inject(answer(200, "application/json", body).On("GET", endpointRoles))
			_, err := c.Roles(ctx)
			want(t, airflow.CauseNotAirflow, err)
		})
	}
}

func TestAnErrorOnALaterPageFailsTheList(t *testing.T) {
	s, c := setup(t, airflowtest.Options{}, nil)
	for i := range 120 {
		s.AddUser(airflowtest.User{Username: fmt.Sprintf("u%d", i)})
	}
	s.Inject(airflowtest.Status(500, "x").On("GET", "/auth/fab/v1/users").After(1))
	list, err := c.Users(ctx)
	want(t, airflow.CauseUnavailable, err)
	if list.Complete || len(list.Items) != 0 {
		t.Errorf("part of the list came with the error: %d", len(list.Items))
	}
}

func TestDagsAreReadWithStaleOnes(t *testing.T) {
	s, c := setup(t, airflowtest.Options{}, nil)
	for i := range 130 {
		s.SetDag(airflowtest.Dag{
			ID: fmt.Sprintf("d%03d", i), Tags: []string{"z", "a", "a"}, Owners: []string{"y", "x"},
			Bundle: "main", Path: "team/d.py", Stale: i == 129, Paused: i == 0,
		})
	}
	list, err := c.Dags(ctx)
	if err != nil || !list.Complete || len(list.Items) != 130 {
		t.Fatalf("%d DAGs, complete %v, %v", len(list.Items), list.Complete, err)
	}
	first, last := list.Items[0], list.Items[129]
	if fmt.Sprint(first) != "{d000 [a z] [x y] main team/d.py true false}" || !last.Stale || last.Paused {
		t.Errorf("first %v, last %v", first, last)
	}
}

// TestPagesThatAreTooLargeAreAskedForInSmallerOnes: many large roles are no reason to read none.
func TestPagesThatAreTooLargeAreAskedForInSmallerOnes(t *testing.T) {
	s, c := setup(t, airflowtest.Options{}, func(config *airflow.Config) { config.MaxBody = 16 << 10 })
	for i := range 130 {
		var pairs []airflow.Permission
		for j := range i % 7 * 10 {
			pairs = append(pairs, pair("can_read", fmt.Sprintf("DAG:d%03d", j)))
		}
		s.SetRole(fmt.Sprintf("r%03d", i), pairs...)
	}
	for range 2 {
		list, err := c.Roles(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if names := roleNamesOf(t, list); !list.Complete || !slices.Equal(names, storedNames(s)) {
			t.Errorf("%d roles read, %d stored, complete: %v", len(names), len(s.Roles()), list.Complete)
		}
	}
}

// TestAnswersTakeNoMoreMemoryThanTheyAreWorth: values of two bytes each are not taken for people, roles or permissions.
func TestAnswersTakeNoMoreMemoryThanTheyAreWorth(t *testing.T) {
	const size = 8 << 20
	empty := "[" + strings.Repeat("{},", size/3) + "{}]"
	for name, body := range map[string]string{
		"people":            `{"users":` + empty + `,"total_entries":1}`,
		"roles of a person": `{"users":[{"username":"a","roles":` + empty + `}],"total_entries":1}`,
	} {
		s, c := setup(t, airflowtest.Options{}, nil)
		s.Inject(answer(200, "application/json", body).On("GET", "/auth/fab/v1/users"))
		if _, err := c.Roles(ctx); err != nil { // to know the server
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := c.Users(ctx)
		runtime.ReadMemStats(&after)
		want(t, airflow.CauseNotAirflow, err)
		if used := after.TotalAlloc - before.TotalAlloc; used > 12*size { // reading the body alone takes half of that
			t.Errorf("%s: %d MiB for an answer of %d MiB", name, used>>20, size>>20)
		}
	}
}

// TestAListIsNotReadWithoutEnd: pages that are each within the bound are not when there are many of them.
func TestAListIsNotReadWithoutEnd(t *testing.T) {
	s, c := setup(t, airflowtest.Options{}, nil)
	for i := range 2000 {
		s.AddUser(airflowtest.User{Username: fmt.Sprintf("u%04d", i)})
	}
	s.Inject(airflowtest.HugeBody(15<<20).On("GET", "/auth/fab/v1/users"))
	_, err := c.Users(ctx)
	want(t, airflow.CauseNotAirflow, err)
}

// TestK1TheItemThatMakesAListFailIsNamed: by smaller pages, and only where other items can be read.
func TestK1TheItemThatMakesAListFailIsNamed(t *testing.T) {
	for name, tc := range map[string]struct {
		fault airflowtest.Fault
		place int
		known bool
	}{
		"the first":       {airflowtest.BrokenItem(0), 0, true},
		"in the middle":   {airflowtest.BrokenItem(117), 117, true},
		"the last":        {airflowtest.BrokenItem(149), 149, true},
		"every item":      {airflowtest.Status(500, "no"), 0, false},
		"a proxy for all": {airflowtest.BadGateway(502), 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := setup(t, airflowtest.Options{}, nil)
			for i := range 150 {
				s.SetDag(airflowtest.Dag{ID: fmt.Sprintf("d%03d", i)})
			}
			s.Inject(tc.fault.On("GET", "/api/v2/dags"))
			for range 2 {
				_, err := c.Dags(ctx)
				if place, known := airflow.Place(err); place != tc.place || known != tc.known || !airflow.IsUnavailable(err) {
					t.Errorf("place %d, known %t: %v", place, known, err)
				}
			}
			if err := c.CheckAccount(ctx); err != nil {
				t.Errorf("the check of the account fails: %v", err)
			}
		})
	}
}
