package notify_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/config"
	"github.com/airflow-oam/airflow-oam/internal/notify"
)

func TestAnEventArrives(t *testing.T) {
	clock := clocktesting.NewFakeClock(noon)
	headers := make(chan http.Header, 1)
	server := receive(t, clock, func(_ int, w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != secretPath {
			t.Errorf("%s %s", r.Method, r.URL.Path)
		}
		headers <- r.Header
		w.WriteHeader(http.StatusAccepted)
	})
	settings := notifier(t, server)
	settings.TokenFile = write(t, "T0ken\n")
	w := start(t, clock, settings)
	w.tell("a")
	if diff := cmp.Diff([]string{active("a")}, server.arrived(0, 1)); diff != "" {
		t.Error(diff)
	}
	header := <-headers
	if header.Get("Authorization") != "Bearer T0ken" || header.Get("Content-Type") != "application/cloudevents+json; charset=utf-8" {
		t.Errorf("headers %v", header)
	}
	until(t, clock, 0, func() bool { return count(t, "notifications_total", settings.Name, "sent") == 1 })
	w.stop()
	if lost := w.lost(); len(lost) > 0 {
		t.Error(lost)
	}
}

func TestAWebhookGetsAMessage(t *testing.T) {
	clock := clocktesting.NewFakeClock(noon)
	bodies := make(chan string, 1)
	server := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies <- r.Header.Get("Content-Type") + string(body)
	}))
	t.Cleanup(server.Close)
	w := start(t, clock, config.Notifier{
		Name: "slack", Type: config.Slack, URLFile: write(t, server.URL+secretPath), CAFile: certificate(t, server.Certificate()), Timeout: 10 * time.Second,
	})
	w.tell("a")
	select {
	case body := <-bodies:
		if !strings.HasPrefix(body, "application/json") || !strings.Contains(body, `"text":":unlock: *Access begins*: `) {
			t.Error(body)
		}
	case <-time.After(patience):
		t.Fatal("nothing came")
	}
}

func TestAnEventArrivesOncePerID(t *testing.T) {
	clock := clocktesting.NewFakeClock(noon)
	server := receive(t, clock, nil)
	w := start(t, clock, notifier(t, server))
	for range 3 {
		w.tell("a")
	}
	w.tell("b")
	if diff := cmp.Diff([]string{active("a"), active("b")}, server.arrived(0, 2)); diff != "" {
		t.Error(diff)
	}
}

func TestAFilterKeepsEventsAway(t *testing.T) {
	clock := clocktesting.NewFakeClock(noon)
	server, other := receive(t, clock, nil), receive(t, clock, nil)
	requests, grants := notifier(t, server), notifier(t, other)
	requests.Name, requests.Filter = "requests", "event.kind == 'AccessRequest'"
	grants.Name, grants.Filter = "grants", "event.kind == 'AccessGrant'"
	w := start(t, clock, requests, grants)
	w.tell("a")
	w.Request(asked(), asked(admitted))
	if diff := cmp.Diff([]string{"11111111-2222.request.waiting"}, server.arrived(0, 1)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{active("a")}, other.arrived(0, 1)); diff != "" {
		t.Error(diff)
	}
}

func TestAnEventWhoseFilterFailsIsCountedAndReported(t *testing.T) {
	clock := clocktesting.NewFakeClock(noon)
	settings := notifier(t, receive(t, clock, nil))
	settings.Filter = "event.by[0] == 'bob'"
	w := start(t, clock, settings)
	w.tell("a")
	if lost := w.lost(); len(lost) != 1 || count(t, "notifications_total", settings.Name, "failed") != 1 {
		t.Errorf("lost %v", lost)
	}
}

// A server that fails is tried again, each time later, with the same id.
func TestFailuresAreRepeated(t *testing.T) {
	for name, status := range map[string]int{"500": 500, "503": 503, "429": 429, "408": 408} {
		t.Run(name, func(t *testing.T) {
			clock := clocktesting.NewFakeClock(noon)
			server := receive(t, clock, func(before int, w http.ResponseWriter, _ *http.Request) {
				if before < 4 {
					w.WriteHeader(status)
				}
			})
			settings := notifier(t, server)
			settings.Name = "repeated-" + name
			w := start(t, clock, settings)
			w.tell("a")
			if diff := cmp.Diff(slices.Repeat([]string{active("a")}, 5), server.arrived(100*time.Millisecond, 5)); diff != "" {
				t.Error(diff)
			}
			_, times := server.received()
			for i, least := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second} {
				if waited := times[i+1].Sub(times[i]); waited < least {
					t.Errorf("try %d came %s after the one before, want at least %s", i+2, waited, least)
				}
			}
			until(t, clock, 0, func() bool { return count(t, "notifications_total", settings.Name, "sent") == 1 })
			if got := count(t, "notification_retries_total", settings.Name, ""); got != 4 {
				t.Errorf("%v retries are counted, want 4", got)
			}
		})
	}
}

