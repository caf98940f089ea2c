-- The status is in kstatus format: observedGeneration, Reconciling, Stalled; Ready says that what serves is what spec asks
-- for. A retraining because of drift leaves all of them as they are and is told by Retraining.
local hs = { status = "Progressing", message = "Waiting for the operator" }
if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return hs
end

local said = {}
for _, condition in ipairs(obj.status.conditions or {}) do
  said[condition.type] = condition
end
local ready, stalled, retraining = said["Ready"], said["Stalled"], said["Retraining"]
if ready == nil then
  return hs
end

hs.message = ready.message
if obj.spec.suspend == true then
  hs.status = "Suspended"
  hs.message = "spec.suspend is true; " .. ready.message
elseif stalled ~= nil and stalled.status == "True" then
  hs.status = "Degraded"
  hs.message = stalled.message
elseif ready.status == "True" then
  hs.status = "Healthy"
  if retraining ~= nil and retraining.status == "True" then
    hs.message = ready.message .. "; " .. retraining.message
  end
elseif obj.status.phase == "AwaitingApproval" then
  hs.status = "Suspended"
end
return hs
