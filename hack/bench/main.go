// Command bench measures how many requests and how much time it takes to bring an Airflow to what is declared, against
// the simulator, beside two other ways of doing it. Requests are counted at the server, and the end state of every
// contestant is checked by the same oracle.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

const usage = `Measures airflow-oam against the simulator: cold convergence (P1), nothing changed (P2), one percent changed by others
(P3), many endings at once (P4), and the whole operator on a real API server while Airflow misbehaves (P8).

  make bench                        everything: about half an hour
  go run ./hack/bench -quick        a tenth of the size, one trial, no latency of 100 ms; P8 as large as ever (a quarter of an hour)

The tables are Markdown, as in docs/performance.md.

`

// settings of a run.
type settings struct {
	roles, users, trials int
	endings              []int
	latencies            []time.Duration
	concurrency          int
	generation           airflowtest.Generation // of the simulated server
	// late is how many requests may arrive late after each answer of 429, since the machine is busy.
	late int
}

// whole are the settings of docs/performance.md.
func whole() settings {
	return settings{
		roles: 500, users: 2000, trials: 5, endings: []int{1, 100, 5000}, concurrency: 8, generation: airflowtest.Airflow33,
		latencies: []time.Duration{0, 20 * time.Millisecond, 100 * time.Millisecond},
	}
}

// quick are a tenth of the size and one trial. P8 keeps its size.
func (s settings) quick() settings {
	s.roles, s.users, s.trials, s.endings, s.latencies = 50, 200, 1, []int{1, 100}, s.latencies[:2]
	return s
}

func main() {
	quick := flag.Bool("quick", false, "a tenth of the size and one trial")
	count := flag.Int("trials", whole().trials, "number of trials")
	only := flag.String("only", "", "comma separated scenarios: P1,P2,P3,P4,P8")
	flag.Usage = func() {
		fmt.Fprint(os.Stderr, usage)
		flag.PrintDefaults()
	}
	flag.Parse()
	s := whole()
	s.trials = *count
	if *quick {
		s = s.quick()
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, s, *only)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings, only string) error {
	var missed []string
	for _, scenario := range []struct {
		name string
		run  func(context.Context, settings) ([]string, error)
	}{{"P1", cold}, {"P2", unchanged}, {"P3", drifted}, {"P4", endings}, {"P8", misbehaving}} {
		if only != "" && !slices.Contains(strings.Split(only, ","), scenario.name) {
			continue
		}
		out, err := scenario.run(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", scenario.name, err)
		}
		missed = append(missed, out...)
	}
	if len(missed) > 0 {
		return errors.New("bounds missed:\n  " + strings.Join(missed, "\n  "))
	}
	return nil
}

// sample is one trial.
type sample struct {
	seconds  float64
	requests int
	writes   int
	// processor is the time that this process was at work, in seconds, the simulator included.
	processor float64
	// delays from the planned removal to the moment it was stored, in seconds, sorted; of P4 only.
	delays []float64
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}

func seconds(samples []sample) (mid, least, most float64) {
	var all []float64
	for _, s := range samples {
		all = append(all, s.seconds)
	}
	return median(all), slices.Min(all), slices.Max(all)
}

// processing is the median of the time at work.
func processing(samples []sample) float64 {
	var all []float64
	for _, s := range samples {
		all = append(all, s.processor)
	}
	return median(all)
}

