package rule_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/rule"
)

// pieces of expressions, from which a fuzzer makes others.
var pieces = []string{
	`requester`, `duration`, `startsAt`, `access`, `dags`, `reason`, `emergency`, `now`, `dags[0]`, `dags[0].tags`, `Dag{id: 'x'}`, `Dag{}`, `dyn(dags)`, `{}`, `[]`, `null`,
	`1`, `-1`, `1u`, `1.5`, `'a'`, `b'a'`, `true`, `optional.none()`, `type(dags[0])`, `quantity('1')`, `semver('1.0.0')`, `ip('::1')`, `cidr('::/0')`, `url('https://x')`,
	`.size()`, `.map(x, `, `.all(x, `, `.exists(x, y, `, `.join(`, `.split(`, `.replace(`, `.format(`, `.matches(`, `.sum()`, `.flatten()`, `.sort()`, `.hasValue()`, `.value()`, `.orValue(`,
	`.?x`, `[?0]`, `.id`, `has(`, `(`, `)`, `)`, `)`, `,`, ` ? `, ` : `, ` && `, ` || `, ` == `, ` in `, ` + `, ` / `, ` % `, `!`, `-`, `lists.range(`, `sets.contains(`, `x`, `y`, "\n", `//`, `"`,
	`authorizer`, `.check('get')`, `format.dns1123Label()`, `.validate(`, `timestamp(`, `duration(`, `string(`, `bytes(`, `.getDayOfWeek(`, `.substring(`, `\u202e`, `in`, `has`,
}

// expressions that may or may not compile.
func expressions() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		out := ""
		for _, piece := range rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 24).Draw(t, "pieces") {
			out += piece
		}
		return out
	})
}

// Whatever is written and whoever asks: there is an answer, an error that is one line, or none, and no panic.
func TestAnyExpressionHasAnAnswer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		expression := rapid.OneOf(expressions(), rapid.String()).Draw(t, "expression")
		in := rule.Input{
			Requester: rapid.String().Draw(t, "requester"), Reason: rapid.String().Draw(t, "reason"), Emergency: rapid.Bool().Draw(t, "emergency"),
			Duration: time.Duration(rapid.Int64().Draw(t, "duration")), Now: time.Unix(rapid.Int64().Draw(t, "now"), 0),
		}
		for _, id := range rapid.SliceOfN(rapid.String(), 0, 3).Draw(t, "dags") {
			in.Dags = append(in.Dags, rule.Dag{ID: id, Tags: rapid.SliceOfN(rapid.String(), 0, 3).Draw(t, "tags")})
		}
		try(t, expression, in)
	})
}

func FuzzExpression(f *testing.F) {
	for _, piece := range pieces {
		f.Add(piece+" == "+piece, "alice@example.com")
	}
	f.Add(`dags.all(d, d.tags.exists(t, t.matches('^a'))) && !(requester in access)`, "")
	f.Fuzz(func(t *testing.T, expression, name string) {
		in := request()
		in.Requester, in.Reason = name, name
		try(t, expression, in)
	})
}

// try compiles an expression as each of the two, and evaluates it.
func try(t interface {
	Helper()
	Errorf(format string, args ...any)
}, expression string, in rule.Input) {
	t.Helper()
	if compiled, err := rule.CompileRules([]v1alpha1.RequestRule{approvals("it", expression)}); err != nil {
		oneLine(t, err)
	} else if _, err := compiled.First(nil, in); err != nil {
		oneLine(t, err)
	}
	for _, identity := range []*v1alpha1.Identity{email(expression), username(expression)} {
		compiled, err := rule.CompileIdentity(identity)
		if err != nil {
			oneLine(t, err)
			continue
		}
		subject, err := compiled.Subject(in.Requester)
		if err != nil {
			oneLine(t, err)
		}
		if (err == nil) == (subject == v1alpha1.Subject{}) {
			t.Errorf("%q: %+v %v", expression, subject, err)
		}
	}
}
