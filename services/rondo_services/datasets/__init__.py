"""Readers of real data sets: files → text examples in the official splits. Nothing here knows ids or tensors."""
