{{/* The rights of the operator in a namespace with models; a test compares them with manifests/rbac. */}}
{{- define "perennial.rules" -}}
- apiGroups: [perennial.dev]
  resources: [modeldeployments]
  verbs: [list, watch]
- apiGroups: [perennial.dev]
  resources: [modelversions, driftreports]
  verbs: [get, list, watch, create, delete]
- apiGroups: [perennial.dev]
  resources: [modeldeployments/status, modelversions/status, driftreports/status]
  verbs: [patch]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, delete]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [get, patch]
- apiGroups: [serving.kserve.io]
  resources: [inferenceservices]
  verbs: [get, create, patch, delete]
- apiGroups: [""]
  resources: [events]
  verbs: [get, create, patch]
{{- end -}}

{{/* The rights in the operators' own namespace for the leader election, where each shard has a Lease of its own. A right to create
     cannot name the object. */}}
{{- define "perennial.leaseRules" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  {{- $shards := int .Values.operator.shards }}
  resourceNames:
    - perennial-operator
    {{- if gt $shards 1 }}
    {{- range until $shards }}
    - perennial-operator-{{ . }}
    {{- end }}
    {{- end }}
  verbs: [get, patch]
{{- end -}}
