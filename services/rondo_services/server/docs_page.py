"""The scripts of /redoc without the one address in them that is elsewhere: of a logo, which our policy forbids."""

from functools import cache
from pathlib import Path

import fastapi_offline
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_PATH = "/static-offline-docs/redoc.standalone.js"
_LOGO = b"https://cdn.redoc.ly/redoc/logo-mini.svg"
_NOTHING = b"data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


def serve_redoc_without_logo(app: FastAPI) -> None:
    """Answer before the app's own route for the file, which was added first."""
    app.router.routes.insert(0, Route(_PATH, _script, include_in_schema=False))


def _script(request: Request) -> Response:
    return Response(_without_logo(), media_type="text/javascript")


@cache
def _without_logo() -> bytes:
    script = Path(fastapi_offline.__file__).parent / "static" / "redoc.standalone.js"
    return script.read_bytes().replace(_LOGO, _NOTHING)
