"""What an ingress tells of the engines it asks, beside what every server tells."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class PoolMetrics:
    """Metrics of one ingress.

    Attributes:
        engines: that are asked now.
        retried: requests that another engine was asked for, as theirs was lost.
        by_prefix: prompts that went where their beginning had been read.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.engines = Gauge("rondo_ray_engines", "Engines that this ingress asks", registry=registry)
        self.retried = Counter(
            "rondo_ray_requests_retried", "Requests given to another engine as theirs was lost", registry=registry
        )
        self.by_prefix = Counter(
            "rondo_ray_routed_by_prefix", "Prompts sent to where their beginning had been read", registry=registry
        )
