local health = {
  Training = "Progressing",
  Validating = "Progressing",
  AwaitingApproval = "Suspended",
  RollingOut = "Progressing",
  Live = "Healthy",
  Superseded = "Healthy",
  Rejected = "Degraded",
  Failed = "Degraded",
  RolledBack = "Degraded",
}
local status = obj.status or {}
return {
  status = health[status.phase] or "Progressing",
  message = status.message or "Waiting for the operator",
}
