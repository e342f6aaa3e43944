package controllers_test

import (
	"context"
	"errors"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/controllers/instance"
	"github.com/airflow-oam/airflow-oam/controllers/kind"
	"github.com/airflow-oam/airflow-oam/internal/status"
	"github.com/airflow-oam/airflow-oam/internal/status/statustest"
)

// withoutSecrets reads everything but Secrets, for which it fails.
type withoutSecrets struct {
	client.Reader
	failure error
}

// Get fails for Secrets.
func (r withoutSecrets) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	if _, ok := object.(*corev1.Secret); ok {
		return r.failure
	}
	return r.Reader.Get(ctx, key, object, options...)
}

var _ = DescribeTable("An instance whose Secret cannot be read", func(ctx SpecContext, failure error, reason, message string) {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "secrets-"}}
	Expect(admin.Create(ctx, namespace)).To(Succeed())
	clock.SetTime(namespace.CreationTimestamp.Time)
	afi := &v1alpha1.AirflowInstance{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: "prod"},
		Spec: v1alpha1.AirflowInstanceSpec{
			URL: "https://" + namespace.Name + ".example.com", Credentials: v1alpha1.Credentials{SecretRef: v1alpha1.SecretReference{Name: "airflow"}},
		},
	}
	Expect(admin.Create(ctx, afi)).To(Succeed())
	operator, err := client.New(operatorConfig, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	reconciler := instance.New(kind.Env{
		Client: operator, APIReader: withoutSecrets{operator, failure}, Clock: clock, Recorder: told, Reports: kind.NewReports(),
	}, instance.Settings{})
	DeferCleanup(func(ctx SpecContext) {
		Expect(operator.Patch(ctx, afi, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))).To(Succeed())
		Expect(admin.Delete(ctx, afi)).To(Succeed())
	})

	result, err := reconciler.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(afi)})
	Expect(err).NotTo(HaveOccurred())
	Expect(result.RequeueAfter).To(BeNumerically(">", 0), "it is tried again")
	Expect(admin.Get(ctx, client.ObjectKeyFromObject(afi), afi)).To(Succeed())
	for _, name := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionAuthenticated} {
		found := status.Find(afi.Status.Conditions, name)
		Expect(found).NotTo(BeNil())
		Expect(found.Reason).To(Equal(reason))
		Expect(found.Message).To(ContainSubstring(message))
	}
	Expect(statustest.Check(afi)).To(Succeed())
},
	Entry("says in which value of the chart its namespace is missing", apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "airflow", nil),
		v1alpha1.ReasonSecretForbidden, "instanceNamespaces"),
	Entry("says that it does not exist", apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, "airflow"),
		v1alpha1.ReasonSecretNotFound, "create it"),
	Entry("says that Kubernetes failed, and not what is in the error", errors.New("connection to 10.0.0.1 refused"),
		v1alpha1.ReasonKubernetesFailed, `"airflow" cannot be read now`),
)
