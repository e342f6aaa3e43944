package faults_test

import (
	"errors"
	"log/slog"
	"net"
	"net/http"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// door is the address of an Airflow, which can be closed and opened again.
type door struct {
	address string
	server  *http.Server
	done    chan error
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
func (w *world) url() string { return "http://" + w.door.address }

// moveTo changes the address of the instance, and of its Secret.
func (w *world) moveTo(url string) {
	w.t.Helper()
	edit(w, &corev1.Secret{ObjectMeta: w.meta("airflow")}, func(s *corev1.Secret) { s.Data["url"] = []byte(url) })
	edit(w, &v1alpha1.AirflowInstance{ObjectMeta: w.meta("prod")}, func(i *v1alpha1.AirflowInstance) { i.Spec.URL = url })
	w.note("the address is now %s", url)
}
