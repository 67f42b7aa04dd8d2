"""Bundles on their way: from and to folders, archives on disk or behind a URL, and OCI registries.

A place (`place.py`) can hand a bundle over and take one; `transfer.py` does it so that what arrives is whole, is what
was asked for, and is never seen half. What a bundle means is `rondo_models.manifest`'s business.
"""
