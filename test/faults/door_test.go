package faults_test

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/cert"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// door is the address of an Airflow, which can be closed and opened again.
type door struct {
	address string
	// paper is what it shows; nil where it speaks plain HTTP.
	paper  *paper
	server *http.Server
	done   chan error
}

// paper is a certificate, and the authority that vouches for it.
type paper struct {
	shown     tls.Certificate
	authority []byte
}

// issue makes a certificate for 127.0.0.1 by an authority of its own.
func issue(t *testing.T) *paper {
	t.Helper()
	chain, key, err := cert.GenerateSelfSignedCertKey("127.0.0.1", nil, nil)
	if err != nil {
		t.Fatalf("make a certificate: %v", err)
	}
	shown, err := tls.X509KeyPair(chain, key)
	if err != nil {
		t.Fatalf("make a certificate: %v", err)
	}
	return &paper{shown, chain}
}

func (d *door) open(w *world) {
	w.t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(w.t.Context(), "tcp", d.address)
	if err != nil {
		w.t.Fatalf("open the port: %v", err)
	}
	d.address = listener.Addr().String()
	d.server = &http.Server{Handler: w.sim, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	d.done = make(chan error, 1)
	if d.paper != nil {
		listener = tls.NewListener(listener, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{d.paper.shown}})
	}
	go func() { d.done <- d.server.Serve(listener) }()
}

func (d *door) close() {
	if d.server == nil {
		return
	}
	_ = d.server.Close() // what it says is what Serve says
	if err := <-d.done; !errors.Is(err, http.ErrServerClosed) {
		panic(err)
	}
	d.server = nil
}

// url is the address of the world's Airflow.
func (w *world) url() string {
	if w.door.paper != nil {
		return "https://" + w.door.address
	}
	return "http://" + w.door.address
}

// moveTo changes the address of the instance, and of its Secret.
func (w *world) moveTo(url string) {
	w.t.Helper()
	edit(w, &corev1.Secret{ObjectMeta: w.meta("airflow")}, func(s *corev1.Secret) { s.Data["url"] = []byte(url) })
	w.moveInstanceTo(url)
}

// moveInstanceTo changes the address of the instance, and leaves its Secret as it is.
func (w *world) moveInstanceTo(url string) {
	w.t.Helper()
	edit(w, &v1alpha1.AirflowInstance{ObjectMeta: w.meta("prod")}, func(i *v1alpha1.AirflowInstance) { i.Spec.URL = url })
	w.note("the address is now %s", url)
}