func TestAServerSaysWhenToTryAgain(t *testing.T) {
	for name, c := range map[string]struct {
		header string
		least  time.Duration
	}{
		"seconds":  {"120", 2 * time.Minute},
		"a moment": {noon.Add(3 * time.Minute).Format(http.TimeFormat), 150 * time.Second},
		"too long": {strconv.Itoa(1 << 30), 15 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			clock := clocktesting.NewFakeClock(noon)
			server := receive(t, clock, func(before int, w http.ResponseWriter, _ *http.Request) {
				if before == 0 {
					w.Header().Set("Retry-After", c.header)
					w.WriteHeader(http.StatusTooManyRequests)
				}
			})
			start(t, clock, notifier(t, server)).tell("a")
			server.arrived(time.Second, 2)
			if _, times := server.received(); times[1].Sub(times[0]) < c.least {
				t.Errorf("tried again after %s, want at least %s", times[1].Sub(times[0]), c.least)
			}
		})
	}
}

// An answer that will be the same next time ends the try at once, and the next event goes on.
func TestRefusalsAreFinal(t *testing.T) {
	for name, c := range map[string]struct {
		status     int
		body, want string
	}{
		"a bad request":  {400, "invalid_payload", "the answer is 400 invalid_payload"},
		"not found":      {404, "no such path: " + secretPath, "the answer is 404"},
		"forbidden":      {403, strings.Repeat("s3cr3tw0rd ", 100), "the answer is 403"},
		"gone":           {410, "channel_is_archived\n", "the answer is 410 channel_is_archived"},
		"not authorized": {401, "", "the answer is 401"},
	} {
		t.Run(name, func(t *testing.T) {
			clock := clocktesting.NewFakeClock(noon)
			server := receive(t, clock, func(before int, w http.ResponseWriter, _ *http.Request) {
				if before == 0 {
					w.WriteHeader(c.status)
					_, _ = io.WriteString(w, c.body)
				}
			})
			w := start(t, clock, notifier(t, server))
			w.tell("a")
			w.tell("b")
			if diff := cmp.Diff([]string{active("a"), active("b")}, server.arrived(time.Minute, 2)); diff != "" {
				t.Error(diff)
			}
			if lost := w.lost(); len(lost) != 1 || !strings.HasSuffix(lost[0], ": "+c.want) {
				t.Errorf("lost %q, want %q", lost, c.want)
			}
		})
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	clock := clocktesting.NewFakeClock(noon)
	elsewhere := receive(t, clock, nil)
	server := receive(t, clock, func(_ int, w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL+secretPath, http.StatusTemporaryRedirect)
	})
	settings := notifier(t, server)
	w := start(t, clock, settings)
	w.tell("a")
	until(t, clock, 0, func() bool { return count(t, "notifications_total", settings.Name, "failed") == 1 })
	if ids, _ := elsewhere.received(); len(ids) > 0 {
		t.Errorf("the other server got %v", ids)
	}
	w.stop()
	if lost := w.lost(); len(lost) != 1 || !strings.Contains(lost[0], "307, a redirect") {
		t.Error(lost)
	}
}

func TestCertificatesAreVerified(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*config.Notifier, *receiver)
		want   string
	}{
		"of an authority that is not trusted": {func(n *config.Notifier, _ *receiver) { n.CAFile = "" }, "the certificate is not trusted"},
		"of another host": {func(n *config.Notifier, r *receiver) {
			n.URLFile = write(t, strings.Replace(r.URL, "127.0.0.1", "localhost", 1)+secretPath)
		}, "the certificate is for another host"},
	} {
		t.Run(name, func(t *testing.T) {
			clock := clocktesting.NewFakeClock(noon)
			server := receive(t, clock, nil)
			settings := notifier(t, server)
			settings.Name = "certificate"
			c.change(&settings, server)
			w := start(t, clock, settings)
			w.tell("a")
			until(t, clock, time.Minute, func() bool { return len(w.lost()) == 1 })
			if lost := w.lost(); !strings.HasSuffix(lost[0], ": "+c.want) {
				t.Errorf("lost %q, want %q", lost, c.want)
			}
			if ids, _ := server.received(); len(ids) > 0 {
				t.Errorf("the server got %v", ids)
			}
		})
	}
}

