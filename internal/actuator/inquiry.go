package actuator

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

// maxInquiries is how many DAGs Airflow is asked for after one list. Others that the list lacks stay away until the next.
const maxInquiries = 64

// inquiry asks Airflow for the DAGs to which access stays only because the list lacks them: one that was deleted is told from
// one that the list does not show. It is nil where none is to be asked for. A DAG for which Airflow gives no answer stays away;
// the inquiry fails only with what concerns the server.
func inquiry(r *reader, desired access.Desired) func(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	chosen := r.snap.dags.Ask(desired.AwayDags(), maxInquiries)
	if len(chosen) == 0 {
		return nil
	}
	return func(ctx context.Context) error {
		tally := newTally(r.server)
		var group errgroup.Group
		group.SetLimit(r.server.atOnce())
		for _, id := range chosen {
			group.Go(func() error {
				err := r.server.inSlot(ctx, func() (err error) {
					if !tally.over() {
						_, err = r.server.Dag(ctx, id)
					}
					return err
				})
				if !airflow.IsNotFound(err) {
					tally.count(err)
					return nil
				}
				r.mu.Lock()
				defer r.mu.Unlock()
				r.snap.dags.Drop(id)
				r.snap.sorted = nil
				return nil
			})
		}
		_ = group.Wait()
		if err := tally.outcome(); fatal(err) {
			return err
		}
		return nil
	}
}
