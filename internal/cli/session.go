package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// session is a connection to the cluster, and the user as the cluster knows them.
type session struct {
	client.WithWatch
	namespace string
	// user is empty until identify.
	user authenticationv1.UserInfo
}

// open connects to the cluster of the kubeconfig.
func (t *tool) open() (*session, error) {
	namespace, _, err := t.flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	s := &session{WithWatch: t.Client, namespace: namespace}
	if s.WithWatch == nil {
		s.WithWatch, err = t.dial()
	}
	return s, err
}

// dial makes a client. Its kinds are known, so that no discovery is needed.
func (t *tool) dial() (client.WithWatch, error) {
	config, err := t.flags.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	config.WarningHandler = rest.NewWarningWriter(t.ErrOut, rest.WarningWriterOptions{Deduplicate: true})
	known, err := Scheme()
	if err != nil {
		return nil, err
	}
	mapper := meta.NewDefaultRESTMapper(nil)
	for _, kind := range []string{"AirflowInstance", "DagAccessPolicy", "AccessGrant", "AccessRequest"} {
		mapper.Add(v1alpha1.GroupVersion.WithKind(kind), meta.RESTScopeNamespace)
	}
	mapper.Add(authenticationv1.SchemeGroupVersion.WithKind("SelfSubjectReview"), meta.RESTScopeRoot)
	made, err := client.NewWithWatch(config, client.Options{Scheme: known, Mapper: mapper})
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	return made, nil
}

// Scheme has the kinds that the commands use.
func Scheme() (*runtime.Scheme, error) {
	known := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, authenticationv1.AddToScheme} {
		if err := add(known); err != nil {
			return nil, fmt.Errorf("register the kinds: %w", err)
		}
	}
	return known, nil
}

// identify connects, and asks the API server how it knows the user.
func (t *tool) identify(ctx context.Context) (*session, error) {
	s, err := t.open()
	if err != nil {
		return nil, err
	}
	review := &authenticationv1.SelfSubjectReview{}
	if err := s.Create(ctx, review); err != nil {
		return nil, fmt.Errorf("ask the API server for your name: %w", err)
	}
	s.user = review.Status.UserInfo
	if s.user.Username == "" {
		return nil, fmt.Errorf("the API server does not say your name: kubectl auth whoami shows what it knows")
	}
	return s, nil
}

// common are the names that two lists share, in the order of the first.
func common(a, b []string) []string {
	var out []string
	for _, name := range a {
		if slices.Contains(b, name) && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// key reads NAME or NAMESPACE/NAME.
func (s *session) key(name string) types.NamespacedName {
	if namespace, rest, ok := strings.Cut(name, "/"); ok {
		return types.NamespacedName{Namespace: namespace, Name: rest}
	}
	return types.NamespacedName{Namespace: s.namespace, Name: name}
}

// find reads an object. The error of one that is missing names the command that lists those that are there.
func (s *session) find(ctx context.Context, key types.NamespacedName, object client.Object, list string) error {
	err := s.Get(ctx, key, object)
	if apierrors.IsNotFound(err) && named(err) {
		return fmt.Errorf("there is %w %s %s in namespace %s: %s lists them", errMissing, kindOf(s, object), key.Name, key.Namespace, list)
	}
	return err
}

// errMissing is in the error about an object that is not there.
var errMissing = errors.New("no")

// named reports whether an error is about one object, and not about a kind that the cluster does not serve.
func named(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && status.Status().Details != nil && status.Status().Details.Name != ""
}

// kindOf is the kind of an object in words.
func kindOf(s *session, object client.Object) string { return s.identity(object).Kind }

// identity is group, version and kind of an object.
func (s *session) identity(object client.Object) schema.GroupVersionKind {
	gvk, err := s.GroupVersionKindFor(object)
	if err != nil {
		return schema.GroupVersionKind{Kind: "object"} // of kinds that Scheme has: cannot be
	}
	return gvk
}

// request reads an AccessRequest by NAME, NAMESPACE/NAME or KIND/NAME.
func (s *session) request(ctx context.Context, name string) (*v1alpha1.AccessRequest, error) {
	r := &v1alpha1.AccessRequest{}
	return r, s.find(ctx, s.key(bare(name, requestKinds)), r, "kubectl get accessrequests")
}

// requestKinds and grantKinds are the names of the kinds that kubectl prints and reads before a slash.
var (
	requestKinds = []string{"accessrequest.access.airflow-oam.dev/", "accessrequests.access.airflow-oam.dev/", "accessrequest/", "accessrequests/", "afreq/"}
	grantKinds   = []string{"accessgrant.access.airflow-oam.dev/", "accessgrants.access.airflow-oam.dev/", "accessgrant/", "accessgrants/", "afgrant/"}
)

// bare removes the kind from KIND/NAME, as -o name prints it.
func bare(name string, kinds []string) string {
	for _, kind := range kinds {
		if rest, ok := strings.CutPrefix(name, kind); ok {
			return rest
		}
	}
	return name
}
