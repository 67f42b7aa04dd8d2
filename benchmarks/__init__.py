"""Measurements that take more than a moment; each prints a table, then one line of JSON."""
