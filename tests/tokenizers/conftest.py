"""Two vocabularies: a tiny one learned here from invented sentences, and the one that is shipped."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from rondo_tokenizers.training import train_vocabulary
from rondo_tokenizers.vocabulary import Tokenizer

TINY_SIZE = 640
LANGUAGES = ("en", "de", "ko")
SHIPPED = Path(__file__).parents[2] / "bundles" / "rondo-base" / "tokenizer.model"

settings.register_profile("rondo", deadline=None, database=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("rondo")

_SENTENCES = """
The grey heron waits near the harbour until the fishing boats come back.
A small boat slowly turns towards the quiet village on the other shore.
The night train leaves the station at a quarter past eleven.
Every morning the baker opens the window and sweeps the narrow street.
Nobody in the valley remembers when the old bridge was built.
Please close the gate, or the sheep will walk into the garden again.
They repaired the clock tower with stones from a forgotten quarry.
My umbrella is broken, but the rain has already stopped.
The library keeps maps of islands that no ship has ever visited.
In winter the lake freezes and the children skate from pier to pier.
How many apples did you carry up the hill yesterday?
The painter mixed blue and yellow until the meadow looked right.
Warm bread smells better than any flower in the market square.
After the storm we found a kite hanging in the cherry tree.
The ferry runs every two hours, except on Sundays and holidays.
Two brown dogs were sleeping under the wooden table by the door.
Der graue Reiher wartet am Hafen, bis die Fischerboote zurückkehren.
Ein kleines Boot dreht sich langsam zum stillen Dorf am anderen Ufer.
Der Nachtzug verlässt den Bahnhof um Viertel nach elf.
Jeden Morgen öffnet die Bäckerin das Fenster und fegt die schmale Straße.
Niemand im Tal erinnert sich, wann die alte Brücke gebaut wurde.
Bitte schließe das Tor, sonst laufen die Schafe wieder in den Garten.
Sie reparierten den Glockenturm mit Steinen aus einem vergessenen Steinbruch.
Mein Regenschirm ist kaputt, aber es hat schon aufgehört zu regnen.
Die Bücherei bewahrt Karten von Inseln auf, die kein Schiff je besucht hat.
Im Winter friert der See zu, und die Kinder laufen Schlittschuh.
Wie viele Äpfel hast du gestern den Hügel hinaufgetragen?
Die Malerin mischte Blau und Gelb, bis die Wiese richtig aussah.
Warmes Brot duftet besser als jede Blume auf dem Marktplatz.
Nach dem Sturm fanden wir einen Drachen im Kirschbaum.
Die Fähre fährt alle zwei Stunden, außer an Sonntagen und Feiertagen.
Zwei braune Hunde schliefen unter dem Holztisch neben der Tür.
회색 왜가리가 항구 옆에서 고깃배를 기다린다.
작은 배가 건너편 조용한 마을로 천천히 돌아간다.
밤 기차는 열한 시 십오 분에 역을 떠난다.
아침마다 빵집 주인이 창문을 열고 좁은 길을 쓴다.
골짜기에서 옛 다리가 언제 지어졌는지 아는 사람은 없다.
문을 닫지 않으면 양들이 다시 정원으로 들어온다.
잊힌 채석장에서 가져온 돌로 시계탑을 고쳤다.
우산이 부러졌지만 비는 벌써 그쳤다.
도서관에는 아무 배도 가 본 적 없는 섬의 지도가 있다.
겨울이면 호수가 얼고 아이들이 얼음 위에서 논다.
어제 사과를 몇 개나 언덕 위로 옮겼어요?
화가는 풀밭이 마음에 들 때까지 파랑과 노랑을 섞었다.
따뜻한 빵 냄새는 시장의 어떤 꽃보다 좋다.
폭풍이 지나간 뒤 벚나무에 걸린 연을 찾았다.
배는 일요일과 휴일을 빼고 두 시간마다 다닌다.
갈색 개 두 마리가 문 옆 나무 탁자 아래에서 자고 있었다.
"""


@pytest.fixture(scope="session")
def sentences() -> list[str]:
    """Invented sentences in English, German and Korean, 16 of each."""
    return _SENTENCES.strip().split("\n")


@pytest.fixture(scope="session")
def tiny_model(sentences: list[str]) -> bytes:
    """A serialised vocabulary of `TINY_SIZE` pieces, some characters of whose text only bytes can write."""
    return train_vocabulary(sentences, size=TINY_SIZE, languages=LANGUAGES, character_coverage=0.98)


@pytest.fixture(scope="session")
def tiny(tiny_model: bytes) -> Tokenizer:
    return Tokenizer(tiny_model)


@pytest.fixture(scope="session")
def shipped() -> Tokenizer:
    return Tokenizer.load(SHIPPED)


@pytest.fixture(scope="session", params=["tiny", "shipped"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    """Each of the two in turn."""
    chosen: Tokenizer = request.getfixturevalue(request.param)
    return chosen
