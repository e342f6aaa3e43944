{{- define "airflow-oam.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "airflow-oam.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "airflow-oam.selectorLabels" -}}
app.kubernetes.io/name: {{ include "airflow-oam.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "airflow-oam.labels" -}}
{{ include "airflow-oam.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "airflow-oam.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "airflow-oam.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name is needed when serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "airflow-oam.subject" -}}
- kind: ServiceAccount
  name: {{ include "airflow-oam.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{/* The namespaces that hold AirflowInstances, as a JSON list. */}}
{{- define "airflow-oam.instanceNamespaces" -}}
{{- default (list .Release.Namespace) .Values.instanceNamespaces | uniq | toJson }}
{{- end }}

{{- define "airflow-oam.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{/* The operator's configuration file. */}}
{{- define "airflow-oam.config" -}}
apiVersion: config.access.airflow-oam.dev/v1alpha1
kind: OperatorConfiguration
{{ toYaml .Values.config }}
{{- end }}
