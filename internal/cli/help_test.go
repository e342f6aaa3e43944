package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// TestHelpTeaches proves that each command shows an example of itself, and how kubectl alone does the same.
func TestHelpTeaches(t *testing.T) {
	seen := 0
	var check func(c *cobra.Command)
	check = func(c *cobra.Command) {
		if below := c.Commands(); len(below) > 0 {
			for _, one := range below {
				check(one)
			}
			return
		}
		seen++
		if !strings.Contains(c.Example, c.CommandPath()) {
			t.Errorf("%s: no example of it", c.CommandPath())
		}
		if !strings.Contains(c.Long, "With kubectl alone:") {
			t.Errorf("%s: no line of kubectl", c.CommandPath())
		}
		if c.ValidArgsFunction == nil && c.Args(c, []string{"x"}) == nil {
			t.Errorf("%s: its arguments are not completed", c.CommandPath())
		}
	}
	check(newRoot(Settings{}))
	if seen != 11 {
		t.Errorf("%d commands", seen)
	}
}

// TestExitCodesOfPageAndHelp compares the table of docs/plugin.md with the help.
func TestExitCodesOfPageAndHelp(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "plugin.md"))
	if err != nil {
		t.Fatal(err)
	}
	codes := func(pattern, text string) []string {
		var out []string
		for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			out = append(out, match[1])
		}
		return out
	}
	var want []string
	for _, code := range []int{codeDone, codeError, codeUsage, codeRefused, codeTimedOut, codeInterrupted} {
		want = append(want, strconv.Itoa(code))
	}
	if diff := cmp.Diff(want, codes(`(?m)^\| (\d+) \|`, string(page))); diff != "" {
		t.Errorf("docs/plugin.md:\n%s", diff)
	}
	if diff := cmp.Diff(want, codes(`(?m)^  (\d+) `, exitCodes)); diff != "" {
		t.Errorf("the help:\n%s", diff)
	}
}

func TestNamesAreCompleted(t *testing.T) {
	for _, c := range []struct {
		user, want string
		args       []string
	}{
		{"alice@example.com", "finance-operators\tView,Trigger\n", []string{"request", ""}},
		{"bob@example.com", "waits\talice@example.com: View, Trigger on finance_daily", []string{"approve", ""}},
		{"alice@example.com", "waits\t", []string{"withdraw", ""}},
		{"bob@example.com", "fire\tcarol@example.com", []string{"reviewed", ""}},
		{"carol@example.com", "fire-r4\tcarol: finance-operators\n", []string{"revoke", "--reason", "x", ""}},
		{"carol@example.com", "direct\tzoe: by-tag\n", []string{"describe", ""}},
		{"carol@example.com", "server\n", []string{"request", "--dry-run", ""}},
	} {
		t.Run(strings.Join(c.args[:1], " "), func(t *testing.T) {
			w := newWorld(t, c.user)
			expect(t, w.run(t.Context(), append([]string{cobra.ShellCompRequestCmd, "-n", "data", "--kubeconfig", os.DevNull}, c.args...)...), c.want)
		})
	}
	w := newWorld(t, "alice@example.com")
	if got := w.run(t.Context(), cobra.ShellCompRequestCmd, "-n", "data", "--kubeconfig", os.DevNull, "approve", ""); strings.Contains(got, "waits") {
		t.Errorf("alice cannot decide about her own request:\n%s", got)
	}
}
