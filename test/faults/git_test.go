package faults_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

// apiStatus is the status code of an error of the API server.
type apiStatus struct{ code int32 }

func (s *apiStatus) of(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	s.code = status.Status().Code
	return true
}

// rawGrant tries to make a grant whose fields no typed client would send.
func (w *world) rawGrant(name string, fields map[string]any) error {
	spec := map[string]any{"policyRef": map[string]any{"name": "finance"}, "subject": map[string]any{"username": "dave"}}
	maps.Copy(spec, fields)
	object := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	object.SetAPIVersion(v1alpha1.GroupVersion.String())
	object.SetKind("AccessGrant")
	object.SetNamespace(w.namespace)
	object.SetName(name)
	return admin.Create(w.t.Context(), object)
}

// person adds somebody to Airflow and to those who are looked at.
func (w *world) person(name string) {
	w.sim.AddUser(airflowtest.User{Username: name, Email: fmt.Sprintf("u%d@example.com", len(w.people)), Roles: []string{"Public"}})
	w.people = append(w.people, name)
}

func gitFaults() []fault {
	return []fault{
		{number: "F64", title: "an ended grant is deleted and made again", strike: done(func(w *world) {
			ends := w.now().Add(20 * time.Minute).Truncate(time.Second)
			terms := termsVersion{at: w.now(), expiresAt: ends}
			w.grantWith("from-git", "dave", "finance", terms)
			w.run(3 * time.Second)
			w.revoke("from-git")
			w.run(time.Second)
			w.deleteGrant("from-git")
			w.run(time.Second)
			w.grantWith("from-git", "dave", "finance", terms)
			w.facts.grant("from-git").end(w.now()) // it was spent
		}), also: func(w *world) { w.ended("from-git", v1alpha1.EndAlreadySpent) }},
		{number: "F64", title: "a live grant is deleted and made again", strike: done(func(w *world) {
			ends := w.now().Add(20 * time.Minute).Truncate(time.Second)
			terms := termsVersion{at: w.now(), expiresAt: ends}
			w.grantWith("from-git", "dave", "finance", terms)
			w.run(3 * time.Second)
			w.deleteGrant("from-git")
			w.run(time.Second)
			w.grantWith("from-git", "dave", "finance", terms)
			w.facts.grant("from-git").end(w.now())
		}), also: func(w *world) { w.ended("from-git", v1alpha1.EndAlreadySpent) }},
		{number: "F66", title: "the namespace is deleted with live grants", strike: done(func(w *world) {
			objects := w.stored()
			w.random.Shuffle(len(objects), func(i, j int) { objects[i], objects[j] = objects[j], objects[i] })
			w.delete(&corev1.Secret{ObjectMeta: w.meta("airflow")})
			for _, o := range objects {
				w.remember(o)
				w.delete(o)
			}
			w.over = true
		}), also: func(w *world) {
			if left := w.stored(); len(left) > 0 {
				w.wrong("%d objects stay: the first is %T %s", len(left), left[0], left[0].GetName())
			}
		}},
		{number: "F68", title: "a policy is deleted while it is used", strike: done(func(w *world) { w.deletePolicy("finance") })},
		{number: "F69", title: "the address is that of another Airflow", lasts: 40 * time.Second, strike: func(w *world) func(*world) {
			other := airflowtest.Start(w.t, airflowtest.Options{Clock: w.clock})
			w.moveTo(other.URL)
			return func(w *world) {
				w.noticed(v1alpha1.ReasonEndpointChanged)
				if n := len(other.MutatingRequests()); n > 0 {
					w.wrong("I3: %d writes to an Airflow that does not hold our roles", n)
				}
				w.moveTo(w.url())
			}
		}},
		{number: "F69", title: "the address is that of another Airflow, the Secret is not, and the process starts again", lasts: 40 * time.Second, strike: func(w *world) func(*world) {
			other := airflowtest.Start(w.t, airflowtest.Options{Clock: w.clock})
			w.moveInstanceTo(other.URL)
			w.blindFor(processAway, 0)
			w.processes[0].stop()
			w.start()
			return func(w *world) {
				w.noticed(v1alpha1.ReasonSecretURLMismatch)
				if n := other.RequestCount(); n > 0 {
					w.wrong("I6: %d requests to an address that the Secret does not name", n)
				}
				w.moveInstanceTo(w.url())
			}
		}},
		{number: "F69", title: "the address is that of an Airflow which another instance governs", lasts: 40 * time.Second, strike: takenAddress},
		{number: "F70", title: "two policies claim one role", strike: done(func(w *world) {
			for _, name := range []string{"first", "second"} {
				member := map[string]string{"first": "dave", "second": "heidi"}[name]
				policy := &v1alpha1.DagAccessPolicy{ObjectMeta: w.meta(name), Spec: v1alpha1.DagAccessPolicySpec{
					InstanceRef: v1alpha1.InstanceReference{Name: "prod"}, Dags: []v1alpha1.DagSelector{{IDs: []string{"payroll"}}},
					Access: []v1alpha1.AccessLevel{view}, Members: []v1alpha1.Subject{{Username: member}},
					Role: &v1alpha1.PolicyRole{Name: "claimed-by-two"},
				}}
				w.create(policy)
				w.unwell["second"] = v1alpha1.ReasonRoleNameTaken
				if name == "first" {
					w.facts.policies[name] = []policyVersion{{w.now(), &policy.Spec, policy.Generation}}
					w.run(2 * time.Second)
				}
			}
		})},
	}
}

