package faults_test

import (
	"maps"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
)

var (
	dags   = []string{"finance_daily", "finance_weekly", "finance_audit", "marketing_report", "marketing_mail", "payroll"}
	people = []string{"alice", "bob", "carol", "dave", "erin", "frank", "gina", "heidi"}
)

func (w *world) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: w.namespace}
}

// create makes an object as people do.
func (w *world) create(object client.Object) {
	w.t.Helper()
	w.changed()
	if err := admin.Create(w.t.Context(), object); err != nil {
		w.fatal("create %T %s: %v", object, object.GetName(), err)
	}
}

// edit changes an object as people do: again after a conflict. It says false where there is none any more.
func edit[T client.Object](w *world, object T, change func(T)) bool {
	w.t.Helper()
	w.changed()
	key := client.ObjectKeyFromObject(object)
	for {
		err := admin.Get(w.t.Context(), key, object)
		if err == nil {
			change(object)
			err = admin.Update(w.t.Context(), object)
		}
		switch {
		case err == nil:
			return true
		case apierrors.IsNotFound(err):
			w.note("there is no %T %s to be changed", object, key.Name)
			return false
		case !apierrors.IsConflict(err):
			w.fatal("edit %T %s: %v", object, key.Name, err)
		}
	}
}

func (w *world) delete(object client.Object) bool {
	w.t.Helper()
	w.changed()
	err := admin.Delete(w.t.Context(), object)
	if client.IgnoreNotFound(err) != nil {
		w.fatal("delete %T %s: %v", object, object.GetName(), err)
	}
	return err == nil
}

// secret makes the Secret of the instance.
func (w *world) secret(password string) {
	w.t.Helper()
	secret := &corev1.Secret{ObjectMeta: w.meta("airflow"), StringData: map[string]string{
		"username": airflowtest.AdminUsername, "password": password, "url": w.url(),
	}}
	if w.door.paper != nil {
		secret.StringData["ca.crt"] = string(w.door.paper.authority)
	}
	w.create(secret)
}

// instance makes the AirflowInstance, with changes.
func (w *world) instance(changes ...func(*v1alpha1.AirflowInstanceSpec)) {
	w.t.Helper()
	instance := &v1alpha1.AirflowInstance{ObjectMeta: w.meta("prod"), Spec: v1alpha1.AirflowInstanceSpec{
		URL: w.url(), Credentials: v1alpha1.Credentials{SecretRef: v1alpha1.SecretReference{Name: "airflow"}},
		PermissionCacheTTL: &metav1.Duration{Duration: w.ttl},
		Interval:           metav1.Duration{Duration: interval}, DagInterval: metav1.Duration{Duration: dagInterval},
	}}
	if w.door.paper != nil {
		instance.Spec.TLS = &v1alpha1.TLS{CASecretRef: v1alpha1.SecretKeyReference{Name: "airflow", Key: "ca.crt"}}
	}
	for _, change := range changes {
		change(&instance.Spec)
	}
	w.create(instance)
}

// policy makes a policy over DAGs whose ids match, with standing members.
func (w *world) policy(name, pattern string, levels []v1alpha1.AccessLevel, members ...string) {
	w.t.Helper()
	policy := &v1alpha1.DagAccessPolicy{ObjectMeta: w.meta(name), Spec: v1alpha1.DagAccessPolicySpec{
		InstanceRef: v1alpha1.InstanceReference{Name: "prod"}, Dags: []v1alpha1.DagSelector{{IDs: []string{pattern}}},
		Access: levels, Grants: &v1alpha1.GrantTerms{MaxDuration: metav1.Duration{Duration: 8 * time.Hour}, MaxAhead: &metav1.Duration{Duration: time.Hour}},
	}}
	for _, member := range members {
		policy.Spec.Members = append(policy.Spec.Members, v1alpha1.Subject{Username: member})
	}
	w.create(policy)
	w.facts.policies[name] = append(w.facts.policies[name], policyVersion{w.now(), &policy.Spec, policy.Generation})
	w.note("policy %s is made: %v on %s for %v", name, levels, pattern, members)
}

func (w *world) editPolicy(name, what string, change func(*v1alpha1.DagAccessPolicySpec)) {
	w.t.Helper()
	policy := &v1alpha1.DagAccessPolicy{ObjectMeta: w.meta(name)}
	if w.facts.deleted(name) || !edit(w, policy, func(p *v1alpha1.DagAccessPolicy) { change(&p.Spec) }) {
		return
	}
	w.facts.policies[name] = append(w.facts.policies[name], policyVersion{w.now(), policy.Spec.DeepCopy(), policy.Generation})
	w.note("policy %s: %s", name, what)
}

func (w *world) deletePolicy(name string) {
	w.t.Helper()
	if w.facts.deleted(name) || !w.delete(&v1alpha1.DagAccessPolicy{ObjectMeta: w.meta(name)}) {
		return
	}
	w.facts.policies[name] = append(w.facts.policies[name], policyVersion{at: w.now()})
	w.note("policy %s is deleted", name)
}

// grant makes a grant for a time, narrowed to DAGs where some are named.
func (w *world) grant(name, person, policy string, length time.Duration, narrow ...string) {
	w.t.Helper()
	w.grantWith(name, person, policy, termsVersion{at: w.now(), duration: length}, narrow...)
}

func (w *world) grantWith(name, person, policy string, terms termsVersion, narrow ...string) {
	w.t.Helper()
	grant := &v1alpha1.AccessGrant{ObjectMeta: w.meta(name), Spec: v1alpha1.AccessGrantSpec{
		PolicyRef: v1alpha1.PolicyReference{Name: policy}, Subject: v1alpha1.Subject{Username: person}, Dags: narrow,
	}}
	terms.write(&grant.Spec)
	w.create(grant)
	w.facts.grants = append(w.facts.grants, &grantFact{
		name: name, person: person, policy: policy, uid: grant.UID, created: w.now(), terms: []termsVersion{terms}, dags: narrow,
	})
	w.note("grant %s: %s for %s, %s %v", name, policy, person, terms, narrow)
}

