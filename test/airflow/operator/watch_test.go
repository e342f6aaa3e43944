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
	// fewestAnswers to one question make a watch worth something.
	fewestAnswers = 8
)

// asker is who asks one question again and again.
type asker struct {
	what    string
	refused []string // the answers that were not 200
	answers int
}

// watch asks every question five times a second until it is ended. Each has a goroutine of its own: no question waits for
// the answer to another one. An answer that is under way at the end does not count.
func watch(ctx context.Context, asks map[string]func(context.Context) int) (end func() []*asker) {
	ctx, cancel := context.WithCancel(ctx)
	var all []*asker
	var running sync.WaitGroup
	for what, ask := range asks {
		one := &asker{what: what}
		all = append(all, one)
		running.Go(func() { one.run(ctx, ask) })
	}
	return func() []*asker {
		cancel()
		running.Wait()
		return all
	}
}

func (a *asker) run(ctx context.Context, ask func(context.Context) int) {
	began, tick := time.Now(), time.NewTicker(askEvery)
	defer tick.Stop()
	for {
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
		case <-tick.C:
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