// takenAddress makes a second instance with an Airflow of its own, and points the first at it.
func takenAddress(w *world) func(*world) {
	w.struck()
	other := airflowtest.Start(w.t, airflowtest.Options{Clock: w.clock})
	secret := &corev1.Secret{ObjectMeta: w.meta("second"), StringData: map[string]string{
		"username": airflowtest.AdminUsername, "password": airflowtest.AdminPassword, "url": other.URL,
	}}
	w.create(secret)
	second := &v1alpha1.AirflowInstance{ObjectMeta: w.meta("second"), Spec: v1alpha1.AirflowInstanceSpec{
		URL: other.URL, Credentials: v1alpha1.Credentials{SecretRef: v1alpha1.SecretReference{Name: secret.Name}},
	}}
	w.create(second)
	policy := &v1alpha1.DagAccessPolicy{ObjectMeta: w.meta("elsewhere"), Spec: v1alpha1.DagAccessPolicySpec{
		InstanceRef: v1alpha1.InstanceReference{Name: second.Name}, Dags: []v1alpha1.DagSelector{{IDs: []string{"nothing"}}},
		Access: []v1alpha1.AccessLevel{view},
	}}
	w.create(policy)
	w.run(2 * time.Second)
	w.moveTo(other.URL)
	w.run(2 * time.Second)
	w.says(&v1alpha1.AirflowInstance{ObjectMeta: w.meta("prod")}, v1alpha1.ReasonEndpointTaken)
	w.says(second, v1alpha1.ReasonReady)
	return func(w *world) {
		w.moveTo(w.url())
		w.delete(policy)
		w.delete(second)
	}
}

// remember notes that an object is deleted.
func (w *world) remember(o client.Object) {
	switch x := o.(type) {
	case *v1alpha1.AccessGrant:
		w.facts.grant(x.Name).end(w.now())
	case *v1alpha1.DagAccessPolicy:
		w.facts.policies[x.Name] = append(w.facts.policies[x.Name], policyVersion{at: w.now()})
	}
}

// ended checks why a grant ended.
func (w *world) ended(name string, reason v1alpha1.EndReason) {
	w.t.Helper()
	grant := &v1alpha1.AccessGrant{ObjectMeta: w.meta(name)}
	if err := admin.Get(w.t.Context(), client.ObjectKeyFromObject(grant), grant); err != nil {
		w.wrong("read grant %s: %v", name, err)
		return
	}
	if grant.Status.End == nil || grant.Status.End.Reason != reason {
		w.wrong("grant %s is %s (%v), want an end with %s", name, grant.Status.Phase, grant.Status.End, reason)
	}
}

// says checks that a condition of an object has a reason.
func (w *world) says(object client.Object, reason string) {
	w.t.Helper()
	if err := admin.Get(w.t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
		w.wrong("read %s: %v", object.GetName(), err)
		return
	}
	conditions := conditionsOf(object)
	if !slices.ContainsFunc(conditions, func(c metav1.Condition) bool { return c.Reason == reason }) {
		w.wrong("%s does not say %s: %v", object.GetName(), reason, conditions)
	}
}

// noticed checks that the instance says what is wrong, before it is set right: the fault took effect then.
func (w *world) noticed(reason string) {
	w.t.Helper()
	w.says(&v1alpha1.AirflowInstance{ObjectMeta: w.meta("prod")}, reason)
	w.struck()
}
