"""`GET /v1/models` over a tiny suite."""

import pytest
from tests.services.server.protocols.openai.asking import Connect, ask

from rondo_services.local import LocalSuite


def test_every_service_is_a_model(suite: LocalSuite, connect: Connect) -> None:
    content = ask(suite, connect, "GET", "/v1/models").json()
    assert content["object"] == "list"
    assert [card["id"].split("/") for card in content["data"]] == [["tiny", name] for name in suite.served()]
    for card in content["data"]:
        assert set(card) == {"id", "object", "created", "owned_by", "languages", "releases"}
        assert card["object"] == "model"


@pytest.mark.parametrize("name", ["tiny/translation", "translation", "tiny%2Ftranslation"])
def test_a_model_by_its_name(suite: LocalSuite, connect: Connect, name: str) -> None:
    card = ask(suite, connect, "GET", f"/v1/models/{name}").json()
    assert (card["id"], card["languages"]) == ("tiny/translation", ["en", "de"])


@pytest.mark.parametrize("name", ["", "none", "tiny/none", "tiny/translation/", "other/translation"])
def test_an_unknown_model(suite: LocalSuite, connect: Connect, name: str) -> None:
    reply = ask(suite, connect, "GET", f"/v1/models/{name}")
    assert reply.status_code == 404
    assert reply.json()["error"]["code"] == "model_not_found"
