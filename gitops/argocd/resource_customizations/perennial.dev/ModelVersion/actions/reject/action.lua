-- Argo CD's log has the person's name; a script does not get it.
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["perennial.dev/rejected-by"] = "Argo CD"
return obj
