package docs

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"

	"github.com/airflow-oam/airflow-oam/internal/config"
	"github.com/airflow-oam/airflow-oam/internal/notify"
)

// The configuration file that is shown is read by the operator's own reader, filters included.
func TestConfigurationFileIsTaken(t *testing.T) {
	shown := slices.DeleteFunc(read(t, operations).blocks, func(b block) bool { return !strings.Contains(b.text, "kind: OperatorConfiguration") })
	if len(shown) != 1 {
		t.Fatalf("%s shows %d configuration files, want 1", operations, len(shown))
	}
	c, err := config.Parse([]byte(shown[0].text))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := notify.New(c, clock.RealClock{}, nil); err != nil {
		t.Error(err)
	}
	if len(c.Notifiers) != 2 {
		t.Errorf("it names %d notifiers, want one of each type", len(c.Notifiers))
	}
}

func TestEverySettingIsTold(t *testing.T) {
	want := []string{"consoleURL"}
	for field := range reflect.TypeFor[config.Notifier]().Fields() {
		want = append(want, field.Tag.Get("yaml"))
	}
	slices.Sort(want)
	if difference := cmp.Diff(want, settings(t, "Setting")); difference != "" {
		t.Errorf("%s: the settings differ (- program, + page):\n%s", operations, difference)
	}
}
