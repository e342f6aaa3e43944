package dag

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

func TestMatch(t *testing.T) {
	dags := []Dag{
		{ID: "finance_daily", Tags: []string{"finance", "daily"}, Owners: []string{"team-finance"}, Bundle: "main", Path: "finance/daily.py"},
		{ID: "finance_payroll", Tags: []string{"finance"}, Owners: []string{"team-hr"}, Bundle: "main", Path: "finance/hr/payroll.py"},
		{ID: "sales", Tags: []string{"daily"}, Owners: []string{"team-sales"}, Bundle: "other", Path: "sales.py"},
		{ID: "wëird_ü", Path: "x/y/z/w.py"},
	}
	for sentence, c := range map[string]struct {
		selectors    []v1alpha1.DagSelector
		ids, pending []string
	}{
		"a star in an id matches any characters":           {[]v1alpha1.DagSelector{{IDs: []string{"finance_*"}}}, []string{"finance_daily", "finance_payroll"}, nil},
		"a question mark matches one character, not bytes": {[]v1alpha1.DagSelector{{IDs: []string{"w?ird_?"}}}, []string{"wëird_ü"}, nil},
		"exclude takes ids out of its own entry only":      {[]v1alpha1.DagSelector{{IDs: []string{"*"}, Exclude: []string{"finance_*"}}, {IDs: []string{"finance_daily"}}}, []string{"finance_daily", "sales", "wëird_ü"}, nil},
		"all fields of an entry must match":                {[]v1alpha1.DagSelector{{Tags: []string{"daily"}, Owners: []string{"team-finance"}}}, []string{"finance_daily"}, nil},
		"any value of a field is enough":                   {[]v1alpha1.DagSelector{{Owners: []string{"team-hr", "team-sales"}}}, []string{"finance_payroll", "sales"}, nil},
		"bundles are whole names":                          {[]v1alpha1.DagSelector{{Bundles: []string{"main"}}}, []string{"finance_daily", "finance_payroll"}, nil},
		"two stars in a path cross folders":                {[]v1alpha1.DagSelector{{Paths: []string{"finance/**"}}}, []string{"finance_daily", "finance_payroll"}, nil},
		"one star in a path stays in its folder":           {[]v1alpha1.DagSelector{{Paths: []string{"finance/*"}}}, []string{"finance_daily"}, nil},
		"two stars and a slash match no folder, too":       {[]v1alpha1.DagSelector{{Paths: []string{"**/sales.py", "x/**/w.py"}}}, []string{"sales", "wëird_ü"}, nil},
		"an exact id that is not listed is pending":        {[]v1alpha1.DagSelector{{IDs: []string{"later", "sales", "late*"}}}, []string{"sales"}, []string{"later"}},
		"an excluded exact id is not pending":              {[]v1alpha1.DagSelector{{IDs: []string{"later"}, Exclude: []string{"l*"}}}, nil, nil},
		"brackets mean themselves":                         {[]v1alpha1.DagSelector{{IDs: []string{"[s]ales*"}}}, nil, nil},
	} {
		t.Run(sentence, func(t *testing.T) {
			if err := Validate(c.selectors); err != nil {
				t.Fatalf("refused: %v", err)
			}
			ids, pending := Match(c.selectors, dags)
			if diff := cmp.Diff(c.ids, ids) + cmp.Diff(c.pending, pending); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSelectorsThatMeanNothingAreRefused(t *testing.T) {
	for sentence, s := range map[string]v1alpha1.DagSelector{
		"nothing at all":                     {},
		"only an exclusion":                  {Exclude: []string{"a"}},
		"an empty id":                        {IDs: []string{""}},
		"a line break":                       {IDs: []string{"a\nb"}},
		"bytes that are no text":             {IDs: []string{"a\xff"}},
		"an absolute path":                   {Paths: []string{"/opt/dags/x.py"}},
		"a parent folder":                    {Paths: []string{"a/../b.py"}},
		"three stars":                        {Paths: []string{"a/***"}},
		"a path that ends with a slash":      {Paths: []string{"finance/"}},
		"an empty tag beside a good pattern": {IDs: []string{"a"}, Tags: []string{""}},
	} {
		t.Run(sentence, func(t *testing.T) {
			if Validate([]v1alpha1.DagSelector{{IDs: []string{"fine"}}, s}) == nil {
				t.Error("it is not refused")
			}
		})
	}
}

// oraclePattern is a glob as a regular expression.
func oraclePattern(pattern string, path bool) *regexp.Regexp {
	var b strings.Builder
	one, star := `[\s\S]`, `[\s\S]*`
	if path {
		one, star = `[^/]`, `[^/]*`
	}
	for rest, start := pattern, true; rest != ""; {
		switch {
		case path && start && strings.HasPrefix(rest, "**/"):
			b.WriteString(`(?:[\s\S]*/)?`)
			rest = rest[3:]
			continue
		case path && strings.HasPrefix(rest, "**"):
			b.WriteString(`[\s\S]*`)
			rest, start = rest[2:], false
			continue
		}
		r, _ := utf8.DecodeRuneInString(rest)
		switch r {
		case '*':
			b.WriteString(star)
		case '?':
			b.WriteString(one)
		default:
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
		rest, start = rest[len(string(r)):], r == '/'
	}
	return regexp.MustCompile(`\A(?:` + b.String() + `)\z`)
}

func FuzzGlobMatchesLikeARegularExpression(f *testing.F) {
	for _, seed := range [][2]string{
		{"finance/**", "finance/a/b.py"}, {"**/x.py", "x.py"}, {"a**b", "a/b"}, {"*a*b*", "xxaxxbx"}, {"**/**/a", "q/a"},
		{"?*?", "ab"}, {"a/*/b", "a//b"}, {"**", ""}, {"é?", "éü"}, {"*", "a/b"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if strings.ContainsRune(pattern+text, '\uFFFD') || badPattern(pattern, false) != "" || strings.Contains(pattern, "***") || badPattern(text+"x", false) != "" || len(pattern) > 64 {
			return // no pattern that the schema lets through
		}
		for _, path := range []bool{false, true} {
			want, got := oraclePattern(pattern, path).MatchString(text), newGlob(pattern, path).match(text)
			if got != want {
				t.Errorf("%q on %q (path %v): got %v, want %v", pattern, text, path, got, want)
			}
		}
	})
}
