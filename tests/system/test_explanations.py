"""Sentiment explained by the real model in the engine's process."""

import unicodedata
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from tests.system.asking import ODD_TEXTS, REVIEWS, TEXTS, generate, post


@pytest.mark.parametrize(
    ("text", "speaks_for", "speaks_against"),
    [
        ("The plot was terrible and boring, but the actors were great.", "terrible", "great"),
        ("I love the colour, but the plot was boring. Still, what a wonderful film!", "wonderful", "boring"),
        ("연기는 최고지만 스토리는 최악이다", "최악", "최고"),
    ],
)
def test_words_that_speak_for_the_label_and_against_it_have_opposite_signs(
    client: httpx.Client, text: str, speaks_for: str, speaks_against: str
) -> None:
    (result,) = post(client, "/v1/sentiment", text=text, explain=True)
    saliency = {token["text"].strip(): token["saliency"] for token in result["tokens"]}
    assert saliency[speaks_for] > 0.1
    assert saliency[speaks_against] < -0.1


def test_the_parts_are_the_text_and_the_scores_those_of_a_plain_request(client: httpx.Client) -> None:
    texts = [*REVIEWS["ko"], *REVIEWS["en"], *TEXTS.values(), *ODD_TEXTS.values()]
    plain = post(client, "/v1/sentiment", text=texts)
    explained = post(client, "/v1/sentiment", text=texts, explain=True)
    for text, before, after in zip(texts, plain, explained, strict=True):
        assert "".join(token["text"] for token in after["tokens"]) == unicodedata.normalize("NFC", text)
        assert after["scores"] == pytest.approx(before["scores"], abs=0.02)


def test_a_text_that_is_too_long_to_be_explained_is_refused(client: httpx.Client) -> None:
    reply = client.post("/v1/sentiment", json={"text": "good " * 600, "explain": True})
    assert reply.status_code == 422
    assert "602 tokens; at most 512 can be explained" in reply.json()["error"]["message"]


def test_others_get_their_answers_while_texts_are_explained_and_given_up(client: httpx.Client) -> None:
    prompt, long = TEXTS["en"], "A good film, and a bad one. " * 45
    alone = generate(client, prompt, max_tokens=40, seed=3)["text"]
    (sentiment,) = post(client, "/v1/sentiment", text=REVIEWS["en"][0])
    (expected,) = post(client, "/v1/sentiment", text=REVIEWS["ko"][1], explain=True)

    def give_up() -> None:
        with pytest.raises(httpx.ReadTimeout):
            client.post("/v1/sentiment", json={"text": long, "explain": True}, timeout=0.3)

    with ThreadPoolExecutor(4) as pool:
        leaving = [pool.submit(give_up) for _ in range(2)]
        other = pool.submit(post, client, "/v1/sentiment", text=REVIEWS["ko"][1], explain=True)
        assert generate(client, prompt, max_tokens=40, seed=3)["text"] == alone
        (again,) = post(client, "/v1/sentiment", text=REVIEWS["en"][0])
        (explained,) = other.result()
        for future in leaving:
            future.result()
    assert again["scores"] == pytest.approx(sentiment["scores"], abs=1e-4)
    for before, after in zip(expected["tokens"], explained["tokens"], strict=True):
        assert after == {"text": before["text"], "saliency": pytest.approx(before["saliency"], abs=1e-3)}
