package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// crowdedLine is how many operators make a line one that has to be read twice.
const crowdedLine = 3

// pkg is what was measured of one package.
type pkg struct {
	// folder is relative to the top of the repository, with slashes.
	folder string
	// lines are all lines; code those with code on them; comments those with a comment alone.
	lines, code, comments int
	// conditions counts the operators && and ||; crowded the lines with at least crowdedLine of them.
	conditions, crowded int
	// functions counts declared functions and methods.
	functions int
	// arrows counts ordered pairs of files of which the first uses what the second declares; back those that run
	// against the order in which the fewest do.
	arrows, back int
	// receivers are the types with methods, by name.
	receivers []*receiver
}

// receiver is a type with methods.
type receiver struct {
	folder, name string
	methods      int
	files        map[string]bool
}

// density is how many conditions there are per 100 lines of code.
func (p *pkg) density() float64 { return share(p.conditions, p.code, 100) }

// crowdedShare is how many crowded lines there are per 1000 lines of code.
func (p *pkg) crowdedShare() float64 { return share(p.crowded, p.code, 1000) }

// commentShare is how many of 100 lines are comments.
func (p *pkg) commentShare() float64 { return share(p.comments, p.lines, 100) }

func share(part, whole, per int) float64 {
	if whole == 0 {
		return 0
	}
	return float64(per*part) / float64(whole)
}

// add sums up the counts of another package.
func (p *pkg) add(q *pkg) {
	p.lines += q.lines
	p.code += q.code
	p.comments += q.comments
	p.conditions += q.conditions
	p.crowded += q.crowded
	p.functions += q.functions
	p.arrows += q.arrows
	p.back += q.back
}

// measure reads all Go files below root but tests, test data and generated files, and gives their packages sorted by
// folder. A folder whose name begins with a dot or an underscore is not read, as Go does not.
func measure(root string) ([]*pkg, error) {
	folders := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return enter(root, path, entry.Name())
		case isSource(entry.Name()):
			folders[filepath.Dir(path)] = append(folders[filepath.Dir(path)], path)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find the Go files: %w", err)
	}
	var out []*pkg
	for folder, files := range folders {
		name, err := filepath.Rel(root, folder)
		if err != nil {
			return nil, err
		}
		p := &pkg{folder: filepath.ToSlash(name)}
		if err := p.read(files); err != nil {
			return nil, err
		}
		if p.code > 0 {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b *pkg) int { return strings.Compare(a.folder, b.folder) })
	return out, nil
}

// enter decides whether a folder is read.
func enter(root, path, name string) error {
	switch {
	case path == root:
		return nil
	case strings.HasPrefix(name, "."), strings.HasPrefix(name, "_"), name == "testdata":
		return fs.SkipDir
	}
	return nil
}

func isSource(name string) bool {
	return strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go")
}

// read measures the files of the package, which are sorted by name.
func (p *pkg) read(files []string) error {
	set := token.NewFileSet()
	var parsed []*ast.File
	for _, path := range files {
		source, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read a Go file: %w", err)
		}
		file, err := parser.ParseFile(set, path, source, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return fmt.Errorf("parse a Go file: %w", err)
		}
		if ast.IsGenerated(file) {
			continue
		}
		parsed = append(parsed, file)
		p.countLines(source)
		p.countFunctions(file, path)
	}
	p.arrows, p.back = arrows(set, parsed)
	return nil
}

// countLines reads a file token by token: a string or a character that looks like an operator is none.
func (p *pkg) countLines(source []byte) {
	var s scanner.Scanner
	file := token.NewFileSet().AddFile("", -1, len(source))
	s.Init(file, source, nil, scanner.ScanComments)
	code, comments, conditions := map[int]bool{}, map[int]bool{}, map[int]int{}
	for at, what, literal := s.Scan(); what != token.EOF; at, what, literal = s.Scan() {
		if what == token.SEMICOLON && literal == "\n" {
			continue // Go's own, at the end of a line
		}
		marked := code
		if what == token.COMMENT {
			marked = comments
		}
		first := file.Line(at)
		for line := first; line <= first+strings.Count(literal, "\n"); line++ {
			marked[line] = true
		}
		if what == token.LAND || what == token.LOR {
			conditions[first]++
		}
	}
	p.lines += file.LineCount()
	p.code += len(code)
	maps.DeleteFunc(comments, func(line int, _ bool) bool { return code[line] })
	p.comments += len(comments)
	p.countConditions(conditions)
}

// countConditions adds the operators of a file, by line.
func (p *pkg) countConditions(lines map[int]int) {
	for _, operators := range lines {
		p.conditions += operators
		if operators >= crowdedLine {
			p.crowded++
		}
	}
}

// countFunctions counts the functions that a file declares, and notes the receivers of methods.
func (p *pkg) countFunctions(file *ast.File, path string) {
	for _, declaration := range file.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok {
			continue
		}
		p.functions++
		if function.Recv == nil {
			continue
		}
		r := p.receiver(typeName(function.Recv.List[0].Type))
		r.methods++
		r.files[path] = true
	}
}

// receiver gives the type's entry, and makes it where it is the first method.
func (p *pkg) receiver(name string) *receiver {
	at, found := slices.BinarySearchFunc(p.receivers, name, func(r *receiver, name string) int { return strings.Compare(r.name, name) })
	if !found {
		p.receivers = slices.Insert(p.receivers, at, &receiver{folder: p.folder, name: name, files: map[string]bool{}})
	}
	return p.receivers[at]
}

// typeName is the name of a receiver's type without pointer, parentheses and type parameters.
func typeName(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.StarExpr:
		return typeName(x.X)
	case *ast.ParenExpr:
		return typeName(x.X)
	case *ast.IndexExpr:
		return typeName(x.X)
	case *ast.IndexListExpr:
		return typeName(x.X)
	case *ast.Ident:
		return x.Name
	}
	return "?"
}
