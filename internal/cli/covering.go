package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/dag"
)

// candidate is a policy that covers what is asked for.
type candidate struct {
	*v1alpha1.DagAccessPolicy
	// sure is false where tags, owners, bundles or paths decide, which only Airflow knows.
	sure bool
}

func (c candidate) key() types.NamespacedName {
	return types.NamespacedName{Namespace: c.Namespace, Name: c.Name}
}

// covering finds the one policy of the namespace that covers the DAGs and levels of a request.
func covering(ctx context.Context, s *session, a *asking) (candidate, error) {
	policies := &v1alpha1.DagAccessPolicyList{}
	if err := s.List(ctx, policies, client.InNamespace(s.namespace)); err != nil {
		return candidate{}, err
	}
	var sure, maybe []candidate
	for i := range policies.Items {
		p := &policies.Items[i]
		if !asks(s, a, p) {
			continue
		}
		switch covers(p.Spec.Dags, a.dags) {
		case coveredSurely:
			sure = append(sure, candidate{p, true})
		case coveredMaybe:
			maybe = append(maybe, candidate{p, false})
		case coveredNot:
		}
	}
	found := sure
	if len(sure) == 0 {
		found = maybe
	}
	switch len(found) {
	case 0:
		return candidate{}, fmt.Errorf("no policy of namespace %s that takes your requests covers %s: name a policy, of another namespace as NAMESPACE/POLICY",
			s.namespace, strings.Join(a.dags, ", "))
	case 1:
		return found[0], nil
	}
	return candidate{}, ambiguous(s, a, append(sure, maybe...))
}

// ambiguous lists the policies that cover the DAGs.
func ambiguous(s *session, a *asking, found []candidate) error {
	list := make([]string, 0, len(found))
	for _, c := range found {
		entry := "  " + c.Name + ": " + strings.Join(v1alpha1.LevelNames(c.Spec.Access), ", ")
		if !c.sure {
			entry += " (if tags, owners, bundles or paths match)"
		}
		list = append(list, entry)
	}
	return fmt.Errorf("%d policies of namespace %s cover %s: name one of them\n%s", len(found), s.namespace, strings.Join(a.dags, ", "), strings.Join(list, "\n"))
}

// asks reports whether a user may ask under a policy for the levels that are wanted.
func asks(s *session, a *asking, p *v1alpha1.DagAccessPolicy) bool {
	terms := p.RequestTerms()
	if terms == nil {
		return false
	}
	for _, level := range a.levels {
		if !slices.Contains(p.Spec.Access, v1alpha1.AccessLevel(level)) {
			return false
		}
	}
	return terms.Requesters == nil || terms.Requesters.Include(s.user.Username, s.user.Groups)
}

// coverage is whether selectors match DAGs by id.
type coverage int

const (
	coveredNot coverage = iota
	coveredMaybe
	coveredSurely
)

// covers reports whether selectors match all of some DAGs, of which only the ids are known.
func covers(selectors []v1alpha1.DagSelector, ids []string) coverage {
	known := make([]dag.Dag, 0, len(ids))
	for _, id := range ids {
		known = append(known, dag.Dag{ID: id})
	}
	var byID []v1alpha1.DagSelector
	for _, s := range selectors {
		if len(s.Tags)+len(s.Owners)+len(s.Bundles)+len(s.Paths) == 0 {
			byID = append(byID, s)
		}
	}
	matched, _ := dag.Match(byID, known)
	result := coveredSurely
	every := dag.NewSelection(selectors)
	for _, id := range ids {
		switch {
		case slices.Contains(matched, id):
		case every.CouldHaveMatched(id, false):
			result = coveredMaybe
		default:
			return coveredNot
		}
	}
	return result
}
