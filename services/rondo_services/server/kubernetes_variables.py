"""Variables that look like ours and are of Kubernetes.

It tells each container of a pod where the services of its namespace are, in variables that begin with the service's
name. Of one called rondo, RONDO_PORT is tcp://10.0.0.1:8000. They are told by their form, and are no settings;
`enableServiceLinks: false` in the pod keeps them away.
"""

import re
from collections.abc import Mapping

_NAME = r"RONDO(?:_[A-Z0-9_]+)?"
_ADDRESS = r"(?:tcp|udp|sctp)://\S+:\d+"
_FORMS = tuple(
    (re.compile(name), re.compile(value))
    for name, value in (
        (rf"{_NAME}_SERVICE_HOST", r"[0-9A-Fa-f.:]+|None"),
        (rf"{_NAME}_SERVICE_PORT(?:_[A-Z0-9_]+)?", r"\d+"),
        (rf"{_NAME}_PORT", _ADDRESS),
        (rf"{_NAME}_PORT_\d+_(?:TCP|UDP|SCTP)", _ADDRESS),
        (rf"{_NAME}_PORT_\d+_(?:TCP|UDP|SCTP)_PROTO", r"tcp|udp|sctp"),
        (rf"{_NAME}_PORT_\d+_(?:TCP|UDP|SCTP)_PORT", r"\d+"),
        (rf"{_NAME}_PORT_\d+_(?:TCP|UDP|SCTP)_ADDR", r"[0-9A-Fa-f.:]+|None"),
    )
)


def is_of_kubernetes(name: str, value: str) -> bool:
    """Whether it has the name and the value of such a variable."""
    return any(named.fullmatch(name) and valued.fullmatch(value) for named, valued in _FORMS)


def kubernetes_variables(environment: Mapping[str, str]) -> list[str]:
    """The names of those that are there."""
    return sorted(name for name, value in environment.items() if is_of_kubernetes(name, value))
