"""Bundles under the names by which they are served, and how one takes the place of another while requests come.

A name has one current release, and for a while perhaps a canary, which gets a share of its requests. Nothing here knows
of HTTP.
"""