func (v termsVersion) write(spec *v1alpha1.AccessGrantSpec) {
	spec.Duration, spec.ExpiresAt = nil, nil
	if !v.starts.IsZero() {
		spec.StartsAt = &metav1.Time{Time: v.starts}
	}
	if v.expiresAt.IsZero() {
		spec.Duration = &metav1.Duration{Duration: v.duration}
	} else {
		spec.ExpiresAt = &metav1.Time{Time: v.expiresAt}
	}
}

func (v termsVersion) String() string {
	if !v.expiresAt.IsZero() {
		return "until " + v.expiresAt.Format(time.TimeOnly)
	}
	return "for " + v.duration.String()
}

// extend gives a grant another length.
func (w *world) extend(name string, length time.Duration) {
	w.t.Helper()
	fact := w.facts.grant(name)
	terms := termsVersion{at: w.now(), starts: fact.terms[0].starts, duration: length}
	if !fact.terms[0].expiresAt.IsZero() {
		terms.expiresAt = fact.created.Add(length).Truncate(time.Second)
	}
	if !edit(w, &v1alpha1.AccessGrant{ObjectMeta: w.meta(name)}, func(g *v1alpha1.AccessGrant) { terms.write(&g.Spec) }) {
		return
	}
	fact.terms = append(fact.terms, terms)
	w.note("grant %s is now %s", name, terms)
}

func (w *world) revoke(name string) {
	w.t.Helper()
	if !edit(w, &v1alpha1.AccessGrant{ObjectMeta: w.meta(name)}, func(g *v1alpha1.AccessGrant) {
		g.Spec.Revoke = &v1alpha1.Revocation{Reason: "enough"}
	}) {
		return
	}
	w.facts.grant(name).end(w.now())
	w.note("grant %s is revoked", name)
}

func (w *world) deleteGrant(name string) {
	w.t.Helper()
	if !w.delete(&v1alpha1.AccessGrant{ObjectMeta: w.meta(name)}) {
		return
	}
	w.facts.grant(name).end(w.now())
	w.note("grant %s is deleted", name)
}

// role is the Airflow role of a policy.
func (w *world) role(policy string) string {
	first := rolename.ForPolicy(w.namespace, policy, "")
	carrier := first
	for n := 1; n < 20; n++ {
		if name := rolename.Successor(first, n); w.has(name) {
			carrier = name
		}
	}
	return carrier
}

func (w *world) has(role string) bool {
	_, ok := w.sim.Role(role)
	return ok
}

// sneak adds a person to a policy's role by hand. It may stay until the next full comparison.
func (w *world) sneak(person, policy string) {
	w.t.Helper()
	role, ok := w.sim.Role(w.role(policy))
	roles, exists := w.sim.UserRoles(person)
	if !ok || !exists || slices.Contains(roles, role.Name) {
		return
	}
	w.sim.SetUserRoles(person, append(roles, role.Name)...)
	w.byHand(person, role.Permissions)
	w.facts.others[len(w.facts.others)-1].policy = policy // what the role gains meanwhile they have, too
	w.note("somebody adds %s to the role of %s by hand", person, policy)
}

// strip takes a person off a policy's role by hand.
func (w *world) strip(person, policy string) {
	roles, ok := w.sim.UserRoles(person)
	if !ok || !slices.Contains(roles, w.role(policy)) {
		return
	}
	w.sim.SetUserRoles(person, slices.DeleteFunc(roles, func(name string) bool { return name == w.role(policy) })...)
	w.note("somebody takes %s off the role of %s by hand", person, policy)
}

// widen adds rights to a policy's role by hand. They may stay until the next full comparison.
func (w *world) widen(policy string, add ...airflow.Permission) {
	role, ok := w.sim.Role(w.role(policy))
	if !ok {
		return
	}
	w.sim.SetRole(role.Name, append(slices.Clone(role.Permissions), add...)...)
	w.byHand("", add)
	w.note("somebody adds %v to the role of %s by hand", add, policy)
}

// byHand notes what others gave. The operator finds it in the next full comparison.
func (w *world) byHand(person string, permissions []airflow.Permission) {
	due := w.now().Add(interval)
	w.facts.others = append(w.facts.others, cause{
		origin: "by hand", person: person, permissions: permissions, from: w.now(), due: due, bound: due,
	})
}

// foreign notes rights that are nobody's business of ours.
func (w *world) foreign(person string, permissions ...airflow.Permission) {
	w.facts.others = append(w.facts.others, cause{origin: "foreign", person: person, permissions: permissions, from: w.began})
}

// poke asks for a full comparison now.
func (w *world) poke() {
	w.t.Helper()
	edit(w, &v1alpha1.AirflowInstance{ObjectMeta: w.meta("prod")}, func(i *v1alpha1.AirflowInstance) {
		i.Annotations = map[string]string{v1alpha1.ReconcileAtAnnotation: strconv.FormatInt(w.now().UnixNano(), 10)}
	})
}

// rawPolicy tries to make a policy over DAGs, whatever their number.
func (w *world) rawPolicy(name string, ids []string) error {
	return admin.Create(w.t.Context(), &v1alpha1.DagAccessPolicy{ObjectMeta: w.meta(name), Spec: v1alpha1.DagAccessPolicySpec{
		InstanceRef: v1alpha1.InstanceReference{Name: "prod"}, Dags: []v1alpha1.DagSelector{{IDs: ids}}, Access: []v1alpha1.AccessLevel{view},
	}})
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
