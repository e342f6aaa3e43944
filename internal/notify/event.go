package notify

import (
	"net/url"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/internal/text"
)

// Type is what happened.
type Type string

const (
	// RequestWaiting: it was admitted, and those who decide are asked.
	RequestWaiting Type = "request.waiting"
	// RequestApproved: access was agreed to.
	RequestApproved Type = "request.approved"
	// RequestDenied: an approver or a rule refused.
	RequestDenied Type = "request.denied"
	// RequestNotApproved: it was not agreed to in time, or its policy is gone.
	RequestNotApproved Type = "request.notapproved"
	// RequestWithdrawn: its requester took it back.
	RequestWithdrawn Type = "request.withdrawn"
	// RequestEmergency: access was given at once, and has to be reviewed. It comes instead of RequestApproved.
	RequestEmergency Type = "request.emergency"
	// ReviewDue: an emergency has to be reviewed soon.
	ReviewDue Type = "review.due"
	// ReviewOverdue: an emergency was not reviewed in time.
	ReviewOverdue Type = "review.overdue"
	// ReviewDone: an emergency was reviewed.
	ReviewDone Type = "review.done"
	// GrantActive: access was confirmed in Airflow for the first time.
	GrantActive Type = "grant.active"
	// GrantEnding: access ends in 15 minutes.
	GrantEnding Type = "grant.ending"
	// GrantEnded: the removal of access was confirmed, or access was never given.
	GrantEnded Type = "grant.ended"
)

// Event is one thing that happened to one object.
type Event struct {
	// ID is the same for one transition, however often it is derived.
	ID   string
	Type Type
	// Time is when it happened, or when it is to be told.
	Time time.Time
	// Until is when the event says nothing new any more: it is not sent after that. Zero is for ever.
	Until time.Time
	// UID of the object.
	UID types.UID
	// Data is what is known of it.
	Data Data
}

// Data is what an event says. Fields that say nothing are left out.
type Data struct {
	// Kind, Namespace and Name of the object.
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Policy and PolicyNamespace name the DagAccessPolicy.
	Policy          string `json:"policy"`
	PolicyNamespace string `json:"policyNamespace"`
	// Request and Grant are names in the namespace.
	Request string `json:"request,omitempty"`
	Grant   string `json:"grant,omitempty"`
	// Requester who asked; empty for grants that nobody asked for.
	Requester string `json:"requester,omitempty"`
	// Subject is the Airflow user, by name or e-mail.
	Subject string `json:"subject,omitempty"`
	// Access levels.
	Access []string `json:"access,omitempty"`
	// Dags that access is narrowed to.
	Dags []string `json:"dags,omitempty"`
	// Reason that the requester gave.
	Reason    string `json:"reason,omitempty"`
	Emergency bool   `json:"emergency"`
	// Duration that was asked for.
	Duration string `json:"duration,omitempty"`
	// Approvals that are needed, and Approvers whose count.
	Approvals int32      `json:"approvals,omitempty"`
	Approvers *Approvers `json:"approvers,omitempty"`
	// Why is the reason word of a decision or an end. By are those who caused it, Message what they said.
	Why     string   `json:"why,omitempty"`
	By      []string `json:"by,omitempty"`
	Message string   `json:"message,omitempty"`
	// DecideBy is when a request ends undecided, ReviewBy when a review is overdue.
	DecideBy *time.Time `json:"decideBy,omitempty"`
	ReviewBy *time.Time `json:"reviewBy,omitempty"`
	// EndsAt is when access ends, EndedAt the latest moment at which it can have worked; neither for access that never
	// began.
	EndsAt  *time.Time `json:"endsAt,omitempty"`
	EndedAt *time.Time `json:"endedAt,omitempty"`
	// Command is what the reader may want to run.
	Command string `json:"command,omitempty"`
	// Link to the object on a web page.
	Link string `json:"link,omitempty"`
}

// Approvers are who decides.
type Approvers struct {
	Groups []string `json:"groups,omitempty"`
	Users  []string `json:"users,omitempty"`
}

// maxText is how many characters of a text by people an event has.
const maxText = 256

// free is a text that people wrote.
func free(words string) string { return text.OneLine(words, maxText) }

// id of an event of a type that an object has once.
func id(uid types.UID, t Type) string { return string(uid) + "." + string(t) }

// command is a line for the reader's terminal.
func command(verb string, d Data) string {
	return "kubectl airflow-access " + verb + " " + d.Name + " -n " + d.Namespace
}

// moment is a copy of a time; nil for none. Events share no memory with objects, which are written to later.
func moment(t *metav1.Time) *time.Time {
	if t == nil {
		return nil
	}
	copied := t.Time
	return &copied
}

// linked adds the link to the object on a web page; none without one.
func (e Event) linked(console string) Event {
	if console == "" {
		return e
	}
	page := map[string]string{kindRequest: "requests", kindGrant: "grants"}[e.Data.Kind]
	e.Data.Link = strings.TrimSuffix(console, "/") + "/" + page + "/" + url.PathEscape(e.Data.Namespace) + "/" + url.PathEscape(e.Data.Name)
	return e
}

const (
	kindRequest = "AccessRequest"
	kindGrant   = "AccessGrant"
)
