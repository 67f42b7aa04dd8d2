"""What deploy/monitoring asks of Prometheus."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "deploy" / "monitoring"
_VARIABLES = {"$job": "rondo", "$instance": ".*", "$__rate_interval": "1m"}


def alerts() -> list[dict[str, Any]]:
    """The rules, as Prometheus reads them."""
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    """As Grafana reads it."""
    loaded: dict[str, Any] = json.loads((FOLDER / "grafana" / "dashboards" / "rondo.json").read_text())
    return loaded


def expressions() -> Iterator[str]:
    """All of the dashboard, with its variables put in, and what alerts compare with their limits."""
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"]
            for name, value in _VARIABLES.items():
                expression = expression.replace(name, value)
            yield expression
    for alert in alerts():
        for part in re.split(r"\s+and(?:\s+on\s*\([^)]*\))?\s+", alert["expr"]):
            compared, operator, _ = re.split(r"\s+(>|==)\s+(?=[\d.e]+$)", part)[:3]
            assert operator, part
            yield compared


def metric_names(expression: str) -> set[str]:
    """Of Rondo's own."""
    return set(re.findall(r"\b(?:rondo|process)_[a-z0-9_]+", expression))
