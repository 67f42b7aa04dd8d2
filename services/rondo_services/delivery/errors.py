"""What can go wrong with a delivery.

    DeliveryError                  a bundle can't be delivered; nobody's mistake here
    ├── Unreachable                a server or registry did not answer, or answered with a failure
    ├── WrongDigest                what came is not what was asked for
    └── Unsafe                     what came could do harm: a path that leads elsewhere, a link, too much

A reference that can't be is a ValueError, a bundle that is not whole a BundleError.
"""


class DeliveryError(Exception):
    """A bundle can't be delivered."""


class Unreachable(DeliveryError):
    """A server or registry did not answer, or answered with a failure."""


class WrongDigest(DeliveryError):
    """What came is not what was asked for."""


class Unsafe(DeliveryError):
    """What came could do harm."""
