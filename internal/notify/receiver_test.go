package notify_test

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/config"
	"github.com/airflow-oam/airflow-oam/internal/metrics"
	"github.com/airflow-oam/airflow-oam/internal/notify"
)

// secretPath is what no error and no log may have a part of.
const secretPath = "/services/T0SECRETTEAM/B0SECRETBOT/s3cr3tw0rd"

const patience = 10 * time.Second

// receiver is a server that is notified.
type receiver struct {
	*httptest.Server
	t     *testing.T
	clock *clocktesting.FakeClock

	mu    sync.Mutex
	ids   []string
	times []time.Time
}

// receive starts a server. answer may be nil, and says 200 then; it is told how many requests came before.
func receive(t *testing.T, clock *clocktesting.FakeClock, answer func(before int, w http.ResponseWriter, r *http.Request)) *receiver {
	t.Helper()
	got := &receiver{t: t, clock: clock}
	got.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var event struct {
			ID   string `json:"id"`
			Text string `json:"text"`
		}
		if err := json.NewDecoder(r.Body).Decode(&event); err != nil {
			t.Errorf("the body is no JSON: %v", err)
		}
		got.mu.Lock()
		before := len(got.ids)
		got.ids, got.times = append(got.ids, event.ID), append(got.times, clock.Now())
		got.mu.Unlock()
		if answer != nil {
			answer(before, w, r)
		}
	}))
	got.Config.ErrorLog = log.New(io.Discard, "", 0) // it would tell of every certificate that is refused
	got.StartTLS()
	t.Cleanup(got.Close)
	return got
}

// received are the ids that came, and when.
func (r *receiver) received() ([]string, []time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.ids...), append([]time.Time(nil), r.times...)
}

// write makes a file, and gives its path.
func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// certificate is what trusts a server.
func certificate(t *testing.T, c *x509.Certificate) string {
	t.Helper()
	return write(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})))
}

// notifier is an HTTP notifier for a server, of which the name is that of the test.
func notifier(t *testing.T, r *receiver) config.Notifier {
	t.Helper()
	return config.Notifier{
		Name: strings.ToLower(t.Name()), Type: config.HTTP, URLFile: write(t, r.URL+secretPath+"\n"), CAFile: certificate(t, r.Certificate()),
		Timeout: 10 * time.Second,
	}
}

// world is a Teller whose losses are recorded.
type world struct {
	*notify.Teller
	t     *testing.T
	clock *clocktesting.FakeClock

	mu     sync.Mutex
	losses []string
}

// start makes a Teller that runs until the end of the test.
func start(t *testing.T, clock *clocktesting.FakeClock, notifiers ...config.Notifier) *world {
	t.Helper()
	w := &world{t: t, clock: clock}
	teller, err := notify.New(&config.Configuration{Notifiers: notifiers}, clock, func(name string, e notify.Event, err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.losses = append(w.losses, fmt.Sprintf("%s %s: %v", name, e.ID, err))
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Teller = teller
	teller.Start()
	t.Cleanup(w.stop)
	return w
}

// stop ends the Teller, and checks that no loss names a secret.
func (w *world) stop() {
	if w.Teller == nil {
		return
	}
	w.Teller.Close(0)
	w.Teller = nil
	for _, loss := range w.lost() {
		for _, secret := range []string{"SECRET", "s3cr3t", "services", "https://", "T0ken"} {
			if strings.Contains(loss, secret) {
				w.t.Errorf("a loss names %q: %s", secret, loss)
			}
		}
	}
}

func (w *world) lost() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.losses...)
}

// tell tells of a grant that became active, so short that it is not said to end soon.
func (w *world) tell(uid string) {
	changed := func(g *v1alpha1.AccessGrant) {
		g.UID = types.UID(uid)
		g.Status.Activation.ExpiresAt = at(10 * time.Minute)
	}
	w.Grant(nil, given(pending, changed), given(changed))
}

// active is the id of the event of tell.
func active(uid string) string { return uid + ".grant.active" }

// until waits for a condition while the clock goes on by steps.
func until(t *testing.T, clock *clocktesting.FakeClock, step time.Duration, condition func() bool) {
	t.Helper()
	over := time.After(patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
			clock.Step(step)
		case <-over:
			t.Fatal("it did not come to that in time")
		}
	}
}

// arrived waits until a number of requests came.
func (r *receiver) arrived(step time.Duration, count int) []string {
	r.t.Helper()
	until(r.t, r.clock, step, func() bool { ids, _ := r.received(); return len(ids) >= count })
	ids, _ := r.received()
	return ids
}

// count gives a figure of a notifier.
func count(t *testing.T, metric, notifier, outcome string) float64 {
	t.Helper()
	families, err := registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "airflow_oam_"+metric {
			continue
		}
		for _, m := range family.GetMetric() {
			labels := map[string]string{}
			for _, label := range m.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			if labels["notifier"] == notifier && labels["outcome"] == outcome {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return 0
}

var registry = sync.OnceValue(func() *prometheus.Registry {
	r := prometheus.NewPedanticRegistry()
	metrics.RegisterWith(r)
	return r
})
