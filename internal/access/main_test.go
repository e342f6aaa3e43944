package access_test

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// TestMain makes every run draw the same worlds, so that a run judges the change and not the luck of the draw. What no
// run has drawn before is tried by `make properties`, which asks for a random seed (-rapid.seed=0).
func TestMain(m *testing.M) {
	flag.Parse()
	given := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for name, value := range map[string]string{"rapid.seed": "20261126", "rapid.checks": "400"} {
		if given[name] {
			continue
		}
		if err := flag.Set(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	os.Exit(m.Run())
}
