{{- define "walnut.name" -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "walnut.labels" -}}
app.kubernetes.io/name: walnut
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "walnut.selector" -}}
app.kubernetes.io/name: walnut
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "walnut.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag }}
{{- end }}

{{- define "walnut.coordinator" -}}
{{ include "walnut.name" . }}-coordinator:{{ .Values.coordinatorConfig.server.port }}
{{- end }}

{{/* The groups and the names of their nodes, as `cluster init` takes them. */}}
{{- define "walnut.groupFlags" -}}
{{- $name := include "walnut.name" . -}}
{{- range $group := .Values.groups }}--group {{ $group }}=
{{- range $i, $_ := until (int $.Values.replicas) }}{{ if $i }},{{ end }}{{ $name }}-{{ $group }}-{{ $i }}{{ end }} {{ end -}}
{{- end }}

{{- define "walnut.toolFlags" -}}
--coordinators {{ include "walnut.coordinator" . }}{{ range .Values.security.toolFlags }} {{ . | quote }}{{ end }}
{{- end }}

{{- define "walnut.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "walnut.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "walnut.mounts" -}}
- name: data
  mountPath: /var/lib/walnut
- name: config
  mountPath: /etc/walnut
  readOnly: true
- name: tmp
  mountPath: /tmp
{{- if .Values.security.existingSecret }}
- name: secrets
  mountPath: /etc/walnut-secrets
  readOnly: true
{{- end }}
{{- end }}

{{- define "walnut.volumes" -}}
- name: config
  configMap:
    name: {{ include "walnut.name" . }}
- name: tmp
  emptyDir: {}
{{- if .Values.security.existingSecret }}
- name: secrets
  secret:
    secretName: {{ .Values.security.existingSecret }}
    defaultMode: 0440
{{- end }}
{{- end }}
