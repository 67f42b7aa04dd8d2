"""What the app serves where: templates of its paths, and those whose requests need the engine."""

from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Match, Route, compile_path
from starlette.types import Scope

from ..errors import InvalidInput


class EngineRoute(APIRoute):
    """A route whose posted requests go through the door, since the engine has to answer them."""


class NativeRoute(EngineRoute):
    """One of Rondo's own, all of whose fields are in the body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The framework's, which does not look at a query that nothing declares."""
        answer = super().get_route_handler()

        async def answer_without_query(request: Request) -> Response:
            if request.scope["query_string"]:
                raise InvalidInput("the query string is not read here; send all fields in the body, as JSON")
            return await answer(request)

        return answer_without_query


class Templates:
    """Names by path template, such as `/v2/models/{name}`; `in` and `get` take the path of a request."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._fixed = {template: name for template, name in names.items() if "{" not in template}
        self._open = {template: name for template, name in names.items() if "{" in template}
        self._patterns = [(*compile_path(template)[:2], template) for template in self._open]

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and self._found(path) is not None

    def get(self, path: str) -> str | None:
        """The name that goes with a request's path, if it is served."""
        found = self._found(path)
        return None if found is None else self._fixed[found] if found in self._fixed else self._open[found]

    def label(self, path: str) -> str | None:
        """The template of a request's path, without the kinds of its parameters; None if it is not served."""
        found = self._found(path)
        if found is None or found in self._fixed:
            return found
        return next(label for _, label, template in self._patterns if template == found)

    def fixed(self) -> dict[str, str]:
        """Names by path, of the paths without parameters."""
        return dict(self._fixed)

    def _found(self, path: str) -> str | None:
        if path in self._fixed:
            return path
        return next((template for pattern, _, template in self._patterns if pattern.match(path)), None)


def served_paths(routes: Iterable[BaseRoute]) -> Templates:
    """All documented paths, with their first tag: a service, a protocol or "operations"."""
    return _templates(routes, APIRoute)


def engine_paths(routes: Iterable[BaseRoute]) -> Templates:
    """The paths to which requests for the engine are posted, with their first tag."""
    return _templates(routes, EngineRoute)


def methods_at(routes: Iterable[BaseRoute], scope: Scope) -> set[str]:
    """The methods that are served at the path of a request."""
    found: set[str] = set()
    for route in routes:
        if isinstance(route, Route) and route.matches(scope)[0] is not Match.NONE:
            found.update(route.methods or ())
    return found


def _templates(routes: Iterable[BaseRoute], kind: type[APIRoute]) -> Templates:
    found: dict[str, str] = {}
    for route in routes:
        if isinstance(route, kind) and route.include_in_schema:
            found.setdefault(route.path, str(route.tags[0]))
    return Templates(found)
