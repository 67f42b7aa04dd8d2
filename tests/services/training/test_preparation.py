import gzip
import io
import json
import lzma
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rondo_models.config import ConfigError
from rondo_models.training.regularization import Regularization
from rondo_models.training.tasks import ClassificationTask, LanguageModelTask, Seq2SeqTask, TaggingTask
from rondo_services.datasets.examples import SPLITS, Document, Example, Labelled, Pair, TaggedWords
from rondo_services.training.preparation import as_text, prepare, read_entry
from rondo_services.training.recipe import DataEntry, recipe_from
from rondo_tokenizers.resegmentation import Resegmenter
from rondo_tokenizers.vocabulary import Tokenizer

Rows = Sequence[dict[str, str]]


def write_jsonl(path: Path, rows: Rows) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.fixture
def reviews(tmp_path: Path) -> str:
    return write_jsonl(
        tmp_path / "reviews.jsonl",
        [{"text": f"review number {n}", "label": ("bad", "good")[n % 2]} for n in range(200)],
    )


@pytest.fixture
def pairs(tmp_path: Path) -> str:
    return write_jsonl(tmp_path / "pairs.jsonl", [{"source": f"boat {n}", "target": f"Boot {n}"} for n in range(200)])


def test_a_classifier_gets_texts_and_label_numbers(values: dict[str, Any], tokenizer: Tokenizer, reviews: str) -> None:
    values["data"] = [{"set": reviews, "head": "sentiment"}]
    prepared = prepare(recipe_from(values), tokenizer, None)
    (task,) = prepared.tasks
    assert isinstance(task, ClassificationTask)
    assert task.name == "sentiment/reviews.jsonl"
    assert 150 < task.size < 200
    for index in range(task.size):
        text = tokenizer.decode(task.texts[index].tolist())
        assert task.texts[index][-1] == tokenizer.end_id
        assert int(task.labels[index]) == int(text.split()[-1]) % 2
    assert prepared.weights == [pytest.approx(task.size**0.5)]
    assert prepared.left_out == {"sentiment/reviews.jsonl": 0}


def test_directions_of_pairs(values: dict[str, Any], tokenizer: Tokenizer, pairs: str) -> None:
    first_ids = {"forward": {"de"}, "backward": {"en"}, "both": {"de", "en"}}
    sizes = {}
    for direction, languages in first_ids.items():
        entry = {"set": pairs, "head": "translation", "direction": direction, "target_language": "de"}
        (task,) = prepare(recipe_from({**values, "data": [entry]}), tokenizer, None).tasks
        assert isinstance(task, Seq2SeqTask)
        sizes[direction] = task.size
        targets = [task.targets[index] for index in range(task.size)]
        assert {int(target[0]) for target in targets} == {tokenizer.target_ids[code] for code in languages}
        assert all(target[-1] == tokenizer.end_id for target in targets)
    assert sizes["both"] == sizes["forward"] + sizes["backward"]


def test_only_training_is_regularised(values: dict[str, Any], tokenizer: Tokenizer, pairs: str) -> None:
    values["data"] = [
        {"set": pairs, "head": "translation", "word_dropout": 0.2, "dropout": 0.3, "subword_smoothing": 0.1}
    ]
    prepared = prepare(recipe_from(values), tokenizer, None)
    own = prepared.tasks[0].regularization
    assert (own.word_dropout, own.dropout) == (0.2, 0.3)
    assert isinstance(own.resegment, Resegmenter)
    assert [task.regularization for task in prepared.dev_tasks] == [Regularization()]


def test_a_summary_begins_with_its_own_symbol(values: dict[str, Any], tokenizer: Tokenizer, pairs: str) -> None:
    values["data"] = [{"set": pairs, "head": "summarization"}]
    (task,) = prepare(recipe_from(values), tokenizer, None).tasks
    assert isinstance(task, Seq2SeqTask)
    assert {int(task.targets[index][0]) for index in range(task.size)} == {tokenizer.summary_id}
    assert tokenizer.decode(task.targets[0].tolist()).startswith("Boot ")