// trials runs one contestant on fresh worlds.
func trials(ctx context.Context, count int, one func(context.Context) (sample, error)) ([]sample, error) {
	out := make([]sample, 0, count)
	for range count {
		s, err := one(ctx)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, ctx.Err()
}

// skip says which combinations are left out: the others at 100 ms would take minutes a trial, and make as many requests
// as at 20 ms.
func skip(c contestant, latency time.Duration) bool {
	return c.name != oursName && latency >= 100*time.Millisecond
}

// result is what one contestant's trials come to.
type result struct {
	contestant
	samples []sample
	// mid, least and most are the median and the extremes of the seconds; ours is the median of ours.
	mid, least, most, ours float64
}

// requests are those of the first trial: they are the same in each.
func (r result) requests() int { return r.samples[0].requests }

// ratio is how much longer it takes than ours.
func (r result) ratio() float64 { return r.mid / r.ours }

// race runs the contestants at one latency, ours first. report prints a line for each, and says which bounds it misses;
// only ours has bounds. without names contestants that do not take part.
func race(ctx context.Context, latency time.Duration, run func(context.Context, contestant) ([]sample, error), report func(result) []string, without ...string) ([]string, error) {
	var missed []string
	var ours float64
	for _, c := range contestants() {
		if skip(c, latency) || slices.Contains(without, c.name) {
			continue
		}
		samples, err := run(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		r := result{contestant: c, samples: samples}
		r.mid, r.least, r.most = seconds(samples)
		if c.name == oursName {
			ours = r.mid
		}
		r.ours = ours
		if out := report(r); c.name == oursName {
			missed = append(missed, out...)
		}
	}
	return missed, nil
}

// allPages is how many requests read everything once.
func allPages(s settings) int { return pages(s.roles+builtin) + pages(s.users+1) + pages(dagCount) }

func cold(ctx context.Context, s settings) ([]string, error) {
	fmt.Printf("\n### P1 cold convergence: %d roles, %d users, %d requests at once, %d trials\n\n", s.roles, s.users, s.concurrency, s.trials)
	fmt.Println("| latency | contestant | requests | of bound | seconds: median (min to max) | of bound | ratio to ours |")
	fmt.Println("|---|---|---|---|---|---|---|")
	var missed []string
	for _, latency := range s.latencies {
		out, err := coldAt(ctx, s, latency)
		if err != nil {
			return nil, err
		}
		missed = append(missed, out...)
	}
	return missed, nil
}

func coldAt(ctx context.Context, s settings, latency time.Duration) ([]string, error) {
	requestBound := 1.05 * float64(s.roles+s.users+allPages(s))
	timeBound := 1.15 * float64(s.roles+s.users) * latency.Seconds() / float64(s.concurrency)
	return race(ctx, latency, func(ctx context.Context, c contestant) ([]sample, error) {
		return trials(ctx, s.trials, func(ctx context.Context) (sample, error) {
			w, err := newWorld(s, latency)
			if err != nil {
				return sample{}, err
			}
			defer w.close()
			w.standing()
			return w.measure(func() error { return c.converge(ctx, w) }, w.converged)
		})
	}, func(r result) (missed []string) {
		fmt.Printf("| %d ms | %s | %d | %.2f | %.2f (%.2f to %.2f) | %s | %.1f |\n", latency.Milliseconds(), r.name, r.requests(),
			float64(r.requests())/requestBound, r.mid, r.least, r.most, share(r.mid, timeBound), r.ratio())
		if float64(r.requests()) > requestBound {
			missed = append(missed, fmt.Sprintf("P1 at %s: %d requests, bound %.0f", latency, r.requests(), requestBound))
		}
		if latency > 0 && r.mid > timeBound {
			missed = append(missed, fmt.Sprintf("P1 at %s: %.2f s, bound %.2f s", latency, r.mid, timeBound))
		}
		return missed
	})
}

func share(value, bound float64) string {
	if bound == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", value/bound)
}

func unchanged(ctx context.Context, s settings) ([]string, error) {
	fmt.Printf("\n### P2 nothing changed: %d roles, %d users, %d trials\n\n", s.roles, s.users, s.trials)
	fmt.Println("| latency | contestant | requests | writes | CPU seconds | seconds: median (min to max) | ratio to ours |")
	fmt.Println("|---|---|---|---|---|---|---|")
	var missed []string
	for _, latency := range s.latencies {
		out, err := unchangedAt(ctx, s, latency)
		if err != nil {
			return nil, err
		}
		missed = append(missed, out...)
	}
	return missed, nil
}

func unchangedAt(ctx context.Context, s settings, latency time.Duration) ([]string, error) {
	bound := allPages(s)
	return race(ctx, latency, func(ctx context.Context, c contestant) ([]sample, error) {
		w, err := newWorld(s, 0)
		if err != nil {
			return nil, err
		}
		defer w.close()
		w.standing()
		if err := c.converge(ctx, w); err != nil {
			return nil, err
		}
		w.slow(latency)
		return trials(ctx, s.trials, func(ctx context.Context) (sample, error) {
			return w.measure(func() error { return c.converge(ctx, w) }, w.converged)
		})
	}, func(r result) []string {
		last := r.samples[len(r.samples)-1]
		fmt.Printf("| %d ms | %s | %d | %d | %.2f | %.3f (%.3f to %.3f) | %.1f |\n", latency.Milliseconds(), r.name, last.requests, last.writes,
			processing(r.samples), r.mid, r.least, r.most, r.ratio())
		if last.requests <= bound && last.writes == 0 {
			return nil
		}
		return []string{fmt.Sprintf("P2 at %s: %d requests (bound %d), %d writes (bound 0)", latency, last.requests, bound, last.writes)}
	})
}

func endings(ctx context.Context, s settings) ([]string, error) {
	fmt.Printf("\n### P4 grants that end in the same second, %d trials\n\n", s.trials)
	fmt.Println("Delay: from the planned removal of each grant to the moment Airflow stored that it is gone. Proved: from the planned removal until the pass")
	fmt.Println("was over and all of them were read back. Proofs are told at the end of a pass, so that it is the same moment for each of them and has no")
	fmt.Println("percentiles. The other contestants read nothing back; theirs is the moment at which they are done.")
	fmt.Println()
	fmt.Println("| latency | endings | contestant | requests | delay p50 | p99 | max | proved: median (min to max) | of bound | ratio to ours |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|")
	var missed []string
	for _, latency := range s.latencies {
		for _, many := range s.endings {
			out, err := endingsAt(ctx, s, latency, many)
			if err != nil {
				return nil, err
			}
			missed = append(missed, out...)
		}
	}
	return missed, nil
}

func endingsAt(ctx context.Context, s settings, latency time.Duration, many int) ([]string, error) {
	bound := 1.2 * float64(many) * latency.Seconds() / float64(s.concurrency)
	return race(ctx, latency, func(ctx context.Context, c contestant) ([]sample, error) {
		return trials(ctx, s.trials, func(ctx context.Context) (sample, error) { return endTogether(ctx, s, c, latency, many) })
	}, func(r result) (missed []string) {
		var delays []float64
		for _, one := range r.samples {
			delays = append(delays, one.delays...)
		}
		slices.Sort(delays)
		fmt.Printf("| %d ms | %d | %s | %d | %.2f | %.2f | %.2f | %.2f (%.2f to %.2f) | %s | %.1f |\n", latency.Milliseconds(), many, r.name,
			r.requests(), at(delays, 0.5), at(delays, 0.99), at(delays, 1), r.mid, r.least, r.most, share(r.mid, bound), r.ratio())
		if most := many + 2*pages(endingUsers(many)+1); r.requests() > most {
			missed = append(missed, fmt.Sprintf("P4 %d endings at %s: %d requests, bound %d", many, latency, r.requests(), most))
		}
		if latency != 20*time.Millisecond {
			return missed
		}
		if many == 1 && r.most >= 1 {
			missed = append(missed, fmt.Sprintf("P4 one ending at %s: %.2f s until proved, bound 1 s", latency, r.most))
		}
		if many >= 1000 && r.mid > bound {
			missed = append(missed, fmt.Sprintf("P4 %d endings at %s: %.2f s until proved, bound %.2f s", many, latency, r.mid, bound))
		}
		return missed
	})
}

// endingUsers is how many users there are in P4.
func endingUsers(endings int) int { return max(endings, 100) }

func at(sorted []float64, share float64) float64 {
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
}

func endTogether(ctx context.Context, s settings, c contestant, latency time.Duration, many int) (sample, error) {
	s.roles, s.users = 50, endingUsers(many)
	w, err := newWorld(s, 0)
	if err != nil {
		return sample{}, err
	}
	defer w.close()
	w.timeBound(many)
	if err := c.converge(ctx, w); err != nil {
		return sample{}, err
	}
	w.slow(latency)
	planned := w.end()
	out, err := w.measure(func() error { return c.converge(ctx, w) }, w.converged)
	if err != nil {
		return sample{}, err
	}
	out.delays = w.removals(planned)
	if len(out.delays) != many {
		return sample{}, fmt.Errorf("%d removals were stored, want %d", len(out.delays), many)
	}
	return out, nil
}
