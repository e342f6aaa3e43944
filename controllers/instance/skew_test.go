package instance

import (
	"testing"
	"time"
)

// setClock is a clock that somebody sets: what passed since a moment is not what it shows.
type setClock struct{ now time.Time }

func (c *setClock) Now() time.Time { return c.now }

// Since counts as the monotonic clock does, from the one moment that these tests ask about.
func (c *setClock) Since(time.Time) time.Duration { return 10 * time.Second }

func TestADifferenceOfClocksMovesWithOurs(t *testing.T) {
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		date time.Duration // of the header, from noon by our clock
		set  time.Duration // by which our clock was set afterwards
		want time.Duration
	}{
		"clocks agree":                           {0, 0, 0},
		"nearly":                                 {2 * time.Second, 0, 0},
		"ours is behind":                         {time.Hour, 0, time.Hour},
		"ours is ahead":                          {-time.Hour, 0, -time.Hour},
		"ours was behind, and was set":           {time.Hour, time.Hour, 0},
		"ours was ahead, and was set":            {-time.Hour, -time.Hour, 0},
		"ours agreed, and the machine slept":     {0, time.Hour, 0},
		"ours was ahead, and the machine slept":  {-time.Minute, time.Hour, -time.Minute},
		"ours was behind, and was set too far":   {time.Minute, time.Hour, 0},
		"ours agreed, and was set back by error": {0, -time.Hour, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			skew := &Skew{}
			ours := &setClock{now: noon.Add(10*time.Second + c.set)}
			if got := skew.Ahead(ours); got != 0 {
				t.Errorf("%s before anything was seen", got)
			}
			skew.Observe(noon.Add(c.date), noon)
			if got := skew.Ahead(ours); got != c.want {
				t.Errorf("ahead by %s, want %s", got, c.want)
			}
		})
	}
}