@pytest.fixture
def tagged(values: dict[str, Any], tmp_path: Path) -> Path:
    """A folder with sentences whose words are kept or not, and a recipe of a head that learns which."""
    (tmp_path / "sentence_compression").mkdir()
    for split, count in (("train", 40), ("dev", 6), ("test", 6)):
        sentences = [f"Unforgettable\tB-DEL\n{split} {n}\t0\n.\tB-DEL\n" for n in range(count)]
        content = "\n".join(sentence.replace(" ", "\t0\n") for sentence in sentences)
        (tmp_path / "sentence_compression" / f"{split}.conll").write_text(content, encoding="utf-8")
    values["heads"] = {"compression": {"kind": "tagger", "labels": ["delete", "keep"], "recurrent_size": 4}}
    values["data"] = [{"set": "sentence-compression", "head": "compression"}]
    return tmp_path


def test_a_tagger_gets_pieces_of_words_and_label_numbers(
    values: dict[str, Any], tokenizer: Tokenizer, tagged: Path
) -> None:
    prepared = prepare(recipe_from(values), tokenizer, tagged)
    (task,), (dev,) = prepared.tasks, prepared.dev_tasks
    assert isinstance(task, TaggingTask)
    assert (task.size, dev.size) == (40, 6)
    for index in range(task.size):
        ids, sizes = task.texts[index].tolist(), task.sizes[index].tolist()
        assert ids[-1] == tokenizer.end_id
        assert sum(sizes) == len(ids) - 1
        assert sizes[0] == len(tokenizer.encode("Unforgettable")) > 1
        assert tokenizer.decode(ids) == f"Unforgettable train {index}."
        assert task.labels[index].tolist() == [1, 0, 0, 1]


def test_a_tagger_reads_words_as_services_read_them(values: dict[str, Any], tokenizer: Tokenizer, tagged: Path) -> None:
    file = tagged / "sentence_compression" / "train.conll"
    file.write_text(file.read_text(encoding="utf-8").replace("Unforgettable", "Ｕnforget\u00adtable"), encoding="utf-8")
    (task,) = prepare(recipe_from(values), tokenizer, tagged).tasks
    assert isinstance(task, TaggingTask)
    assert tokenizer.decode(task.texts[0].tolist()) == "Unforgettable train 0."


def test_every_regularisation_of_an_entry_is_for_taggers(
    values: dict[str, Any], tokenizer: Tokenizer, tagged: Path
) -> None:
    values["data"][0].update(word_dropout=0.2, dropout=0.3, subword_smoothing=0.1, consistency=0.5)
    prepared = prepare(recipe_from(values), tokenizer, tagged)
    own = prepared.tasks[0].regularization
    assert (own.word_dropout, own.dropout, own.consistency) == (0.2, 0.3, 0.5)
    assert isinstance(own.resegment, Resegmenter)
    assert [task.regularization for task in prepared.dev_tasks] == [Regularization()]


def test_longer_texts_are_left_out_of_a_tagger(values: dict[str, Any], tokenizer: Tokenizer, tagged: Path) -> None:
    path = tagged / "sentence_compression" / "train.conll"
    path.write_text(path.read_text() + "\n" + "word\t0\n" * 24, encoding="utf-8")
    assert [task.size for task in prepare(recipe_from(values), tokenizer, tagged).tasks] == [40]
    values["longest"] = 25
    assert [task.size for task in prepare(recipe_from(values), tokenizer, tagged).tasks] == [41]


def test_labels_that_a_tagger_lacks_are_named(values: dict[str, Any], tokenizer: Tokenizer, tagged: Path) -> None:
    values["heads"]["compression"]["labels"] = ["0", "keep"]
    with pytest.raises(ConfigError, match=r"labels \['delete'\] are not among \['0', 'keep'\]"):
        prepare(recipe_from(values), tokenizer, tagged)


def test_a_file_has_no_labels_of_words(values: dict[str, Any], tokenizer: Tokenizer, tagged: Path, pairs: str) -> None:
    values["data"][0]["set"] = pairs
    with pytest.raises(ConfigError, match="the head compression tags words, which only a named data set has labels"):
        prepare(recipe_from(values), tokenizer, tagged)


def test_longer_pairs_are_left_out(values: dict[str, Any], tokenizer: Tokenizer, tmp_path: Path) -> None:
    rows = [{"source": f"boat {n} " + "and more " * (n % 2) * 20, "target": f"Boot {n}"} for n in range(60)]
    values["data"] = [{"set": write_jsonl(tmp_path / "pairs.jsonl", rows), "head": "summarization"}]
    (task,) = prepare(recipe_from(values), tokenizer, None).tasks
    assert isinstance(task, Seq2SeqTask)
    assert 0 < task.size <= 30
    assert max(task.sources.lengths) <= 24


