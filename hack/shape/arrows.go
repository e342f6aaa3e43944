package main

import (
	"errors"
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"slices"
)

// graph holds, for each file by its number, the files that it uses.
type graph []map[int]bool

// arrows counts how often one file of a package uses another, and how many of these arrows run back up. No other package
// is read: what has to do with them has no type here, which is of no interest between the files of one.
func arrows(set *token.FileSet, files []*ast.File) (all, back int) {
	info := types.Info{Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: nothing{}, Error: func(error) {}, FakeImportC: true}
	checked, err := config.Check("measured", set, files, &info)
	if checked == nil {
		panic(err) // with a function for errors it goes on after each
	}
	number := map[*token.File]int{}
	uses := make(graph, len(files))
	for i, file := range files {
		number[set.File(file.FileStart)] = i
		uses[i] = map[int]bool{}
	}
	for name, object := range info.Uses {
		if object.Pkg() != checked {
			continue
		}
		from, to := number[set.File(name.Pos())], number[set.File(object.Pos())]
		if from != to {
			uses[from][to] = true
		}
	}
	for _, targets := range uses {
		all += len(targets)
	}
	return all, uses.backward()
}

// nothing is an importer that knows no package.
type nothing struct{}

var errNotRead = errors.New("other packages are not read")

// Import fails.
func (nothing) Import(string) (*types.Package, error) { return nil, errNotRead }

// backward counts the arrows against an order of the files in which few run back: again and again the file that uses no
// other is put last, one that no other uses first, and of a knot the one that uses most and is used least. (Eades, Lin
// and Smyth 1993; the smallest number is too hard to find.)
func (g graph) backward() int {
	left := map[int]bool{}
	for i := range g {
		left[i] = true
	}
	var first, last []int
	for len(left) > 0 {
		i, end := g.next(left)
		delete(left, i)
		if end {
			last = append(last, i)
		} else {
			first = append(first, i)
		}
	}
	slices.Reverse(last)
	place := make([]int, len(g))
	for at, i := range append(first, last...) {
		place[i] = at
	}
	count := 0
	for from, targets := range g {
		for to := range targets {
			if place[to] < place[from] {
				count++
			}
		}
	}
	return count
}

// next chooses a file among those that are left, and says whether it belongs to the end.
func (g graph) next(left map[int]bool) (file int, end bool) {
	used := map[int]int{}
	using := map[int]int{}
	for from := range left {
		for to := range g[from] {
			if left[to] {
				using[from]++
				used[to]++
			}
		}
	}
	files := slices.Sorted(maps.Keys(left))
	for _, i := range files {
		if using[i] == 0 {
			return i, true
		}
	}
	return slices.MaxFunc(files, func(a, b int) int {
		return (using[a] - used[a]) - (using[b] - used[b])
	}), false
}
