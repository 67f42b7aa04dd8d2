"""Experiments with the recurrent cells themselves; no service depends on them."""
