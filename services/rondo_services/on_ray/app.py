"""The application for Ray Serve: `import_path: rondo_services.on_ray.app:rondo` in a config.

ray start --head && serve deploy deploy/ray/serve.yaml
"""

from ray import serve
from ray.serve import Application
from ray.serve.config import AutoscalingConfig, AutoscalingPolicy
from ray.serve.schema import LoggingConfig

from rondo_models.manifest import read_contents

from ..server.served_bundles import asked_services, worker_options
from ..suite import services_of
from .arguments import RondoArguments
from .ingress import Ingress
from .replica import EngineReplica

_ONGOING = 10_000
"""Of an ingress: the engines' limits decide who is refused, not Serve's."""

_POLICY = "rondo_services.on_ray.autoscaling:engines_for_load"


def rondo(arguments: RondoArguments) -> Application:
    """Ingresses over engines.

    Raises:
        BundleError: the bundle can't be used.
        InvalidInput: it lacks a service.
    """
    settings = arguments.server_settings()
    services_of(read_contents(settings.bundle), asked_services(settings), str(settings.bundle))
    logs = LoggingConfig(enable_access_log=False)
    engines = serve.deployment(
        name="engine",
        autoscaling_config=AutoscalingConfig(
            min_replicas=arguments.min_replicas,
            max_replicas=arguments.max_replicas,
            target_ongoing_requests=arguments.target_ongoing_requests,
            upscale_delay_s=arguments.upscale_delay_s,
            downscale_delay_s=arguments.downscale_delay_s,
            policy=AutoscalingPolicy(policy_function=_POLICY),  # type: ignore[no-untyped-call]
        ),
        ray_actor_options={"num_cpus": arguments.num_cpus},
        graceful_shutdown_timeout_s=settings.grace_s + 5.0,
        logging_config=logs,
    )(EngineReplica)
    ingress = serve.deployment(
        name="ingress",
        num_replicas=arguments.ingress_replicas,
        max_ongoing_requests=_ONGOING,
        ray_actor_options={"num_cpus": arguments.ingress_num_cpus},
        graceful_shutdown_timeout_s=2 * settings.grace_s + 5.0,
        logging_config=logs,
    )(Ingress)
    bound = engines.bind(worker_options(settings, settings.bundle), settings.hang_s, settings.grace_s)
    return ingress.bind(settings, bound, arguments.host, arguments.port)