// What cannot be used is tried for an hour, since a Secret may be corrected meanwhile.
func TestFilesThatCannotBeUsedAreReported(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*config.Notifier)
		want   string
	}{
		"no file":         {func(n *config.Notifier) { n.URLFile = "/does/not/exist" }, "urlFile: open /does/not/exist: no such file or directory"},
		"an empty file":   {func(n *config.Notifier) { n.URLFile = write(t, "\n") }, "urlFile: the file is empty"},
		"no TLS":          {func(n *config.Notifier) { n.URLFile = write(t, "http://example.com"+secretPath) }, "urlFile holds an address without https, see allowHTTP"},
		"another scheme":  {func(n *config.Notifier) { n.URLFile, n.AllowHTTP = write(t, "ftp://example.com/"), true }, "urlFile holds an address without https, see allowHTTP"},
		"a password":      {func(n *config.Notifier) { n.URLFile = write(t, "https://u:s3cr3t@example.com/") }, "urlFile holds an address with a user name: use tokenFile"},
		"several lines":   {func(n *config.Notifier) { n.URLFile = write(t, "https://a.example.com/s3cr3t\nhttps://b.example.com/") }, "urlFile: want one line of text in the file"},
		"no address":      {func(n *config.Notifier) { n.URLFile = write(t, "s3cr3t") }, "urlFile holds no address"},
		"a bad address":   {func(n *config.Notifier) { n.URLFile = write(t, "https://s3cr3t:port/%zz") }, "urlFile holds no address"},
		"no token":        {func(n *config.Notifier) { n.TokenFile = write(t, "") }, "tokenFile: the file is empty"},
		"no certificates": {func(n *config.Notifier) { n.CAFile = write(t, "s3cr3t") }, "caFile holds no certificate in PEM"},
		"nobody there":    {func(n *config.Notifier) { n.URLFile = write(t, "https://127.0.0.1:1"+secretPath) }, "the connection is refused"},
	} {
		t.Run(name, func(t *testing.T) {
			clock := clocktesting.NewFakeClock(noon)
			settings := notifier(t, receive(t, clock, nil))
			settings.Name = "files"
			c.change(&settings)
			w := start(t, clock, settings)
			w.tell("a")
			until(t, clock, 10*time.Second, func() bool { return len(w.lost()) == 1 })
			if lost := w.lost(); !strings.HasSuffix(lost[0], ": "+c.want) {
				t.Errorf("lost %q, want %q", lost, c.want)
			}
			if tried := clock.Since(noon); tried < 50*time.Minute {
				t.Errorf("given up after %s", tried)
			}
		})
	}
}

func TestASecretThatChangesHasAnEffect(t *testing.T) {
	clock := clocktesting.NewFakeClock(noon)
	first, second := receive(t, clock, nil), receive(t, clock, nil)
	settings := notifier(t, first)
	w := start(t, clock, settings)
	w.tell("a")
	first.arrived(0, 1)
	if err := os.WriteFile(settings.URLFile, []byte(second.URL+secretPath), 0o600); err != nil {
		t.Fatal(err)
	}
	w.tell("b")
	if diff := cmp.Diff([]string{active("b")}, second.arrived(time.Second, 1)); diff != "" {
		t.Error(diff)
	}
}

func TestAnAnswerIsReadBoundedly(t *testing.T) {
	clock := clocktesting.NewFakeClock(noon)
	ended := make(chan struct{})
	server := receive(t, clock, func(before int, w http.ResponseWriter, _ *http.Request) {
		if before > 0 {
			return
		}
		for chunk := []byte(strings.Repeat("x", 64<<10)); ; {
			if _, err := w.Write(chunk); err != nil {
				close(ended)
				return
			}
		}
	})
	w := start(t, clock, notifier(t, server))
	w.tell("a")
	w.tell("b")
	server.arrived(0, 2)
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("the answer is still read")
	}
}

