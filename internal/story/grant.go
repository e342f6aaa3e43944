package story

import (
	"fmt"
	"strings"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// ends are the reasons of an end in words.
var ends = map[v1alpha1.EndReason]string{
	v1alpha1.EndExpired:         "its time was over",
	v1alpha1.EndRevoked:         "it was revoked",
	v1alpha1.EndWithdrawn:       "its request was withdrawn or deleted",
	v1alpha1.EndDeleted:         "it was deleted",
	v1alpha1.EndPolicyDeleted:   "its policy was deleted",
	v1alpha1.EndPolicyChanged:   "its policy no longer allows grants",
	v1alpha1.EndSubjectChanged:  "the user name belongs to another Airflow user",
	v1alpha1.EndInstanceDeleted: "its AirflowInstance was deleted or abandoned",
	v1alpha1.EndNeverActivated:  "it was not activated in time",
	v1alpha1.EndAlreadySpent:    "a grant with the same terms was ended before",
}

// tellGrant adds the moments of a grant.
func tellGrant(t *teller, g *v1alpha1.AccessGrant) {
	tellMade(t, g)
	covered := map[string]bool{}
	if a := g.Status.Activation; a != nil {
		covered[v1alpha1.ReasonActivating] = true
		t.at(a.At.Time, rankGiven, Moment{By: v1alpha1.ActorOperator, What: activated(g, a), Source: SourceGrant})
	}
	if g.Spec.Revoke != nil {
		tellRevoked(t, g)
	}
	if end := g.Status.End; end != nil {
		covered[string(end.Reason)] = true
		t.at(end.At.Time, rankEnd, Moment{What: "access ended: " + ends[end.Reason], Source: SourceGrant})
	}
	if at := g.Status.RemovedAt; at != nil {
		covered[v1alpha1.ReasonRemoved] = true
		t.at(at.Time, rankProof, Moment{
			By: v1alpha1.ActorOperator, What: "removal confirmed: Airflow no longer stores this access", Source: SourceGrant,
		})
	}
	if at := g.Status.RevokedAt; at != nil {
		t.at(at.Time, rankProof, Moment{
			By: v1alpha1.ActorOperator, What: "latest moment at which it can have worked, with Airflow's cache of permissions", Source: SourceGrant,
		})
	}
	t.history(SourceGrant, g.Status.History, rankLive, covered)
}

// tellMade adds the creation: the operator's for a request, or a direct grant, which does not say by which user it was created.
func tellMade(t *teller, g *v1alpha1.AccessGrant) {
	m := Moment{By: v1alpha1.ActorOperator, What: "created grant " + g.Name, Source: SourceGrant}
	if g.Spec.RequestRef == nil {
		m = Moment{
			What: fmt.Sprintf("grant %s was created: %s for %s", g.Name, access(g.Spec.Access, g.Spec.Dags, g.Spec.PolicyRef), g.Spec.Subject.Name()),
			Note: g.Spec.Reason, Source: SourceGrant,
		}
	}
	t.at(g.CreationTimestamp.Time, rankGranted, m)
}

// activated says what was given, to which Airflow user, where and until when.
func activated(g *v1alpha1.AccessGrant, a *v1alpha1.Activation) string {
	var where []string
	for _, in := range a.Instances {
		where = append(where, fmt.Sprintf("Airflow user %s in %s/%s, role %s", in.Username, in.Namespace, in.Name, in.Role))
	}
	return fmt.Sprintf("activated: %s, until %s, for %s", access(a.Access, a.Dags, g.Spec.PolicyRef), Stamp(g.EndUnder(nil)), strings.Join(where, "; "))
}

// tellRevoked adds the revocation. It has no time of its own: it is before the end.
func tellRevoked(t *teller, g *v1alpha1.AccessGrant) {
	m := Moment{By: g.Spec.Revoke.By, What: "revoked the grant", Note: g.Spec.Revoke.Reason, Source: SourceGrant}
	if m.By == "" {
		m.What = "the grant was revoked"
	}
	if g.Status.End != nil {
		t.around(&g.Status.End.At, rankLive, m)
		return
	}
	t.around(nil, rankLive, m)
}
