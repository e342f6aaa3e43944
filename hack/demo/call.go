package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/airflow-oam/airflow-oam/hack/airflow/server"
)

// trigger starts a run of the DAG as a person and gives the status of the answer.
func (d *demo) trigger(ctx context.Context, person string) (int, error) {
	return d.call(ctx, person, http.MethodPost, "/api/v2/dags/"+dag+"/dagRuns", map[string]any{"logical_date": nil})
}

// read looks at the DAG as a person and gives the status of the answer.
func (d *demo) read(ctx context.Context, person string) (int, error) {
	return d.call(ctx, person, http.MethodGet, "/api/v2/dags/"+dag, nil)
}

// call gives the status of an answer. A busy machine may need more than one try to get one that is about rights.
func (d *demo) call(ctx context.Context, person, method, path string, body any) (int, error) {
	const tries = 3
	var code int
	var err error
	for range tries {
		code, err = status(d.Airflow.Call(ctx, d.tokens[person], method, path, body, nil))
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if err == nil && code < http.StatusInternalServerError {
			break
		}
	}
	return code, err
}

// status gives the status of an answer, and an error where there was none.
func status(err error) (int, error) {
	var answer *server.StatusError
	switch {
	case err == nil:
		return http.StatusOK, nil
	case errors.As(err, &answer):
		return answer.Code, nil
	}
	return 0, err
}

// expect triggers as a person and wants one answer.
func (d *demo) expect(ctx context.Context, person string, want int) error {
	got, err := d.trigger(ctx, person)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("%s triggers %s: %d, want %d", person, dag, got, want)
	}
	d.say("%s triggers %s: %d", person, dag, got)
	return nil
}

// until reads as a person until the answer is as wanted, and says when that was.
func (d *demo) until(ctx context.Context, person string, want int, limit time.Duration) (time.Time, error) {
	begin := time.Now()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		got, err := d.read(ctx, person)
		if err != nil {
			return time.Time{}, err
		}
		if got == want {
			return time.Now(), nil
		}
		if time.Since(begin) > limit {
			return time.Time{}, fmt.Errorf("%s still gets %d for %s after %s, want %d", person, got, dag, limit, want)
		}
		select {
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		case <-tick.C:
		}
	}
}
