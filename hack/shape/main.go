// Command shape measures the Go code of the repository, without its tests, package by package, and prints a table: how
// dense the conditions are, how much is explained, how large packages and their objects are, and how the files of a
// package use each other. Run it at the top of the repository. Its test keeps the limits.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
)

func main() {
	root := flag.String("root", ".", "top `folder` of the repository")
	flag.Parse()
	packages, err := measure(*root)
	if err != nil {
		fmt.Fprintln(os.Stderr, "shape:", err)
		os.Exit(1)
	}
	if err := write(os.Stdout, packages); err != nil {
		fmt.Fprintln(os.Stderr, "shape:", err)
		os.Exit(1)
	}
}

// Objects with fewer methods, and with no more files than maxFiles, are not in the second table.
const shownMethods = 20

// write prints a line per package, their sum, and the largest objects.
func write(w io.Writer, packages []*pkg) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "package\tcode\tconditions\tper 100\tcrowded per 1000\tcomments %\tfunctions\tarrows\trun back\t")
	var all pkg
	for _, p := range packages {
		row(table, p)
		all.add(p)
	}
	all.folder = "all"
	row(table, &all)
	fmt.Fprintln(table, "\nobject\tmethods\tfiles\t")
	for _, r := range largest(packages) {
		fmt.Fprintf(table, "%s.%s\t%d\t%d\t\n", r.folder, r.name, r.methods, len(r.files))
	}
	return table.Flush()
}

func row(w io.Writer, p *pkg) {
	fmt.Fprintf(w, "%s\t%d\t%d\t%.1f\t%.1f\t%.0f\t%d\t%d\t%d\t\n",
		p.folder, p.code, p.conditions, p.density(), p.crowdedShare(), p.commentShare(), p.functions, p.arrows, p.back)
}

// largest are the objects worth a line, those with the most methods first.
func largest(packages []*pkg) []*receiver {
	var out []*receiver
	for _, p := range packages {
		for _, r := range p.receivers {
			if r.methods >= shownMethods || len(r.files) > maxFiles {
				out = append(out, r)
			}
		}
	}
	slices.SortFunc(out, func(a, b *receiver) int { return b.methods - a.methods })
	return out
}
