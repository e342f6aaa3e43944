package controllers

import (
	"github.com/Masterminds/semver/v3"
)

// firstReplacing is the first release of the fab provider whose role update over REST replaces permissions; earlier
// ones only add, or refuse (found by running them).
var firstReplacing = semver.MustParse("3.8.1")

// replaces says whether a release of the fab provider lets permissions be taken away.
func replaces(provider string) bool {
	version, err := semver.NewVersion(provider)
	return err == nil && !version.LessThan(firstReplacing)
}
