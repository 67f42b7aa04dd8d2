"""Runs requests in batches over the shared backbone. Knows ids and states, no text and no HTTP."""
