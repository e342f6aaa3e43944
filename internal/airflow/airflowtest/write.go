package airflowtest

import (
	"bytes"
	"maps"
	"net/http"
	"strconv"
	"time"
)

func (a *Answer) response() *response {
	r := &response{status: a.Status, text: a.Body, contentType: a.ContentType, header: a.Header}
	if r.text == "" {
		r.text = "\n"
	}
	return r
}

// write sends the answer, spoilt as the fault says.
func (s *Sim) write(w http.ResponseWriter, in *incoming, answer *response, fault *Fault) {
	if fault.Wire == HeldBack {
		<-in.Context().Done()
	}
	if fault.Wire == HeldBack || fault.Wire == Dropped {
		panic(http.ErrAbortHandler)
	}
	body := answer.encode()
	s.log.Lock()
	in.record.Status = answer.status
	s.log.Unlock()
	header := w.Header()
	maps.Copy(header, answer.header)
	header.Set("Date", s.clock.Now().Add(time.Duration(s.skew.Load())).UTC().Format(http.TimeFormat))
	switch {
	case answer.contentType != "":
		header.Set("Content-Type", answer.contentType)
	case answer.status != http.StatusNoContent:
		header.Set("Content-Type", "application/json")
	}
	half := body[:len(body)/2]
	switch fault.Wire {
	case Truncated:
		body = half
	case Broken, Stuck:
		header.Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(answer.status)
		_, _ = w.Write(half)
		_ = http.NewResponseController(w).Flush()
		if fault.Wire == Stuck {
			<-in.Context().Done()
		}
		panic(http.ErrAbortHandler)
	case Whole, Dropped, HeldBack:
	}
	w.WriteHeader(answer.status)
	_, _ = w.Write(body)
	if fault.Padding > 0 {
		pad(w, fault.Padding)
	}
}

// pad writes n spaces, as far as the client reads them.
func pad(w http.ResponseWriter, n int64) {
	spaces := bytes.Repeat([]byte(" "), 64<<10)
	for left := n; left > 0; left -= int64(len(spaces)) {
		if _, err := w.Write(spaces[:min(left, int64(len(spaces)))]); err != nil {
			return
		}
	}
}
