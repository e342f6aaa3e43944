package operator_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// metricsAddress is a loopback address for the operator's metrics. Its port is below those that systems give out by
// themselves, since it is used only when Airflow is up.
func metricsAddress(t *testing.T) string {
	t.Helper()
	first := 20000 + os.Getpid()%10000
	for port := first; port < first+100; port++ {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address); err == nil {
			_ = listener.Close()
			return address
		}
	}
	t.Fatal("no free port for the operator's metrics")
	return ""
}

// exposed is what the operator shows to Prometheus.
func (w *world) exposed(t *testing.T) string {
	t.Helper()
	g, client := NewWithT(t), http.Client{Timeout: 10 * time.Second}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+w.metrics+"/metrics", http.NoBody)
	g.Expect(err).NotTo(HaveOccurred())
	answer, err := client.Do(request)
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(answer.StatusCode).To(Equal(http.StatusOK))
	return string(text)
}

// figures are the series of one scrape with their values.
type figures map[string]float64

func (w *world) figures(t *testing.T) figures {
	t.Helper()
	out := figures{}
	for line := range strings.Lines(w.exposed(t)) {
		line = strings.TrimSpace(line)
		if cut := strings.LastIndex(line, " "); cut > 0 && !strings.HasPrefix(line, "#") {
			value, err := strconv.ParseFloat(line[cut+1:], 64)
			NewWithT(t).Expect(err).NotTo(HaveOccurred(), line)
			out[line[:cut]] = value
		}
	}
	return out
}

// of adds up what there is of a metric of ours with these labels; -1 where there is nothing.
func (f figures) of(metric string, labels ...string) float64 {
	sum, found := 0.0, false
	for series, value := range f {
		name, rest, _ := strings.Cut(series, "{")
		fits := name == "airflow_oam_"+metric
		for _, label := range labels {
			fits = fits && strings.Contains(rest, label)
		}
		if fits {
			sum, found = sum+value, true
		}
	}
	if !found {
		return -1
	}
	return sum
}

// writes are the operator's writes of roles and users so far.
func (f figures) writes() float64 {
	sum := 0.0
	for _, method := range []string{http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete} {
		for _, list := range []string{"/roles", "/users"} {
			sum += max(0, f.of("airflow_requests_total", `method="`+method+`"`, list))
		}
	}
	return sum
}

// measured reads the metrics when all has happened. The operator was started again in F54, and counts from there.
func (w *world) measured(t *testing.T) {
	g := NewWithT(t)
	const ours = `instance="e2e/prod"`
	f := w.figures(t)
	g.Expect(f.of("instance_up", ours)).To(Equal(1.0))
	g.Expect(f.of("endings_overdue", ours)).To(Equal(0.0))
	g.Expect(f.of("airflow_requests_total", ours, `method="GET"`, `code="200"`)).To(BeNumerically(">", 0))
	g.Expect(f.writes()).To(BeNumerically(">", 0))
	g.Expect(f.of("pass_duration_seconds_count", ours)).To(BeNumerically(">", 0))
	g.Expect(f.of("pass_last_success_timestamp_seconds", ours)).To(BeNumerically("~", time.Now().Unix(), patience.Seconds()))
	g.Expect(f.of("grant_ending_delay_seconds_count")).To(BeNumerically(">=", 1), "dora's ended")
	g.Expect(f.of("grant_activation_delay_seconds_count")).To(BeNumerically(">=", 2), "gina and erin got theirs")

	phases := map[string]float64{}
	for phase := range strings.FieldsSeq(w.field(t, "accessgrants", ".items[*].status.phase")()) {
		phases[phase]++
	}
	g.Expect(phases).To(HaveLen(3), "grants that are Active, Expired and Revoked")
	for phase, count := range phases {
		g.Expect(f.of("grants", ours, `phase="`+phase+`"`)).To(Equal(count), phase)
	}
	g.Expect(f.of("grants", ours)).To(Equal(f.of("grants")), "no other instance has any")

	for cause, repaired := range map[string]float64{
		"RoleDeleted": 2, "RoleEdited": 1, "LoginRoleSync": 1, "Manual": 8, "DagAccessControl": 1, "UserDeleted": -1, // nothing to repair
	} {
		label := `cause="` + cause + `"`
		g.Expect(f.of("drift_repaired_total", ours, label)).To(BeNumerically(">=", repaired), cause)
		g.Expect(f.of("drift_detected_total", ours, label)).To(BeNumerically(">=", max(1, f.of("drift_repaired_total", ours, label))), cause)
	}
	w.namesNobody(t, f)
}

// namesNobody expects no user, DAG or role in any series.
func (w *world) namesNobody(t *testing.T, f figures) {
	t.Helper()
	names := []string{"finance_", "marketing_", "example.com"}
	for person := range w.passwords {
		names = append(names, `\b`+person+`\b`)
	}
	ours, others := w.roles(t)
	for _, role := range append(ours, others...) {
		names = append(names, `"`+regexp.QuoteMeta(role)+`"`)
	}
	pattern := regexp.MustCompile("(?i)" + strings.Join(names, "|"))
	var found []string
	for series := range f {
		if pattern.MatchString(series) {
			found = append(found, fmt.Sprintf("%s (%s)", series, pattern.FindString(series)))
		}
	}
	NewWithT(t).Expect(found).To(BeEmpty(), "no label holds a user, a DAG or a role")
}
