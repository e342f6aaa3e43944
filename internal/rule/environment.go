package rule

import (
	"sync"

	// Rules may name a time zone, also where the operator's image has none.
	_ "time/tzdata"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/checker"
	"k8s.io/apimachinery/pkg/util/version"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/environment"
)

// Names of variables.
const (
	requester = "requester"
	duration  = "duration"
	startsAt  = "startsAt"
	access    = "access"
	dags      = "dags"
	reason    = "reason"
	emergency = "emergency"
	now       = "now"
)

// language is the version of Kubernetes whose functions expressions may use. It is fixed here, so that a newer library
// alone changes no expression's meaning.
var language = version.MajorMinor(1, 37)

// environmentOf is the environment with some variables. It is made once, at first use, and is safe for concurrent use.
type environmentOf func() (*cel.Env, error)

// ofRules has the variables of a request.
var ofRules environmentOf = sync.OnceValues(func() (*cel.Env, error) {
	return extend([]*apiservercel.DeclType{dagType},
		cel.Variable(requester, cel.StringType),
		cel.Variable(duration, cel.DurationType),
		cel.Variable(startsAt, cel.OptionalType(cel.TimestampType)),
		cel.Variable(access, cel.ListType(cel.StringType)),
		cel.Variable(dags, cel.ListType(dagType.CelType())),
		cel.Variable(reason, cel.StringType),
		cel.Variable(emergency, cel.BoolType),
		cel.Variable(now, cel.TimestampType),
	)
})

// ofIdentity has the requester alone: who somebody is depends on nothing else.
var ofIdentity environmentOf = sync.OnceValues(func() (*cel.Env, error) {
	return extend(nil, cel.Variable(requester, cel.StringType))
})

func extend(declared []*apiservercel.DeclType, variables ...cel.EnvOption) (*cel.Env, error) {
	set, err := environment.MustBaseEnvSet(language).Extend(environment.VersionedOptions{
		IntroducedVersion: language, EnvOptions: variables, DeclTypes: declared,
	})
	if err != nil {
		return nil, err
	}
	return set.NewExpressionsEnv(), nil
}

// dagType is the type of a DAG. Values are maps; the type makes a misspelt field an error of compilation.
var dagType = apiservercel.NewObjectType("Dag", map[string]*apiservercel.DeclField{
	"id":     field("id", word),
	"tags":   field("tags", words),
	"owners": field("owners", words),
	"path":   field("path", word),
})

var (
	word  = apiservercel.StringType
	words = apiservercel.NewListType(word, -1)
)

func field(name string, of *apiservercel.DeclType) *apiservercel.DeclField {
	return apiservercel.NewDeclField(name, of, true, nil, nil)
}

// sizes are the largest sizes of variables and of what is in them, by their path in an expression; times, durations and
// bools have none. Texts are counted in characters.
var sizes = map[string]uint64{
	"requester":          256,
	"access":             14,
	"access.@items":      64,
	"dags":               64,
	"dags.@items.id":     250,
	"dags.@items.tags":   64,
	"dags.@items.owners": 64,
	"dags.@items.path":   2000,
	"reason":             256,

	"dags.@items.tags.@items":   250,
	"dags.@items.owners.@items": 250,
}

func sizeOf(path string) *checker.SizeEstimate {
	if size, known := sizes[path]; known {
		return &checker.SizeEstimate{Max: size}
	}
	return &checker.SizeEstimate{Max: longest}
}
