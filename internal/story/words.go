package story

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/internal/text"
)

// Stamp is a time in UTC to the second.
func Stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// Duration is a duration as people write it, to the second: 2h, not 2h0m0s.
func Duration(d metav1.Duration) string { return text.Short(d.Round(time.Second)) }
