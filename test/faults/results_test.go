package faults_test

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// result is what one run showed.
type result struct {
	fault    fault
	scenario string
	server   string // its version
	seed     uint64
	struck   int
	failed   bool
	failures []string
}

// results are those of all runs.
type results struct {
	mu    sync.Mutex
	all   []result
	began time.Time
	want  int
}

// expect says how many runs there will be.
func (r *results) expect(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.want, r.began = n, time.Now()
}

// add takes in a result, and tells what failed at once, and from time to time how far the runs are.
func (r *results) add(one result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, one)
	if one.failed {
		fmt.Fprintf(os.Stdout, "%s %s failed: scenario %s, Airflow %s, seed %d\n", one.fault.number, one.fault.title, one.scenario, one.server, one.seed)
		for _, line := range one.failures {
			fmt.Fprintf(os.Stdout, "  %s\n", line)
		}
	}
	const often = 50
	if len(r.all)%often == 0 {
		fmt.Fprintf(os.Stdout, "%d of %d runs after %s, %d failed\n", len(r.all), r.want, time.Since(r.began).Round(time.Second), r.failed())
	}
}

func (r *results) failed() (n int) {
	for _, one := range r.all {
		if one.failed {
			n++
		}
	}
	return n
}

const (
	tableBegin = "<!-- results: begin -->"
	tableEnd   = "<!-- results: end -->"
)

// errPartial is why a run of some rows writes no page: it would take the others out of it.
var errPartial = errors.New("not all runs were made, so that the page stays as it is")

// write puts the table into a page, between its marks.
func (r *results) write(path string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.all) != r.want {
		return fmt.Errorf("%d of %d: %w", len(r.all), r.want, errPartial)
	}
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, rest, ok := bytes.Cut(page, []byte(tableBegin))
	_, tail, closed := bytes.Cut(rest, []byte(tableEnd))
	if !ok || !closed {
		return fmt.Errorf("%s has no marks %s and %s", path, tableBegin, tableEnd)
	}
	page = slices.Concat(head, []byte(tableBegin+"\n"+r.table()), []byte(tableEnd), tail)
	return os.WriteFile(path, page, 0o644)
}

// table has a row for each fault.
func (r *results) table() string {
	type row struct {
		fault         fault
		runs, failed  int
		struck        int
		seeds, played map[string]bool
		servers       map[string]bool
	}
	var (
		rows  = map[string]*row{}
		order []string
		seeds = map[string]bool{}
	)
	for _, one := range r.all {
		key := one.fault.number + " " + one.fault.title
		if rows[key] == nil {
			rows[key] = &row{fault: one.fault, seeds: map[string]bool{}, played: map[string]bool{}, servers: map[string]bool{}}
			order = append(order, key)
		}
		found := rows[key]
		seed := strconv.FormatUint(one.seed, 10)
		found.seeds[seed], found.played[one.scenario], found.servers[one.server], seeds[seed] = true, true, true, true
		found.runs++
		found.struck += one.struck
		if one.failed {
			found.failed++
		}
	}
	slices.SortFunc(order, func(a, b string) int {
		return cmp.Or(cmp.Compare(ordinal(rows[a].fault), ordinal(rows[b].fault)), cmp.Compare(a, b))
	})
	var out strings.Builder
	fmt.Fprintf(&out, "%d faults, %d seeds, %d runs, %d failed.\n\n", len(order), len(seeds), len(r.all), r.failed())
	out.WriteString("| | Fault | Airflow | Scenarios | Seeds | Took effect | May be late | Result |\n|---|---|---|---|--:|--:|---|---|\n")
	for _, key := range order {
		f := rows[key]
		verdict := "holds"
		if f.failed > 0 {
			verdict = fmt.Sprintf("**fails in %d of %d**", f.failed, f.runs)
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %s | %d | %d | %s | %s |\n", f.fault.number, f.fault.title,
			strings.Join(sortedKeys(f.servers), ", "), strings.Join(sortedKeys(f.played), ", "), len(f.seeds), f.struck, f.fault.late(), verdict)
	}
	return out.String()
}

// late says in the table what a fault may make late.
func (f fault) late() string {
	switch {
	case f.excuse != "":
		return f.excuse
	case f.what == airflowAway:
		return "all endings, while it lasts"
	case f.what == kubernetesAway:
		return "what people end, while it lasts"
	case f.what == processAway:
		return "all endings, until a process runs"
	}
	return "nothing"
}

func ordinal(f fault) int {
	n, err := strconv.Atoi(strings.TrimPrefix(f.number, "F"))
	if err != nil {
		return 0
	}
	return n
}

func TestAPartialRunLeavesThePageAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "page.md")
	page := "before " + tableBegin + " old " + tableEnd + " after"
	if err := os.WriteFile(path, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &results{want: 2}
	r.add(result{fault: fault{number: "F1", title: "something"}, scenario: "grants", server: "3", seed: 1, struck: 1})
	if err := r.write(path); !errors.Is(err, errPartial) {
		t.Errorf("one of two runs: %v", err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != page {
		t.Errorf("the page is now %q (%v)", got, err)
	}
	r.add(result{fault: fault{number: "F2", title: "something else"}, scenario: "grants", server: "3", seed: 1, struck: 1})
	if err := r.write(path); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || !strings.HasPrefix(string(got), "before ") || !strings.Contains(string(got), "something else") || !strings.HasSuffix(string(got), " after") {
		t.Errorf("the page is now %q (%v)", got, err)
	}
}

// TestThePageHasEachFault compares the rows of the page with the matrix, so that none is missing that was added since the
// page was written, and none stays that is not tried any more.
func TestThePageHasEachFault(t *testing.T) {
	t.Parallel()
	if os.Getenv("FAULTS_REPORT") != "" {
		return // the page is about to be written
	}
	page, err := os.ReadFile(filepath.FromSlash("../../docs/reliability.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), tableBegin)
	table, _, closed := strings.Cut(rest, tableEnd)
	if !closed {
		t.Fatal("the page has no table of results")
	}
	rows := map[string]bool{}
	for line := range strings.Lines(table) {
		if cells := strings.Split(line, "|"); len(cells) > 3 && strings.HasPrefix(cells[1], " F") {
			rows[strings.TrimSpace(cells[1])+" "+strings.TrimSpace(cells[2])] = true
		}
	}
	for _, f := range faults() {
		if name := f.number + " " + f.title; !rows[name] {
			t.Errorf("no row for %s: write the page with make faults", name)
		} else {
			delete(rows, name)
		}
	}
	for _, name := range sortedKeys(rows) {
		t.Errorf("a row for %s, which is not tried any more", name)
	}
}
