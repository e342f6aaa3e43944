// Package docs proves that the pages of this repository are true where a program can tell: every object shown is taken
// by a real API server, links lead somewhere, and fields, reasons, flags, figures, levels and imports are those of the
// code.
package docs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/airflow-oam/airflow-oam/test/controlplane"
)

// page is one Markdown file, taken apart.
type page struct {
	// path is relative to the top of the repository.
	path     string
	headings []string
	// prose are the lines outside of code blocks.
	prose  []string
	blocks []block
	tables []table
}

// block is one fenced code block.
type block struct {
	language, text string
	// line is where its text begins, counted from 1.
	line int
}

// table is one table: its column titles and rows, cells without surrounding space.
type table struct {
	titles []string
	rows   [][]string
}

// column gives the cells below a title; nil where the table has none of it.
func (t table) column(title string) []string {
	for i, name := range t.titles {
		if name != title {
			continue
		}
		cells := make([]string, 0, len(t.rows))
		for _, row := range t.rows {
			cells = append(cells, row[i])
		}
		return cells
	}
	return nil
}

// root is the top folder of the repository.
func root(t *testing.T) string {
	t.Helper()
	folder, err := controlplane.Root()
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// pages reads every Markdown file of the repository.
func pages(t *testing.T) []page {
	t.Helper()
	top := root(t)
	var all []page
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != top && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case entry.IsDir() || filepath.Ext(path) != ".md":
			return nil
		}
		relative, err := filepath.Rel(top, path)
		if err != nil {
			return err
		}
		all = append(all, read(t, filepath.ToSlash(relative)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 12 {
		t.Fatalf("found %d pages only", len(all))
	}
	return all
}

// read takes one page apart.
func read(t *testing.T, path string) page {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root(t), filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	p := page{path: path}
	var open *block
	for i, line := range strings.Split(string(content), "\n") {
		language, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case fence && open == nil:
			open = &block{language: language, line: i + 2}
		case fence:
			p.blocks = append(p.blocks, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		default:
			p.prose = append(p.prose, line)
		}
	}
	if open != nil {
		t.Errorf("%s:%d: the code block has no end", path, open.line-1)
	}
	p.findHeadings()
	p.findTables(t)
	return p
}

func (p *page) findHeadings() {
	for _, line := range p.prose {
		if text := strings.TrimLeft(line, "#"); text != line && strings.HasPrefix(text, " ") {
			p.headings = append(p.headings, strings.TrimSpace(text))
		}
	}
}

func (p *page) findTables(t *testing.T) {
	t.Helper()
	for i := 0; i+1 < len(p.prose); i++ {
		if !strings.HasPrefix(p.prose[i], "|") || !strings.HasPrefix(p.prose[i+1], "|") || strings.Trim(p.prose[i+1], "|-: ") != "" {
			continue
		}
		found := table{titles: cells(p.prose[i])}
		for i += 2; i < len(p.prose) && strings.HasPrefix(p.prose[i], "|"); i++ {
			row := cells(p.prose[i])
			if len(row) != len(found.titles) {
				t.Errorf("%s: a row of %d cells in a table of %d columns: %s", p.path, len(row), len(found.titles), p.prose[i])
				continue
			}
			found.rows = append(found.rows, row)
		}
		p.tables = append(p.tables, found)
	}
}

func cells(line string) []string {
	const escaped = "\x00"
	line = strings.ReplaceAll(line, `\|`, escaped)
	parts := strings.Split(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(line), "|"), "|"), "|")
	for i := range parts {
		parts[i] = strings.ReplaceAll(strings.TrimSpace(parts[i]), escaped, "|")
	}
	return parts
}

// columns gives the cells below a title in every table of the page that begins with it.
func (p *page) columns(title string) []string {
	var all []string
	for _, t := range p.tables {
		if t.titles[0] == title {
			all = append(all, t.column(title)...)
		}
	}
	return all
}

var codeSpan = regexp.MustCompile("`([^`]+)`")

// code gives what stands between backticks.
func code(text string) []string {
	var all []string
	for _, match := range codeSpan.FindAllStringSubmatch(text, -1) {
		all = append(all, match[1])
	}
	return all
}

// anchors gives the anchors of the page's headings, as GitHub makes them.
func (p *page) anchors() map[string]bool {
	found, seen := map[string]bool{}, map[string]int{}
	for _, heading := range p.headings {
		slug := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsNumber(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, linkText.ReplaceAllString(heading, "$1"))
		name := slug
		if n := seen[slug]; n > 0 {
			name = fmt.Sprintf("%s-%d", slug, n)
		}
		seen[slug]++
		found[name] = true
	}
	return found
}

var linkText = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
