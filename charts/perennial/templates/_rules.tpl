{{/* What the operator does in a namespace with models; the same as manifests/rbac, which a test holds. */}}
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
- apiGroups: [""]
  resources: [events]
  verbs: [get, create, patch]
{{- end -}}

{{/* What the operators need in their own namespace to agree on one that acts. A right to create cannot name what it creates. */}}
{{- define "perennial.leaseRules" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [perennial-operator]
  verbs: [get, patch]
{{- end -}}