def test_a_language_model_gets_a_stream(values: dict[str, Any], tokenizer: Tokenizer, pairs: str) -> None:
    values["data"] = [
        {"set": write_jsonl(Path(pairs), [{"text": f"boat {n}"} for n in range(200)]), "head": "generation"}
    ]
    prepared = prepare(recipe_from(values), tokenizer, None)
    (task,) = prepared.tasks
    assert isinstance(task, LanguageModelTask)
    stream = task.stream.tolist()
    assert tokenizer.decode(stream[: stream.index(tokenizer.end_id)]).startswith("boat ")
    assert task.backward_share == 0.25
    (dev,) = prepared.dev_tasks
    assert isinstance(dev, LanguageModelTask)
    assert dev.backward_share == 0


def test_decomposed_text_is_composed(values: dict[str, Any], tokenizer: Tokenizer, tmp_path: Path) -> None:
    rows = [{"text": f"u\u0308ber {n}", "label": "good"} for n in range(60)]
    values["data"] = [{"set": write_jsonl(tmp_path / "rows.jsonl", rows), "head": "sentiment"}]
    (task,) = prepare(recipe_from(values), tokenizer, None).tasks
    assert isinstance(task, ClassificationTask)
    assert tokenizer.decode(task.texts[0].tolist()).startswith("\u00fcber ")


def test_texts_are_read_as_services_read_them(values: dict[str, Any], tokenizer: Tokenizer, tmp_path: Path) -> None:
    odd = write_jsonl(tmp_path / "odd.jsonl", [{"text": "\ufeffa\u00a0good bo\u00adat", "label": "good"}] * 30)
    values["data"] = [{"set": odd, "head": "sentiment", "train_only": True}]
    (task,) = prepare(recipe_from(values), tokenizer, None).tasks
    assert isinstance(task, ClassificationTask)
    assert task.texts[0].tolist() == [*tokenizer.encode("a good boat"), tokenizer.end_id]


def test_dev_and_test_texts_of_any_set_are_kept_out(
    values: dict[str, Any], tokenizer: Tokenizer, reviews: str, tmp_path: Path
) -> None:
    recipe = recipe_from({**values, "data": [{"set": reviews, "head": "sentiment"}]})
    held = [e for split in SPLITS[1:] for e in read_entry(recipe.data[0], recipe, None, split)]
    variants = [{"text": f"{e.text.upper()}!", "label": e.label} for e in held if isinstance(e, Labelled)]
    other = write_jsonl(
        tmp_path / "other.jsonl", [*variants, *({"text": f"other {n}", "label": "bad"} for n in range(60))]
    )
    values["data"] = [{"set": reviews, "head": "sentiment"}, {"set": other, "head": "sentiment"}]
    prepared = prepare(recipe_from(values), tokenizer, None)
    assert prepared.left_out["sentiment/other.jsonl"] >= 0.8 * len(variants)
    for task in prepared.tasks:
        assert isinstance(task, ClassificationTask)
        texts = {tokenizer.decode(task.texts[index].tolist()).lower().rstrip("!") for index in range(task.size)}
        assert not texts & {e.text for e in held if isinstance(e, Labelled)}


def test_at_most_so_many_examples_are_drawn(values: dict[str, Any], tokenizer: Tokenizer, reviews: str) -> None:
    values["data"] = [{"set": reviews, "head": "sentiment", "most": 20, "weight": 3, "budget": 64}]
    values["dev_examples"] = 2
    prepared = prepare(recipe_from(values), tokenizer, None)
    again = prepare(recipe_from(values), tokenizer, None)
    (task,), (same,) = prepared.tasks, again.tasks
    assert isinstance(task, ClassificationTask)
    assert isinstance(same, ClassificationTask)
    assert (task.size, task.budget, prepared.weights) == (20, 64, [3])
    assert task.texts.ids.tolist() == same.texts.ids.tolist()
    assert [dev.size for dev in prepared.dev_tasks] == [2]


