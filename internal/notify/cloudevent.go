package notify

import (
	"encoding/json"
	"strings"
	"time"
)

const (
	// cloudEventType begins the type of a CloudEvent.
	cloudEventType = "dev.airflow-oam.access."
	// cloudEventMedia is the media type of one CloudEvent in JSON.
	cloudEventMedia = "application/cloudevents+json; charset=utf-8"
)

// cloudEvent is an event as CloudEvents 1.0 writes it in JSON.
type cloudEvent struct {
	SpecVersion string    `json:"specversion"`
	ID          string    `json:"id"`
	Source      string    `json:"source"`
	Type        string    `json:"type"`
	Subject     string    `json:"subject"`
	Time        time.Time `json:"time"`
	MediaType   string    `json:"datacontenttype"`
	Data        Data      `json:"data"`
}

// asCloudEvent writes an event as a CloudEvent. Its source is the path of the object in the Kubernetes API.
func asCloudEvent(e Event) ([]byte, error) {
	resource := map[string]string{kindRequest: "accessrequests", kindGrant: "accessgrants"}[e.Data.Kind]
	return json.Marshal(cloudEvent{
		SpecVersion: "1.0", ID: e.ID, Type: cloudEventType + string(e.Type), Time: e.Time.UTC(), MediaType: "application/json",
		Source:  "/apis/access.airflow-oam.dev/v1alpha1/namespaces/" + e.Data.Namespace + "/" + resource + "/" + e.Data.Name,
		Subject: strings.Trim(e.Data.Namespace+"/"+e.Data.Name, "/"), Data: e.Data,
	})
}
