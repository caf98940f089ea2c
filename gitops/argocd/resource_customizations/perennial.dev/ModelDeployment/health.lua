-- The status is in kstatus format: observedGeneration, Reconciling, Stalled; Ready is true if the served version matches
-- spec. A retraining because of drift changes none of them; it is reported by Retraining.
local hs = { status = "Progressing", message = "Waiting for the operator" }
if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return hs
end

local conditions = {}
for _, condition in ipairs(obj.status.conditions or {}) do
  conditions[condition.type] = condition
end
local ready, stalled, retraining = conditions["Ready"], conditions["Stalled"], conditions["Retraining"]
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
