package notify

import (
	"slices"
	"strconv"
	"time"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// beforeEnd is how long before its end access is said to end soon.
const beforeEnd = 15 * time.Minute

// OfGrant gives the events between two statuses of a grant. request is the one that it was made for; nil where nobody asked, or
// the request is gone.
func OfGrant(request *v1alpha1.AccessRequest, before, after *v1alpha1.AccessGrant, now time.Time) []Event {
	var out []Event
	if after.Status.Phase == v1alpha1.GrantActive && before.Status.Phase != v1alpha1.GrantActive {
		out = append(out, active(request, after, now))
	}
	if after.Terminal() && !before.Terminal() {
		out = append(out, ended(request, after, now))
	}
	return out
}

// DueOfGrant gives the event of a grant that comes by time: that its access ends soon. There is none where access is shorter
// than that.
func DueOfGrant(request *v1alpha1.AccessRequest, g *v1alpha1.AccessGrant) []Event {
	if g.Status.Phase != v1alpha1.GrantActive || g.Status.End != nil || g.Status.Activation == nil {
		return nil
	}
	ends := g.Status.Activation.ExpiresAt.Time
	at := ends.Add(-beforeEnd)
	if !at.After(g.Status.Activation.At.Time) {
		return nil
	}
	e := ofGrant(request, g, GrantEnding, at)
	e.ID += "." + strconv.FormatInt(ends.Unix(), 10) // again where the end moves
	e.Until, e.Data.EndsAt = ends, &ends
	return []Event{e}
}

func active(request *v1alpha1.AccessRequest, g *v1alpha1.AccessGrant, now time.Time) Event {
	e := ofGrant(request, g, GrantActive, now)
	if g.Status.Activation != nil {
		e.Data.EndsAt = moment(&g.Status.Activation.ExpiresAt)
	}
	return e
}

func ended(request *v1alpha1.AccessRequest, g *v1alpha1.AccessGrant, now time.Time) Event {
	e := ofGrant(request, g, GrantEnded, now)
	if end := g.Status.End; end != nil {
		e.Data.Why = string(end.Reason)
		if revoke := g.Spec.Revoke; revoke != nil && end.Reason == v1alpha1.EndRevoked {
			e.Data.Message = free(revoke.Reason)
			e.Data.By = by(revoke.By)
		}
	}
	if g.Status.Activation != nil {
		e.Data.EndedAt = moment(g.Status.RevokedAt)
	}
	return e
}

func by(name string) []string {
	if name == "" {
		return nil
	}
	return []string{name}
}

// ofGrant is what every event of a grant says.
func ofGrant(request *v1alpha1.AccessRequest, g *v1alpha1.AccessGrant, t Type, at time.Time) Event {
	policy := g.PolicyKey()
	e := Event{ID: id(g.UID, t), Type: t, Time: at, UID: g.UID, Data: Data{
		Kind: kindGrant, Namespace: g.Namespace, Name: g.Name, Grant: g.Name, Policy: policy.Name, PolicyNamespace: policy.Namespace,
		Subject: g.Spec.Subject.Name(), Access: v1alpha1.LevelNames(g.Spec.Access), Dags: slices.Clone(g.Spec.Dags), Reason: free(g.Spec.Reason),
	}}
	if activation := g.Status.Activation; activation != nil {
		e.Data.Access, e.Data.Dags = v1alpha1.LevelNames(activation.Access), slices.Clone(activation.Dags)
	}
	if pinned := g.Pinned(); pinned != nil {
		e.Data.Subject = pinned.Username
	}
	if key, asked := g.RequestKey(); asked {
		e.Data.Request = key.Name
	}
	if request != nil {
		e.Data.Requester, e.Data.Emergency = request.Spec.Requester, request.Spec.Emergency
	}
	return e
}
