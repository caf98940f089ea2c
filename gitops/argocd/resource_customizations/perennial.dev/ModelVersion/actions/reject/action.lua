-- The name by which the cluster knows Argo CD; the API server takes no other. Of another cluster it is the account of its secret,
-- such as system:serviceaccount:kube-system:argocd-manager. Argo CD's log has the person's name; a script does not get it.
local account = "system:serviceaccount:argocd:argocd-server"
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["perennial.dev/rejected-by"] = account
obj.metadata.annotations["perennial.dev/on-behalf-of"] = "a user of Argo CD"
return obj
