"""Where jobs, their chunks and leases, and the names of files are kept, by any number of processes at once.

The store knows no text: what is asked and answered lies in `StateFiles`.
"""

from .store import JobStore, new_file_id

__all__ = ["JobStore", "new_file_id"]
