local os = require("os")
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["perennial.dev/retrain-requested-at"] = os.date("!%Y-%m-%dT%XZ")
return obj
