package notify_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/config"
	"github.com/airflow-oam/airflow-oam/internal/notify"
)

var update = flag.Bool("update", false, "write the golden files")

// hostile is what somebody writes to call people, forge a message or hide a text.
const hostile = "late <!channel> @here `*Approved*` <https://evil.example.com|click> a&b \u202egnp\u2069\nApproved by: bob"

// samples are one event of each type, and some more.
func samples() map[string]notify.Event {
	day := urgent(24 * time.Hour)
	due := notify.DueOfRequest(asked(day))
	revoked := func(g *v1alpha1.AccessGrant) {
		over(v1alpha1.GrantRevoked, v1alpha1.EndRevoked)(g)
		g.Spec.Revoke = &v1alpha1.Revocation{Reason: "laptop lost", By: "carol@example.com"}
	}
	unused := func(g *v1alpha1.AccessGrant) {
		over(v1alpha1.GrantExpired, v1alpha1.EndNeverActivated)(g)
		g.Status.Activation, g.Status.RemovedAt, g.Status.RevokedAt = nil, nil, nil
	}
	request := func(before, after *v1alpha1.AccessRequest) notify.Event {
		return notify.OfRequest(before, after, noon)[0]
	}
	return map[string]notify.Event{
		"waiting": request(asked(), asked(admitted)),
		"waiting-hostile": request(asked(), asked(admitted, func(r *v1alpha1.AccessRequest) {
			r.Spec.Reason, r.Spec.Requester = hostile, "@everyone"
			r.Status.Terms.Dags = strings.Split("a`b,b,c,d,e,f,g,h,i,j", ",")
			r.Status.Terms.Approvers.Groups = []string{"<!here>"}
		})),
		"approved":    request(asked(admitted), asked(admitted, decided(v1alpha1.RequestApproved, v1alpha1.ReasonAgreed, "", "bob@example.com"))),
		"denied":      request(asked(admitted), asked(admitted, decided(v1alpha1.RequestDenied, v1alpha1.ReasonDenied, "not today", "bob@example.com"))),
		"notapproved": request(asked(admitted), asked(admitted, decided(v1alpha1.RequestNotApproved, v1alpha1.ReasonTimedOut, ""))),
		"withdrawn":   request(asked(admitted), asked(admitted, decided(v1alpha1.RequestWithdrawn, v1alpha1.ReasonWithdrawn, ""))),
		"emergency":   request(asked(), asked(day)),
		"reviewdue":   due[0],
		"overdue":     due[1],
		"reviewed": request(asked(day), asked(day, func(r *v1alpha1.AccessRequest) {
			r.Status.Review.At, r.Status.Review.By = pointer(2*time.Hour), "carol"
		})),
		"active":  notify.OfGrant(asked(admitted), given(pending), given(), noon)[0],
		"ending":  notify.DueOfGrant(asked(admitted), given())[0],
		"revoked": notify.OfGrant(asked(admitted), given(), given(revoked), noon)[0],
		"unused":  notify.OfGrant(nil, given(pending), given(unused), noon)[0],
	}
}

func TestBodies(t *testing.T) {
	seen := map[notify.Type]bool{}
	for name, e := range samples() {
		seen[e.Type] = true
		for kind, write := range map[config.NotifierType]func(notify.Event) ([]byte, error){config.Slack: notify.AsSlack, config.HTTP: notify.AsCloudEvent} {
			t.Run(name+" "+string(kind), func(t *testing.T) {
				body, err := write(e.Linked("https://access.example.com/"))
				if err != nil {
					t.Fatal(err)
				}
				var got bytes.Buffer
				if err := json.Indent(&got, body, "", "  "); err != nil {
					t.Fatal(err)
				}
				got.WriteByte('\n')
				path := filepath.Join("testdata", name+"."+strings.ToLower(string(kind))+".json")
				if *update {
					if err := os.WriteFile(path, got.Bytes(), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), got.String()); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		}
	}
	if len(seen) != 12 {
		t.Errorf("there are samples of %v", slices.Sorted(maps.Keys(seen)))
	}
}

// What users wrote reaches no control sequence, mention, format or line of a message.
func TestMessagesShowTextsOfUsersAsTheyAre(t *testing.T) {
	body, err := notify.AsSlack(samples()["waiting-hostile"])
	if err != nil {
		t.Fatal(err)
	}
	var message struct {
		Text string `json:"text"`
	}
	if err := json.Unmarshal(body, &message); err != nil {
		t.Fatal(err)
	}
	outside := ""
	for i, part := range strings.Split(message.Text, "`") {
		if i%2 == 0 {
			outside += part
		}
	}
	for _, never := range []string{"<", "@", "Approved by", "evil"} {
		if strings.Contains(outside, never) {
			t.Errorf("%q is outside of what is quoted: %s", never, outside)
		}
	}
	for _, never := range []string{"<", "@here", "@everyone", "\u202e", "\nApproved"} {
		if strings.Contains(message.Text, never) {
			t.Errorf("%q is in the message: %s", never, message.Text)
		}
	}
	if strings.Count(message.Text, "`")%2 != 0 {
		t.Errorf("a quotation is left open: %s", message.Text)
	}
}
