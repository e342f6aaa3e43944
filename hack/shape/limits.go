package main

import (
	"slices"
	"strings"
)

// The limits. They are far above what is good and keep the worst away: an object whose methods nobody can survey, in files
// that have to be read together, a package without parts, conditions that have to be read twice.
const (
	maxMethods   = 25
	maxFiles     = 2
	maxFunctions = 200
	maxDensity   = 5.0
	// maxBack is in percent of the arrows of a package that has at least fewArrows.
	maxBack   = 25.0
	fewArrows = 20
)

// The measures that have a limit.
const (
	methodsOfObject = "methods of an object"
	filesOfObject   = "files of an object"
	functions       = "functions"
	density         = "conditions per 100 lines"
	arrowsBack      = "percent of arrows that run back up"
)

// miss is a value over its limit.
type miss struct {
	// where is the folder of the package, followed by a dot and the name for an object.
	where, measure string
	value          float64
}

// misses are all values over their limits, by package.
func misses(packages []*pkg) []miss {
	var out []miss
	note := func(where, measure string, value, limit float64) {
		if value > limit {
			out = append(out, miss{where: where, measure: measure, value: value})
		}
	}
	for _, p := range packages {
		note(p.folder, density, p.density(), maxDensity)
		if part(p.folder, "internal") || part(p.folder, "controllers") {
			note(p.folder, functions, float64(p.functions), maxFunctions)
			if p.arrows >= fewArrows && !serveTests(p.folder) {
				note(p.folder, arrowsBack, share(p.back, p.arrows, 100), maxBack)
			}
		}
		for _, r := range p.receivers {
			name := p.folder + "." + r.name
			note(name, methodsOfObject, float64(r.methods), maxMethods)
			note(name, filesOfObject, float64(len(r.files)), maxFiles)
		}
	}
	return out
}

// part says whether a folder is top or below it.
func part(folder, top string) bool { return strings.HasPrefix(folder+"/", top+"/") }

// serveTests says whether a package is one that only tests use, such as airflowtest. Its files are a collection by
// subject, with no order among them.
func serveTests(folder string) bool {
	return slices.ContainsFunc(strings.Split(folder, "/"), func(part string) bool { return strings.HasSuffix(part, "test") })
}
