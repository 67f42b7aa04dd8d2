"""Ids to tensors to ids: the backbone, its heads, decoding, bundles and training. Knows no text and no HTTP."""