def test_a_named_set_is_read_below_the_root(values: dict[str, Any], tokenizer: Tokenizer, tmp_path: Path) -> None:
    rows = "".join(f"{n}\t감상 {n}번\t{n % 2}\n" for n in range(1, 121))
    (tmp_path / "nsmc").mkdir()
    for name in ("train", "test"):
        content = f"id\tdocument\tlabel\n{rows if name == 'train' else ''}"
        (tmp_path / "nsmc" / f"ratings_{name}.txt.xz").write_bytes(lzma.compress(content.encode()))
    values["heads"]["sentiment"]["labels"] = ["negative", "positive"]
    values["data"] = [{"set": "nsmc", "head": "sentiment"}]
    prepared = prepare(recipe_from(values), tokenizer, tmp_path)
    assert [task.size for task in prepared.tasks] == [118]
    assert [task.size for task in prepared.dev_tasks] == [2]


def test_a_named_set_needs_a_root(values: dict[str, Any], tokenizer: Tokenizer) -> None:
    values["data"] = [{"set": "nsmc", "head": "sentiment"}]
    with pytest.raises(ConfigError, match="data nsmc: set RONDO_DATA"):
        prepare(recipe_from(values), tokenizer, None)


def test_labels_that_the_head_lacks_are_named(values: dict[str, Any], tokenizer: Tokenizer, tmp_path: Path) -> None:
    rows = [{"text": f"review {n}", "label": "mixed"} for n in range(60)]
    values["data"] = [{"set": write_jsonl(tmp_path / "rows.jsonl", rows), "head": "sentiment"}]
    with pytest.raises(ConfigError, match=r"labels \['mixed'\] are not among \['bad', 'good'\]"):
        prepare(recipe_from(values), tokenizer, None)


def test_a_language_that_has_no_symbol_is_refused(values: dict[str, Any], tokenizer: Tokenizer, pairs: str) -> None:
    values["languages"] = ["en", "fr"]
    values["data"] = [{"set": pairs, "head": "translation", "target_language": "fr"}]
    with pytest.raises(ConfigError, match="cannot translate into 'fr'; the vocabulary has en, de, ko"):
        prepare(recipe_from(values), tokenizer, None)


def test_a_set_of_another_kind_does_not_fit(values: dict[str, Any], tokenizer: Tokenizer, tmp_path: Path) -> None:
    (tmp_path / "tatoeba").mkdir()
    for split in SPLITS:
        path = tmp_path / "tatoeba" / f"eng-deu.{split}.tsv.xz"
        path.write_bytes(lzma.compress(f"one {split}\teins {split}\n".encode()))
    values["data"] = [{"set": "tatoeba-en-de", "head": "sentiment"}]
    with pytest.raises(ConfigError, match="data tatoeba-en-de does not fit the head sentiment"):
        prepare(recipe_from(values), tokenizer, tmp_path)


@pytest.mark.parametrize("head", ["sentiment", "translation"])
def test_a_file_without_rows_says_so(values: dict[str, Any], tokenizer: Tokenizer, tmp_path: Path, head: str) -> None:
    values["data"] = [{"set": write_jsonl(tmp_path / "empty.jsonl", []), "head": head}]
    with pytest.raises(ConfigError, match=r"empty\.jsonl: there are no rows in it"):
        prepare(recipe_from(values), tokenizer, None)


@pytest.mark.parametrize("head", ["sentiment", "generation"])
def test_no_dev_examples_are_all(values: dict[str, Any], tokenizer: Tokenizer, tmp_path: Path, head: str) -> None:
    """It was so for labels and pairs; of running text it was none."""
    rows: Rows = [{"text": f"boat number {number}", "label": "good"} for number in range(400)]
    values["data"] = [{"set": write_jsonl(tmp_path / "boats.jsonl", rows), "head": head}]
    few, many, every = (
        prepare(recipe_from({**values, "dev_examples": most}), tokenizer, None).dev_tasks[0].size
        for most in (1, 400, 0)
    )
    assert few < many == every


def test_a_language_model_reads_every_text_of_any_example() -> None:
    examples: list[Example] = [
        Labelled("좋다", "positive", "ko"),
        Pair("boat", "Boot", "en", "de"),
        Document(("one", "", "two"), "en"),
        TaggedWords("a boat", ((0, 1), (2, 6)), ("delete", "keep"), "en"),
    ]
    assert list(as_text(examples)) == [
        Document(("좋다",), "ko"),
        Document(("boat",), "en"),
        Document(("Boot",), "de"),
        Document(("one", "", "two"), "en"),
        Document(("a boat",), "en"),
    ]


