package actuator

import (
	"context"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

// maxInquiries is how many DAGs Airflow is asked for after one list. Others that the list lacks stay away until the next.
const maxInquiries = 64

// inquiry asks Airflow for DAGs that its list lacks: one that was deleted is told from one that the list does not show. It is
// read only for DAGs to which access stays because of that.
type inquiry struct {
	*reader
	tally *tally
}

// due are the DAGs to ask for, of those to which access stays.
func (q inquiry) due(desired access.Desired) []string {
	ids := sets.New[string]()
	for _, policy := range desired.Policies {
		for _, away := range policy.Away {
			ids.Insert(away.ID)
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	doubtful := q.snap.dags.doubtful(sets.List(ids))
	return doubtful[:min(len(doubtful), max(0, maxInquiries-q.snap.dags.asked.Len()))]
}

// make asks for DAGs, each once after a list. One for which Airflow gives no answer stays away; it fails only with what
// concerns the server.
func (q inquiry) make(ctx context.Context, ids []string) error {
	q.mu.Lock()
	q.snap.dags.asked.Insert(ids...)
	q.mu.Unlock()
	var group errgroup.Group
	group.SetLimit(q.server.atOnce())
	for _, id := range ids {
		group.Go(func() error {
			q.one(ctx, id)
			return nil
		})
	}
	_ = group.Wait()
	if err := q.tally.outcome(); fatal(err) {
		return err
	}
	return nil
}

// one asks for one DAG.
func (q inquiry) one(ctx context.Context, id string) {
	err := q.server.inSlot(ctx, func() (err error) {
		if !q.tally.over() {
			_, err = q.server.Dag(ctx, id)
		}
		return err
	})
	if q.tally.over() {
		return
	}
	if !airflow.IsNotFound(err) {
		q.tally.count(err)
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.snap.dropDag(id)
}
