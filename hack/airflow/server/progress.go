package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// progressEvery is the time between two lines about work that goes on.
const progressEvery = 10 * time.Second

// progress tells people what is being done. A nil writer is silent.
type progress struct{ w io.Writer }

func (p progress) say(format string, arguments ...any) {
	if p.w != nil {
		_, _ = fmt.Fprintf(p.w, "airflow: "+format+"\n", arguments...)
	}
}

// run runs a program to its end, with a line at its start and one every ten
// seconds. Its output is shown only in the error, the last lines of it.
func (p progress) run(ctx context.Context, what string, cmd *exec.Cmd) error {
	p.say("%s", what)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	stop := p.ticker(what)
	err := cmd.Run()
	stop()
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", what, ctx.Err())
	}
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", what, err, lastLines(output.String(), 20))
	}
	return nil
}

// ticker says every ten seconds that the work goes on, until stop is called.
func (p progress) ticker(what string) (stop func()) {
	started, done := time.Now(), make(chan struct{})
	ticker := time.NewTicker(progressEvery)
	go func() {
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				p.say("  %s: %.0f s", what, time.Since(started).Seconds())
			}
		}
	}()
	return func() { ticker.Stop(); close(done) }
}

func lastLines(text string, count int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-count):], "\n")
}