def test_only_pairs_have_a_direction(values: dict[str, Any], reviews: str) -> None:
    recipe = recipe_from(values)
    entry = DataEntry(reviews, "sentiment", direction="both")
    assert sum(len(list(read_entry(entry, recipe, None, split))) for split in SPLITS) == 200


def test_texts_of_a_set_that_is_kept_apart_are_not_trained_on(
    values: dict[str, Any], tokenizer: Tokenizer, tmp_path: Path
) -> None:
    captions = {
        "train": [("A dog runs.", "Ein Hund rennt."), ("A boat.", "Ein Boot."), ("A lake.", "Ein See.")],
        "val": [("A man.", "Ein Mann.")],
        "test_2016_flickr": [("A boat.", "Das Boot.")],
        "test_2017_flickr": [("The lake.", "Ein See!")],
    }
    folder = tmp_path / "multi30k" / "task1"
    folder.mkdir(parents=True)
    for name, pairs in captions.items():
        for language, texts in zip(("en", "de"), zip(*pairs, strict=True), strict=True):
            (folder / f"{name}.{language}.gz").write_bytes(gzip.compress("".join(f"{t}\n" for t in texts).encode()))
    values["data"] = [{"set": "multi30k-en-de", "head": "translation"}]
    prepared = prepare(recipe_from(values), tokenizer, tmp_path)
    (task,) = prepared.tasks
    assert isinstance(task, Seq2SeqTask)
    assert [tokenizer.decode(task.sources[n].tolist()) for n in range(task.size)] == ["A dog runs."]
    assert prepared.left_out == {"translation/multi30k-en-de": 2}


def test_of_a_set_that_repeats_its_targets_only_sources_are_kept_out(
    values: dict[str, Any], tokenizer: Tokenizer, tmp_path: Path
) -> None:
    mails = {
        "train/a": "We meet at two.\n\n@subject\nMeeting",
        "train/b": "Where is it?\n\n@subject\nPlace",
        "dev/c": "Now?\n\n@subject\nMeeting\n\n@ann0\nmeeting now",
        "test/d": "where is it\n\n@subject\nMeeting\n\n@ann0\nplace of meeting",
    }
    (tmp_path / "aeslc").mkdir()
    with tarfile.open(tmp_path / "aeslc" / "aeslc.tar.xz", "w:xz", preset=0) as archive:
        for name, text in mails.items():
            member = tarfile.TarInfo(f"enron_subject_line/{name}.subject")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    values["data"] = [{"set": "aeslc", "head": "summarization"}]
    prepared = prepare(recipe_from(values), tokenizer, tmp_path)
    (task,) = prepared.tasks
    assert isinstance(task, Seq2SeqTask)
    assert [tokenizer.decode(task.targets[n].tolist()) for n in range(task.size)] == ["Meeting"]
    assert prepared.left_out == {"summarization/aeslc": 1}


def test_a_fold_keeps_its_own_texts_out(values: dict[str, Any], tokenizer: Tokenizer, tmp_path: Path) -> None:
    folder = tmp_path / "sentence_classification"
    folder.mkdir()
    rows = [f"{number % 2} it is film {number}" for number in range(200)]
    (folder / "rt-polarity.all").write_text("\n".join(rows) + "\n", encoding="cp1252")
    values["heads"]["sentiment"]["labels"] = ["negative", "positive"]

    def texts(fold: int) -> list[set[str]]:
        values["data"] = [{"set": "mr", "head": "sentiment", "fold": fold}]
        prepared = prepare(recipe_from(values), tokenizer, tmp_path, tmp_path / "kept")
        tasks = [*prepared.tasks, *prepared.dev_tasks]
        assert all(isinstance(task, ClassificationTask) for task in tasks)
        return [{tokenizer.decode(task.texts[i].tolist()) for i in range(task.size)} for task in tasks]  # type: ignore[attr-defined]

    (train, dev), (other_train, other_dev) = texts(1), texts(2)
    assert dev
    assert not dev & train
    assert not dev & other_dev
    assert train != other_train


def test_a_file_has_no_folds(values: dict[str, Any], tokenizer: Tokenizer, reviews: str) -> None:
    values["data"] = [{"set": reviews, "head": "sentiment", "fold": 2}]
    with pytest.raises(ConfigError, match="a file has no folds, so that there is no fold 2"):
        prepare(recipe_from(values), tokenizer, None)
