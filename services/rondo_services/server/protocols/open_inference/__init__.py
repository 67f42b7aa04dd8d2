"""The Open Inference Protocol (KServe V2) with extensions that Triton's clients use: each service is a model."""

from .errors import error_shape
from .routes import routers

__all__ = ["PATH", "error_shape", "routers"]

PATH = "/v2"
"""Below which failures are told as the protocol has it."""
