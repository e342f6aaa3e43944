package chart

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// monitor is what the chart uses of a ServiceMonitor.
type monitor struct {
	Spec struct {
		Selector  metav1.LabelSelector `json:"selector"`
		Endpoints []struct {
			Port        string `json:"port"`
			HonorLabels bool   `json:"honorLabels"`
		} `json:"endpoints"`
	} `json:"spec"`
}

// TestSelectorsFindThePodOfTheRelease compares what selects pods, and Services, with the labels that they have, and ports
// with ports: a selector that finds nothing is taken by every API server.
func TestSelectorsFindThePodOfTheRelease(t *testing.T) {
	for name, values := range map[string]string{
		"with everything": everything, "with another name": everything + "nameOverride: access\n",
		"on another port": strings.Replace(everything, "metrics:\n", "metrics:\n  port: 9090\n", 1),
	} {
		t.Run(name, func(t *testing.T) {
			all := objects(t, values)
			deployment := pick[appsv1.Deployment](t, all, "Deployment")[0].Spec
			service := pick[corev1.Service](t, all, "Service")[0]
			monitored := pick[monitor](t, all, "ServiceMonitor")[0].Spec
			network := pick[networkingv1.NetworkPolicy](t, all, "NetworkPolicy")[0].Spec
			budget := pick[policyv1.PodDisruptionBudget](t, all, "PodDisruptionBudget")[0].Spec
			pod := deployment.Template.Labels
			for what, found := range map[string]struct {
				selector *metav1.LabelSelector
				labels   map[string]string
			}{
				"Deployment":          {deployment.Selector, pod},
				"Service":             {&metav1.LabelSelector{MatchLabels: service.Spec.Selector}, pod},
				"NetworkPolicy":       {&network.PodSelector, pod},
				"PodDisruptionBudget": {budget.Selector, pod},
				"ServiceMonitor":      {&monitored.Selector, service.Labels},
			} {
				selects(t, what, found.selector, found.labels)
			}
			container := deployment.Template.Spec.Containers[0]
			port := service.Spec.Ports[0]
			if got := portOf(t, container, port.TargetPort); got != port.Port {
				t.Errorf("the Service leads port %d to %d", port.Port, got)
			}
			if len(monitored.Endpoints) != 1 || monitored.Endpoints[0].Port != port.Name {
				t.Errorf("the ServiceMonitor asks for %v, the Service has %s", monitored.Endpoints, port.Name)
			}
			for _, endpoint := range monitored.Endpoints {
				if !endpoint.HonorLabels {
					t.Error("the ServiceMonitor has Prometheus rename the label instance of the metrics")
				}
			}
			if let := network.Ingress[0].Ports; len(let) != 1 || portOf(t, container, *let[0].Port) != port.Port {
				t.Errorf("the NetworkPolicy lets in %v, metrics are at %d", let, port.Port)
			}
		})
	}
}

// TestPortsAreThoseThatTheOperatorListensOn compares the container's ports with its arguments and its probes.
func TestPortsAreThoseThatTheOperatorListensOn(t *testing.T) {
	for name, values := range map[string]string{"by default": "", "metrics elsewhere": "metrics: {port: 9090}"} {
		t.Run(name, func(t *testing.T) {
			container := pick[appsv1.Deployment](t, objects(t, values), "Deployment")[0].Spec.Template.Spec.Containers[0]
			for flag, port := range map[string]intstr.IntOrString{
				"--metrics-bind-address=:": intstr.FromString("metrics"), "--health-probe-bind-address=:": container.LivenessProbe.HTTPGet.Port,
			} {
				if want := flag + strconv.Itoa(int(portOf(t, container, port))); !slices.Contains(container.Args, want) {
					t.Errorf("arguments %q do not hold %s", container.Args, want)
				}
			}
			if ready, live := container.ReadinessProbe.HTTPGet.Port, container.LivenessProbe.HTTPGet.Port; ready != live {
				t.Errorf("readiness is asked at %s, liveness at %s", &ready, &live)
			}
		})
	}
}

// selects checks that a selector finds these labels, and not those of another release.
func selects(t *testing.T, what string, selector *metav1.LabelSelector, found map[string]string) {
	t.Helper()
	matcher, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		t.Fatal(err)
	}
	if !matcher.Matches(labels.Set(found)) {
		t.Errorf("the selector of the %s is %s and does not find %v", what, matcher, found)
	}
	other := labels.Merge(found, labels.Set{"app.kubernetes.io/instance": "another"})
	if matcher.Matches(other) {
		t.Errorf("the selector of the %s is %s and also finds another release", what, matcher)
	}
}

// portOf is the number of a container's port, which may be named.
func portOf(t *testing.T, container corev1.Container, port intstr.IntOrString) int32 {
	t.Helper()
	for _, p := range container.Ports {
		if p.Name == port.StrVal || p.ContainerPort == port.IntVal {
			return p.ContainerPort
		}
	}
	t.Errorf("the container has no port %s: %v", &port, container.Ports)
	return 0
}
