"""Prometheus metrics of bundles and their releases, by which a canary is compared with what it may replace.

Labels are served names and hashes of what is or was loaded: of a name, only a few releases that are gone are kept.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ..releases.fleet import Fleet
from ..releases.release import Release

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_KEPT = 4
"""Releases of a name, as the current one, a canary, and two that were; more while so many are in use."""

_CLASSES = {2: "2xx", 3: "3xx", 4: "4xx", 5: "5xx"}


class BundleMetrics:
    """Of one fleet, in the registry of the server's other metrics."""

    def __init__(self, fleet: Fleet, registry: CollectorRegistry) -> None:
        self._fleet = fleet
        self._requests = Counter(
            "rondo_bundle_requests", "Requests by the release that answered", ["bundle", "release", "status"],
            registry=registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "rondo_bundle_request_seconds", "Seconds of a request by the release that answered", ["bundle", "release"],
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self._reloads = Counter(
            "rondo_bundle_reloads", "Changes of a bundle's releases that were tried", ["bundle", "outcome"],
            registry=registry,
        )  # fmt: skip
        self._series: dict[str, dict[str, _Series]] = {name: {} for name in fleet.slots}
        for name in fleet.slots:
            for outcome in ("done", "refused"):
                self._reloads.labels(name, outcome)
        registry.register(_Info(fleet))

    def answered(self, release: Release, status: int, seconds: float) -> None:
        """A request got its whole reply, or all that it will get."""
        series = self._series[release.suite.name].get(release.hash) or self._new_series(release)
        series.requests[status // 100].inc()
        series.seconds.observe(seconds)

    def changed(self, name: str, done: bool) -> None:
        """Somebody tried to change a bundle's releases."""
        self._reloads.labels(name, "done" if done else "refused").inc()

    def _new_series(self, release: Release) -> "_Series":
        name, known = release.suite.name, self._series[release.suite.name]
        if len(known) >= _KEPT:
            self._forget_one(name)
        known[release.hash] = _Series(
            {first: self._requests.labels(name, release.hash, told) for first, told in _CLASSES.items()},
            self._seconds.labels(name, release.hash),
        )
        return known[release.hash]

    def _forget_one(self, name: str) -> None:
        """The oldest release that is not in use any more, if there is one."""
        slot, known = self._fleet.slots[name], self._series[name]
        in_use = {release.hash for release in (*slot.releases, *slot.draining)}
        forgotten = next((own for own in known if own not in in_use), None)
        if forgotten is None:
            return
        del known[forgotten]
        self._seconds.remove(name, forgotten)
        for told in _CLASSES.values():
            self._requests.remove(name, forgotten, told)


@dataclass(frozen=True, slots=True)
class _Series:
    """Of one release; requests by the first digit of the status."""

    requests: Mapping[int, Counter]
    seconds: Histogram


class _Info(Collector):
    """What is served now, looked up when somebody asks."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def collect(self) -> Iterator[GaugeMetricFamily]:
        labels = ["bundle", "release", "version"]
        share = GaugeMetricFamily("rondo_bundle_info", "Share of the requests that a release gets", labels=labels)
        in_hand = GaugeMetricFamily("rondo_bundle_num_requests", "Requests that a release has in hand", labels=labels)
        for slot in self._fleet.slots.values():
            for release in dict.fromkeys((*slot.releases, *slot.draining)):
                own = [slot.name, release.hash, release.version]
                share.add_metric(own, slot.share_of(release))
                in_hand.add_metric(own, release.num_requests)
        yield share
        yield in_hand
