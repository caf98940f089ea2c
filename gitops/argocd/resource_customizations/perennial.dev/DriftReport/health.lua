-- A report of drift is healthy: only a report that cannot be used is degraded.
local status = obj.status or {}
local health = "Healthy"
if status.outcome == nil then
  health = "Progressing"
elseif status.outcome == "Invalid" then
  health = "Degraded"
end
return { status = health, message = status.message or "Waiting for the operator" }
