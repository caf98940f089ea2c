{{- define "perennial.fullname" -}}
{{- if contains "perennial" .Release.Name -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-perennial" .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "perennial.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "perennial.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{- define "perennial.image" -}}
{{- printf "%s:%s" .image.repository (.image.tag | default .chart.AppVersion) -}}
{{- end -}}

{{- define "perennial.selector" -}}
app.kubernetes.io/name: perennial-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "perennial.labels" -}}
{{ include "perennial.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: perennial
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* The namespaces that the operator watches, that of its Leases, and the shards with what they share. */}}
{{- define "perennial.scope" -}}
- {name: PERENNIAL_LEASE_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
- {name: PERENNIAL_MAX_TRAININGS, value: {{ .Values.maxTrainings | quote }}}
{{- with .Values.operator }}
{{- if gt (int .shards) (int $.Values.maxTrainings) }}
{{- fail (printf "operator.shards is %d and maxTrainings is %d; give at least as many trainings as shards, which share them" (int .shards) (int $.Values.maxTrainings)) }}
{{- end }}
{{- if gt (int .shards) 1 }}
- {name: PERENNIAL_SHARDS, value: {{ .shards | quote }}}
{{- end }}
{{- end }}
{{- with .Values.watchNamespaces }}
- {name: PERENNIAL_NAMESPACES, value: {{ join "," . | quote }}}
{{- end }}
{{- end -}}
