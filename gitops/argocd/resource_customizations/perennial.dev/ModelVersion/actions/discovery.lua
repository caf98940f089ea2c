local waits = obj.status ~= nil and obj.status.phase == "AwaitingApproval"
return {
  approve = { disabled = not waits, displayName = "Approve" },
  reject = { disabled = not waits, displayName = "Reject" },
}
