package operator_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

const (
	// askEvery leaves an API worker time for the operator, also where four ask.
	askEvery = 200 * time.Millisecond
	// withoutPause is for those who are moved: a removal and a gift in two writes would be 60 to 80 ms apart on Airflow 2.
	withoutPause = time.Duration(0)
	// fewestAnswers to one question make a watch worth something.
	fewestAnswers = 8
)

// asker is who asks one question again and again.
type asker struct {
	what    string
	refused []string // the answers that were not 200
	answers int
}

// watch asks every question again and again until it is ended, at most once in a pause. Each has a goroutine of its own: no
// question waits for the answer to another one. An answer that is under way at the end does not count.
func watch(ctx context.Context, pause time.Duration, asks map[string]func(context.Context) int) (end func() []*asker) {
	ctx, cancel := context.WithCancel(ctx)
	var all []*asker
	var running sync.WaitGroup
	for what, ask := range asks {
		one := &asker{what: what}
		all = append(all, one)
		running.Go(func() { one.run(ctx, pause, ask) })
	}
	return func() []*asker {
		cancel()
		running.Wait()
		return all
	}
}

func (a *asker) run(ctx context.Context, pause time.Duration, ask func(context.Context) int) {
	began := time.Now()
	for {
		next := time.After(pause)
		answer := ask(ctx)
		if ctx.Err() != nil {
			return
		}
		if a.answers++; answer != http.StatusOK {
			a.refused = append(a.refused, fmt.Sprintf("%d after %s", answer, time.Since(began)))
		}
		select {
		case <-ctx.Done():
			return
		case <-next:
		}
	}
}

// neverRefused ends a watch.
func neverRefused(t *testing.T, end func() []*asker) {
	t.Helper()
	g := NewWithT(t)
	for _, one := range end() {
		t.Logf("%s: %d answers", one.what, one.answers)
		g.Expect(one.refused).To(BeEmpty(), "%s: what is kept is never refused", one.what)
		g.Expect(one.answers).To(BeNumerically(">=", fewestAnswers), "%s: too few answers meanwhile", one.what)
	}
}
