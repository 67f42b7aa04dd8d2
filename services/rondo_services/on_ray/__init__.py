"""Rondo on a Ray cluster: ingresses that know text and HTTP, and engines whose number follows the load."""
