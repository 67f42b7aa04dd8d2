"""The errors that a request can end in, as the domain knows them; `server/errors.py` gives each its status.

RondoError
├── InvalidInput      the request is wrong, and says where and what would be right
│   ├── MalformedState    a state to go on from is none of ours
│   └── MalformedBody     the body can't be read, or is nested too deep
├── NotServed         the service or language pair is not in the bundle
│   └── UnknownModel      nor is there a model of that name
├── BundleRefused     a bundle can't be served, or not in the place of another
├── UnknownObject     the asker has no file or job of that id
├── WrongState        a file or job is not (yet, or any more) where the request needs it
├── TooLarge          more bytes than are taken
├── NotAuthenticated  there is no key, or none that is valid
├── NotAllowed        the key is valid, but not for this
├── LimitReached      the key may not ask for more now; come back after `retry_after_s`
├── Overloaded        no place in the queue; come back after `retry_after_s`
├── TimedOut          the deadline passed before the answer
├── Cancelled         the client went away
└── EngineFailed      the model or the engine broke; not the client's fault
    └── EngineRestarted   it is being started anew; the same request may succeed soon
"""


class RondoError(Exception):
    """Base of all; `code` is what a program reads, `field` the part of the request it is about."""

    code = "error"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class InvalidInput(RondoError):
    """The request can't be honoured as it is."""

    code = "invalid_input"


class MalformedState(InvalidInput):
    """A state to go on from was not made here, or was changed."""

    code = "malformed_state"


class MalformedBody(InvalidInput):
    """What was sent can't be read, or it would cost too much to try."""

    code = "malformed_json"


class NotAuthenticated(RondoError):
    """Nobody that may ask."""

    code = "invalid_key"


class NotAllowed(RondoError):
    """Somebody who may ask, but not for this."""

    code = "not_allowed"


class LimitReached(RondoError):
    """A key's rate or quota is used up."""

    code = "limit_reached"

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotServed(RondoError):
    """Nothing here serves that."""

    code = "not_served"


class UnknownModel(NotServed):
    """No model has that name."""

    code = "model_not_found"


class BundleRefused(RondoError):
    """What is served stays as it is."""

    code = "bundle_refused"


class UnknownObject(RondoError):
    """There is none of that id, or it is somebody else's, which is not told apart."""

    code = "no_such_object"


class WrongState(RondoError):
    """What the request is about has to be further, or less far."""

    code = "wrong_state"


class TooLarge(RondoError):
    """More bytes than are taken."""

    code = "file_too_large"


class Overloaded(RondoError):
    """Refused before any work was done."""

    code = "overloaded"

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class TimedOut(RondoError):
    """Given up at the deadline."""

    code = "timed_out"


class Cancelled(RondoError):
    """Ended because nobody waits for it."""

    code = "cancelled"


class EngineFailed(RondoError):
    """Ended because of a fault of ours."""

    code = "engine_failed"


class EngineRestarted(EngineFailed):
    """The engine's process ended; another is being started."""

    code = "engine_restarted"
    retry_after_s = 1
