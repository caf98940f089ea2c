"""The binary tensor extension of the Open Inference Protocol: values after the JSON, in the order of the tensors."""
