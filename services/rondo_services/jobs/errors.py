"""The error of what jobs are kept in; it is the server's trouble, never the request's."""

from ..errors import RondoError


class JobStoreError(RondoError):
    """The database or the folder of files can't be used as it is, or does not answer; the message says what to do."""

    code = "job_store_failed"


def told_of(error: Exception) -> str:
    """What whoever has the job is told of a worker's trouble: no paths and addresses, which the log has."""
    match error:
        case JobStoreError():
            return "the store of jobs does not answer"
        case OSError(strerror=str(strerror)):
            return strerror
        case RondoError(message=message):
            return message
        case _:
            return type(error).__name__
