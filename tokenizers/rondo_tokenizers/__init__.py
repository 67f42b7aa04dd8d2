"""Text to ids and back: knows text and ids, nothing of tensors or HTTP."""
