package airflow

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

// script answers every request with one of its bodies, in turn.
type script struct {
	bodies [][]byte
	calls  int
}

func (s *script) RoundTrip(*http.Request) (*http.Response, error) {
	body := s.bodies[s.calls%len(s.bodies)]
	s.calls++
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}, nil
}

// FuzzLists feeds answers of any kind to the reading of lists: it ends, holds
// nothing twice, names everything, and says complete only of what adds up.
func FuzzLists(f *testing.F) {
	for _, seed := range []string{
		`{"roles":[{"name":"a","actions":[]}],"total_entries":2}`,
		`{"roles":[{"name":"b","actions":[{"action":{"name":"can_read"},"resource":{"name":"DAG:x"}}]}],"total_entries":2}`,
		`{"users":[{"username":"a","roles":[{"name":"r"}],"active":true}],"total_entries":2}`,
		`{"users":[{"username":"b","roles":null}],"total_entries":2}`,
		`{"dags":[{"dag_id":"a","tags":[{"name":"t"}],"owners":["o"]}],"total_entries":2}`,
		`{"actions":[{"action":{"name":"can_read"},"resource":{"name":"DAG:x"}}],"total_entries":1}`,
		`{"roles":[],"total_entries":100000}`, `[]`, `null`, `{`, ``,
	} {
		f.Add([]byte(seed), []byte(seed))
		f.Add([]byte(seed), []byte(`{"roles":[],"users":[],"dags":[],"actions":[],"total_entries":3}`))
	}
	f.Fuzz(func(t *testing.T, one, two []byte) {
		s := &script{bodies: [][]byte{one, two}}
		c, err := New(Config{URL: "https://airflow.example.com", Clock: clocktesting.NewFakePassiveClock(time.Unix(0, 0))})
		if err != nil {
			t.Fatal(err)
		}
		c.wire.http.Transport = s
		c.roleAPI.tokens.current = &token{value: "t", lifetime: time.Hour, made: time.Unix(0, 0)}
		fuzzList(t, c, s, listRoles)
		fuzzList(t, c, s, listUsers)
		fuzzList(t, c, s, listDags)
		fuzzList(t, c, s, listPermissions)
		fuzzList(t, c, s, listProviders)
	})
}

func fuzzList[W, T any](t *testing.T, c *Client, s *script, l listing[W, T]) {
	t.Helper()
	s.calls = 0
	list, err := l.read(context.Background(), c.roleAPI.lists)
	if err != nil {
		if cause := CauseOf(err); cause != CauseNotAirflow && cause != CauseUnavailable {
			t.Errorf("cause %q: %v", cause, err)
		}
		if len(list.Items) != 0 || list.Complete {
			t.Error("items came with an error")
		}
		return
	}
	if s.calls > maxReads*4 {
		t.Errorf("%d requests for two different pages", s.calls)
	}
	seen := map[string]bool{}
	for _, item := range list.Items {
		if key := l.key(item); key == "" || seen[key] {
			t.Errorf("item %q is nameless or comes twice", key)
		} else {
			seen[key] = true
		}
	}
	if list.Complete && len(list.Items) != list.Total {
		t.Errorf("complete with %d of %d", len(list.Items), list.Total)
	}
}

// FuzzDetail feeds errors of any kind: the message stays one short line.
func FuzzDetail(f *testing.F) {
	f.Add([]byte(`{"detail":"x"}`))
	f.Add([]byte(`{"detail":[{"loc":["a",1],"msg":"b"}]}`))
	f.Add([]byte(`{"detail":"The specified resource: 'DAG:\\'x\\\\' was not found"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		detail := readDetail(body, func(text string) string { return text })
		e := &Error{Cause: CauseInvalid, Method: "GET", Endpoint: "/x", Status: 400, Detail: clean(detail, maxDetail), err: parseInvalid(detail)}
		text := e.Error()
		if len(text) > 512 || bytes.ContainsAny([]byte(text), "\n\r\x00\x1b") {
			t.Errorf("message %q", text)
		}
	})
}
