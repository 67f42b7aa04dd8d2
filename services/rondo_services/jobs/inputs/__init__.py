"""Inputs of jobs: files, pipes and named data sets as streams of records. Knows no service and no store."""

from .endings import with_format_of
from .reading import open_input, open_lines
from .sources import identity_of

__all__ = ["identity_of", "open_input", "open_lines", "with_format_of"]
