"""Alerts fire when they should and are explained; what Prometheus and Grafana are given is what they read."""

import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from tests.deploy.monitoring import FOLDER, alerts, dashboard

RUNBOOK = FOLDER.parents[1] / "docs" / "runbook.md"
ALERTS_TEST = Path(__file__).with_name("alerts_test.yml")


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", str(FOLDER / "prometheus.yml")),
        ("check", "rules", str(FOLDER / "alerts.yml")),
        ("test", "rules", str(ALERTS_TEST)),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_promtool_finds_no_fault(promtool: str, arguments: tuple[str, ...]) -> None:
    done = subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_of_each_alert_it_is_tested_that_it_fires_and_that_it_does_not() -> None:
    tested = [test for case in yaml.safe_load(ALERTS_TEST.read_text())["tests"] for test in case["alert_rule_test"]]
    names = {alert["alert"] for alert in alerts()}
    assert {test["alertname"] for test in tested if test.get("exp_alerts")} == names
    assert {test["alertname"] for test in tested if not test.get("exp_alerts")} == names


def test_each_alert_has_its_section_in_the_runbook() -> None:
    sections = [line.removeprefix("## ") for line in RUNBOOK.read_text().splitlines() if line.startswith("## Rondo")]
    assert sections == [alert["alert"] for alert in alerts()]


def test_each_alert_says_how_bad_it_is_and_where_to_read_on() -> None:
    for alert in alerts():
        assert alert["labels"]["severity"] in ("critical", "warning")
        assert alert["annotations"]["runbook"] == f"docs/runbook.md#{alert['alert'].lower()}"
        assert alert["annotations"]["summary"]


def test_each_section_of_the_runbook_has_all_parts() -> None:
    for section in RUNBOOK.read_text().split("\n## Rondo")[1:]:
        for part in ("**Means.**", "**Look.**", "**Causes.**", "**Do.**"):
            assert section.count(part) == 1, (section.splitlines()[0], part)


def test_the_dashboard_asks_the_data_source_that_is_provisioned() -> None:
    sources = yaml.safe_load((FOLDER / "grafana" / "provisioning" / "datasources" / "prometheus.yml").read_text())
    uid = sources["datasources"][0]["uid"]
    asked = [thing["datasource"]["uid"] for panel in dashboard()["panels"] for thing in panel.get("targets", ())]
    asked += [variable["datasource"]["uid"] for variable in dashboard()["templating"]["list"]]
    assert set(asked) == {uid}


def test_panels_of_the_dashboard_are_side_by_side() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = sorted(
        (row, column)
        for place in (panel["gridPos"] for panel in panels)
        for row in range(place["y"], place["y"] + place["h"])
        for column in range(place["x"], place["x"] + place["w"])
    )
    assert all(first != second for first, second in pairwise(places))
    assert max(column for _, column in places) == 23
