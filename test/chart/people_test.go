package chart

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/test/controlplane"
)

const (
	reading = "get list watch"
	writing = "get list watch create update patch delete"
	asking  = "get list watch create patch"
)

// asked are the verbs that are asked for, of each resource and subresource of the kinds.
var asked = append(strings.Fields(writing), "deletecollection", "force-finalize")

// exampleRoles are the roles of the chart for people, and all that each may do: what is not named is refused, so nobody
// writes a status or a finalizer.
var exampleRoles = map[string]map[string]string{
	"viewer":        {"airflowinstances": reading, "dagaccesspolicies": reading, "accessgrants": reading, "accessrequests": reading},
	"requester":     {"dagaccesspolicies": reading, "accessrequests": asking},
	"grantor":       {"airflowinstances": reading, "dagaccesspolicies": reading, "accessgrants": writing, "accessrequests": reading},
	"policy-author": {"airflowinstances": reading, "dagaccesspolicies": writing, "accessgrants": reading, "accessrequests": reading},
}

// peopleMay binds the example roles to people in one namespace and asks the API server what they may there, and elsewhere.
func peopleMay(t *testing.T, config *rest.Config, admin client.Client) {
	t.Helper()
	for role, want := range exampleRoles {
		binding := &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: role, Namespace: "data-platform"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: release + "-" + role},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: role}},
		}
		if err := admin.Create(t.Context(), binding); err != nil {
			t.Fatal(err)
		}
		// The authorizer learns of a binding a moment after it was stored.
		if err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, 10*time.Second, true, func(context.Context) (bool, error) {
			return mayDo(t, admin, role, "data-platform", v1alpha1.GroupVersion.Group, "dagaccesspolicies", "") != "", nil
		}); err != nil {
			t.Fatalf("the binding of the %s does not work: %v", role, err)
		}
		got := map[string]string{}
		for _, resource := range []string{"airflowinstances", "dagaccesspolicies", "accessgrants", "accessrequests"} {
			for _, part := range []string{"", "status", "finalizers"} {
				if verbs := mayDo(t, admin, role, "data-platform", v1alpha1.GroupVersion.Group, resource, part); verbs != "" {
					got[strings.TrimSuffix(resource+"/"+part, "/")] = verbs
				}
			}
			if verbs := mayDo(t, admin, role, "default", v1alpha1.GroupVersion.Group, resource, ""); verbs != "" {
				t.Errorf("the %s may %s %s where nobody bound the role", role, verbs, resource)
			}
		}
		if verbs := mayDo(t, admin, role, "data-platform", "", "secrets", ""); verbs != "" {
			t.Errorf("the %s may %s Secrets", role, verbs)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("what the %s may (-want +got):\n%s", role, diff)
		}
		peopleTry(t, config, role)
	}
}

// mayDo gives the verbs that a person is allowed.
func mayDo(t *testing.T, admin client.Client, person, namespace, group, resource, part string) string {
	t.Helper()
	var allowed []string
	for _, verb := range asked {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: person, Groups: []string{"system:authenticated"},
			ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: namespace, Verb: verb, Group: group, Resource: resource, Subresource: part},
		}}
		if err := admin.Create(t.Context(), review); err != nil {
			t.Fatal(err)
		}
		if review.Status.Allowed {
			allowed = append(allowed, verb)
		}
	}
	return strings.Join(allowed, " ")
}

// peopleTry makes what each kind is, as that person: the API server lets through what the role says, admission included.
func peopleTry(t *testing.T, config *rest.Config, role string) {
	t.Helper()
	person, err := client.New(controlplane.As(config, role, "system:authenticated"), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const shown = `
apiVersion: access.airflow-oam.dev/v1alpha1
kind: AirflowInstance
metadata: {name: tried, namespace: data-platform}
spec: {url: "https://airflow.example.com", credentials: {secretRef: {name: airflow-oam}}}
---
apiVersion: access.airflow-oam.dev/v1alpha1
kind: DagAccessPolicy
metadata: {name: tried, namespace: data-platform}
spec: {instanceRef: {name: prod}, dags: [{ids: ["*"]}], access: [View]}
---
apiVersion: access.airflow-oam.dev/v1alpha1
kind: AccessGrant
metadata: {name: tried, namespace: data-platform}
spec: {policyRef: {name: tried}, subject: {username: bob}, duration: 1h}
---
apiVersion: access.airflow-oam.dev/v1alpha1
kind: AccessRequest
metadata: {name: tried, namespace: data-platform}
spec: {policyRef: {name: tried}, reason: INC-1, requester: requester}
`
	tried, err := controlplane.Decode([]byte(shown))
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range tried {
		err := person.Create(t.Context(), object, client.DryRunAll)
		made := map[string]string{"AirflowInstance": "airflowinstances", "DagAccessPolicy": "dagaccesspolicies", "AccessGrant": "accessgrants", "AccessRequest": "accessrequests"}[object.GetKind()]
		allowed := slices.Contains(strings.Fields(exampleRoles[role][made]), "create")
		if allowed && err != nil || !allowed && !apierrors.IsForbidden(err) {
			t.Error(fmt.Errorf("a %s makes a %s (allowed: %t): %w", role, object.GetKind(), allowed, err))
		}
	}
}
