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

// Announcer makes known what is new about objects of one kind.
type Announcer struct {
	// Recorder of Events; nil sends none.
	Recorder events.EventRecorder
	// Noun is the kind in lines of the log, Action what Events say that the operator did.
	Noun, Action string
}

// Announce turns new entries of an object's history into Events and lines of the log.
func (a Announcer) Announce(ctx context.Context, object client.Object, entries []decision.Entry) {
	for _, entry := range entries {
		log.FromContext(ctx).Info(a.Noun+" decided", "event", entry.Event, "message", entry.Message)
		if a.Recorder == nil {
			continue
		}
		level := corev1.EventTypeNormal
		if entry.Warning {
			level = corev1.EventTypeWarning
		}
		a.Recorder.Eventf(object, nil, level, entry.Event, a.Action, "%s", status.Line(entry.Message, status.MaxMessage))
	}
}
