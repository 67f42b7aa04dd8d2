"""Compiled functions, beside slower ones in Python that say the same."""
