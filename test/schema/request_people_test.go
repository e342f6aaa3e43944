package schema

import (
	"context"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/test/controlplane"
)

// person is a user of the cluster with its groups.
type person struct {
	name   string
	groups []string
}

// The people of the specs about requests. Those in analysts may ask and vote as far as Kubernetes knows, those in grantors
// write grants; what else they may do is for the admission policies.
var (
	alice    = person{"alice@example.com", []string{"analysts", "oncall-data"}}
	bob      = person{"bob@example.com", []string{"analysts", "finance-leads"}}
	carol    = person{"carol@example.com", []string{"analysts", "finance-leads"}}
	erin     = person{"erin@example.com", []string{"analysts"}}
	mallory  = person{"mallory@example.com", []string{"analysts", "other"}}
	gina     = person{"gina@example.com", []string{"grantors"}}
	operator = person{controlplane.Operator, []string{"system:serviceaccounts"}}
)

// client returns a client of that person, without any right of an administrator.
func (p person) client() client.Client {
	GinkgoHelper()
	return as(p.name, p.groups...)
}

// roles gives people and the operator the rights that an installation gives them.
func roles(ctx context.Context) {
	GinkgoHelper()
	for _, file := range []string{"rbac/role.yaml", "people/roles.yaml"} {
		objects, err := controlplane.Objects(filepath.Join(root, "config", filepath.FromSlash(file)))
		Expect(err).NotTo(HaveOccurred())
		for _, role := range objects {
			temporary(ctx, role)
		}
	}
	account := rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: "airflow-oam-system", Name: "airflow-oam"}
	temporary(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "airflow-oam"}, Subjects: []rbacv1.Subject{account},
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "airflow-oam"},
	})
	for role, group := range map[string]string{"airflow-oam-requester": "analysts", "airflow-oam-grantor": "grantors"} {
		temporary(ctx, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: role, Namespace: namespace},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: group}},
		})
	}
	for who, what := range map[*person]*unstructured.Unstructured{&alice: requestOf(alice, `{}`), &gina: object(grant)} {
		Eventually(func() error { return who.client().Create(ctx, what.DeepCopy(), client.DryRunAll) }).Should(Succeed())
	}
	Eventually(func() error { return operator.client().List(ctx, listOf(request)) }).Should(Succeed())
}

// temporary creates an object until the end of the container.
func temporary(ctx context.Context, object client.Object) {
	GinkgoHelper()
	Expect(admin.Create(ctx, object)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { Expect(admin.Delete(ctx, object)).To(Succeed()) })
}

// listOf returns an empty list of the kind of a YAML text.
func listOf(text string) *unstructured.UnstructuredList {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(object(text).GroupVersionKind())
	return list
}

// requestOf returns a request as that person writes it.
func requestOf(who person, patches ...string) *unstructured.Unstructured {
	GinkgoHelper()
	return object(request, append([]string{`{metadata: {name: asked}, spec: {requester: "` + who.name + `"}}`}, patches...)...)
}

// requested creates a request of a person for the time of one spec, with the status that the operator gave it.
func requested(ctx context.Context, who person, status string, patches ...string) *unstructured.Unstructured {
	GinkgoHelper()
	stored := requestOf(who, patches...)
	Expect(who.client().Create(ctx, stored)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) {
		Expect(admin.Delete(ctx, requestOf(who, patches...))).To(Succeed())
	})
	if status != "" {
		Expect(operator.client().Status().Patch(ctx, stored, client.RawPatch(types.MergePatchType, asJSON(status)))).To(Succeed())
	}
	return stored
}

// voted adds a vote as kubectl patch --type=json does.
func voted(ctx context.Context, by person, stored *unstructured.Unstructured, vote string, options ...client.PatchOption) error {
	GinkgoHelper()
	patch := `[{"op": "add", "path": "/spec/votes/-", "value": ` + string(asJSON(vote)) + `}]`
	return by.client().Patch(ctx, stored.DeepCopy(), client.RawPatch(types.JSONPatchType, []byte(patch)), options...)
}
