return { retrain = { disabled = obj.spec.suspend == true, displayName = "Retrain now" } }
