"""Which path is which, for labels, the door and the shapes of errors."""

from fastapi import APIRouter

from rondo_services.server.routes import EngineRoute, Templates, engine_paths, methods_at, served_paths


def test_a_path_is_found_by_its_template() -> None:
    templates = Templates({"/v1/x": "a", "/v2/models/{name}/infer": "b", "/models/{name:path}": "c"})
    assert {
        path: templates.get(path) for path in ("/v1/x", "/v2/models/m/infer", "/models/m/n", "/v2/models/m/n/infer")
    } == {
        "/v1/x": "a",
        "/v2/models/m/infer": "b",
        "/models/m/n": "c",
        "/v2/models/m/n/infer": None,
    }
    assert "/models/m" in templates
    assert "/nothing" not in templates
    assert templates.fixed() == {"/v1/x": "a"}


def test_labels_say_nothing_of_what_clients_write() -> None:
    templates = Templates({"/v1/x": "a", "/models/{name:path}": "c"})
    assert templates.label("/v1/x") == "/v1/x"
    assert templates.label("/models/secret/name") == "/models/{name}"
    assert templates.label("/secret") is None


def test_only_routes_for_the_engine_go_through_the_door() -> None:
    engine, other = APIRouter(tags=["a"], route_class=EngineRoute), APIRouter(tags=["b"])

    @engine.post("/ask")
    def ask() -> None: ...

    @other.post("/look")
    def look() -> None: ...

    routes = [*engine.routes, *other.routes]
    assert engine_paths(routes).fixed() == {"/ask": "a"}
    assert served_paths(routes).fixed() == {"/ask": "a", "/look": "b"}


def test_all_methods_of_a_path_are_known() -> None:
    routes = APIRouter()

    @routes.get("/files/{name}")
    def show() -> None: ...

    @routes.delete("/files/{name}")
    def drop() -> None: ...

    @routes.post("/files")
    def add() -> None: ...

    def at(path: str) -> set[str]:
        return methods_at(routes.routes, {"type": "http", "method": "PUT", "path": path, "headers": []})

    assert (at("/files/a"), at("/files"), at("/other")) == ({"GET", "DELETE"}, {"POST"}, set())