// A notifier that hangs delays neither who tells nor another notifier. What it misses is the oldest, and is counted.
func TestANotifierThatHangsDelaysNothing(t *testing.T) {
	clock := clocktesting.NewFakeClock(noon)
	release := make(chan struct{})
	hanging := receive(t, clock, func(int, http.ResponseWriter, *http.Request) { <-release })
	healthy := receive(t, clock, nil)
	slow, good := notifier(t, hanging), notifier(t, healthy)
	slow.Name, good.Name, slow.Timeout = "slow", "good", time.Hour
	w := start(t, clock, slow, good)
	w.tell("first")
	hanging.arrived(0, 1) // it is being sent
	const more = 10
	for i := range notify.MaxQueue + more {
		w.tell(strconv.Itoa(i))
		healthy.arrived(0, i+2)
	}
	if got := count(t, "notifications_total", "slow", "dropped"); got != more {
		t.Errorf("%v events are counted as dropped, want %d", got, more)
	}
	if got := count(t, "notifications_waiting", "slow", ""); got != float64(notify.MaxQueue) {
		t.Errorf("%v events wait, want %d", got, notify.MaxQueue)
	}
	close(release)
	ids := hanging.arrived(0, 1+notify.MaxQueue)
	if ids[1] != active(strconv.Itoa(more)) || ids[len(ids)-1] != active(strconv.Itoa(notify.MaxQueue+more-1)) {
		t.Errorf("after the first came %s ... %s, want the newest", ids[1], ids[len(ids)-1])
	}
	if lost := w.lost(); len(lost) != more || !strings.HasPrefix(lost[0], "slow "+active("0")) {
		t.Errorf("lost %v", lost)
	}
}

func TestAServerThatHangsIsTriedAgain(t *testing.T) {
	clock := clocktesting.NewFakeClock(noon)
	server := receive(t, clock, func(before int, _ http.ResponseWriter, r *http.Request) {
		if before == 0 {
			<-r.Context().Done()
		}
	})
	settings := notifier(t, server)
	settings.Timeout = 50 * time.Millisecond
	start(t, clock, settings).tell("a")
	if diff := cmp.Diff([]string{active("a"), active("a")}, server.arrived(100*time.Millisecond, 2)); diff != "" {
		t.Error(diff)
	}
}

// A question that nobody can answer any more is not asked.
func TestAnEventThatSaysNothingNewIsNotSent(t *testing.T) {
	clock := clocktesting.NewFakeClock(noon)
	server := receive(t, clock, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	settings := notifier(t, server)
	w := start(t, clock, settings)
	w.Request(asked(), asked(admitted, func(r *v1alpha1.AccessRequest) { r.Status.DecideBy = pointer(10 * time.Minute) }))
	until(t, clock, time.Second, func() bool { return count(t, "notifications_total", settings.Name, "expired") == 1 })
	if late := clock.Since(noon); late < 10*time.Minute || late > 15*time.Minute {
		t.Errorf("given up after %s", late)
	}
}

func TestTheEndSendsWhatWaits(t *testing.T) {
	clock := clocktesting.NewFakeClock(noon)
	release := make(chan struct{})
	server := receive(t, clock, func(before int, _ http.ResponseWriter, _ *http.Request) {
		if before == 0 {
			<-release
		}
	})
	w := start(t, clock, notifier(t, server))
	for i := range 5 {
		w.tell(strconv.Itoa(i))
	}
	server.arrived(0, 1)
	close(release)
	w.Teller.Close(time.Minute)
	w.Teller = nil
	if ids, _ := server.received(); len(ids) != 5 {
		t.Errorf("only %v came", ids)
	}
}

func TestTheEndDoesNotWaitForAServerThatHangs(t *testing.T) {
	clock := clocktesting.NewFakeClock(noon)
	server := receive(t, clock, func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	settings := notifier(t, server)
	settings.Timeout = time.Hour
	w := start(t, clock, settings)
	w.tell("a")
	server.arrived(0, 1)
	done := make(chan struct{})
	go func() { w.stop(); close(done) }()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("it waits")
	}
	if lost := w.lost(); len(lost) != 1 {
		t.Errorf("lost %v", lost)
	}
}

func TestWithoutNotifiersNothingRuns(t *testing.T) {
	teller, err := notify.New(&config.Configuration{}, clocktesting.NewFakeClock(noon), nil)
	if err != nil {
		t.Fatal(err)
	}
	teller.Start()
	teller.Request(asked(), asked(admitted))
	teller.Grant(nil, given(pending), given())
	teller.Forget("a")
	teller.Close(time.Hour)
}
