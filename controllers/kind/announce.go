package kind

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/airflow-oam/airflow-oam/internal/decision"
	"github.com/airflow-oam/airflow-oam/internal/status"
)

// Announce turns new entries of an object's history into Events and lines of the log. The recorder may be nil: then there
// are no Events. action is the verb of the Events: what the operator did when it found that.
func Announce(ctx context.Context, recorder events.EventRecorder, object client.Object, action string, entries []decision.Entry) {
	for _, entry := range entries {
		log.FromContext(ctx).Info("decided", "event", entry.Event, "message", entry.Message)
		if recorder == nil {
			continue
		}
		level := corev1.EventTypeNormal
		if entry.Warning {
			level = corev1.EventTypeWarning
		}
		recorder.Eventf(object, nil, level, entry.Event, action, "%s", status.Line(entry.Message, status.MaxMessage))
	}
}
