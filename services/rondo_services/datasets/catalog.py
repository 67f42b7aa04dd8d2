"""Every named data set: how to read it, its licence, and whether weights trained on it may be shipped."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from . import aeslc, compression, debian, multi30k, scitldr, sentences, sentiment, text, translation
from .examples import Example, Pair, Split

Reader = Callable[[Path, Split], Iterator[Example]]
FoldReader = Callable[[Path, Split, int], Iterator[Example]]
TopicReader = Callable[[Path, Split], list[list[Pair]]]


@dataclass(frozen=True, slots=True)
class DataSet:
    """A named data set.

    Attributes:
        ships: whether weights trained on it may be in a published bundle.
        topics: reads its pairs in groups that say the same in several ways, if it has such groups.
        kept_apart: further data sets, whose dev and test texts no model may see that is trained on this one.
        repeats_targets: whether its targets are often set phrases, so that a training pair is left out only if dev or
            test has its source.
        folds: reads a fold, from 1 on, if it has some; `read` is the first.
    """

    name: str
    read: Reader
    languages: tuple[str, ...]
    licence: str
    ships: Literal["yes", "weights", "no"]
    topics: TopicReader | None = None
    kept_apart: tuple[str, ...] = ()
    repeats_targets: bool = False
    folds: FoldReader | None = None

    def examples(self, root: Path, split: Split, fold: int = 1) -> Iterator[Example]:
        """The examples of a split, of a fold if the set has some.

        Raises:
            ValueError: the set has no folds, or not so many.
            DataMissing: a file is not there; only when the first example is asked for.
        """
        if self.folds is not None:
            return self.folds(root, split, fold)
        if fold != 1:
            raise ValueError(f"the data set {self.name} has no folds, so that there is no fold {fold}")
        return self.read(root, split)


_WARNIKCHOW = "CC BY-SA 4.0"
_TATOEBA = "CC BY 2.0 FR"
_UI = "per application, mostly GPL"
_DEBIAN = "free (DFSG), per package"
_LIBREOFFICE = "MPL-2.0 / LGPL-3.0-or-later"
_MULTI30K = "image captions, research use only"
_CITE = "none stated, cite"
_AESLC = "CC BY-NC-SA 4.0"

_DATA_SETS = (
    DataSet("nsmc", sentiment.nsmc, ("ko",), "CC0", "yes"),
    DataSet("nsmc-pool", sentiment.nsmc_pool, ("ko",), "CC0", "yes"),
    DataSet("sst2", sentiment.sst2, ("en",), _CITE, "weights"),
    DataSet("sst2-sentences", sentiment.sst2_sentences, ("en",), _CITE, "weights"),
    DataSet("sst5", sentiment.sst5, ("en",), _CITE, "weights"),
    DataSet("sst5-sentences", sentiment.sst5_sentences, ("en",), _CITE, "weights"),
    DataSet("mr", sentences.mr, ("en",), _CITE, "weights", folds=sentences.mr),
    DataSet("subj", sentences.subj, ("en",), _CITE, "weights", folds=sentences.subj),
    DataSet("mpqa", sentences.mpqa, ("en",), _CITE, "weights", folds=sentences.mpqa),
    DataSet("trec", sentences.trec, ("en",), _CITE, "weights", folds=sentences.trec),
    DataSet("imdb", sentiment.imdb, ("en",), _CITE, "weights"),
    DataSet("wikitext2", text.wikitext2, ("en",), "CC BY-SA", "yes"),
    DataSet("novels-en", partial(text.novels, language="en"), ("en",), "public domain", "yes"),
    DataSet("novels-de", partial(text.novels, language="de"), ("de",), "public domain", "yes"),
    DataSet("sae4k", text.sae4k, ("ko",), _WARNIKCHOW, "yes"),
    DataSet("tatoeba-en-de", partial(translation.tatoeba, language="de"), ("en", "de"), _TATOEBA, "yes"),
    DataSet("tatoeba-en-ko", partial(translation.tatoeba, language="ko"), ("en", "ko"), _TATOEBA, "yes"),
    DataSet("tatoeba-en-fr", partial(translation.tatoeba, language="fr"), ("en", "fr"), _TATOEBA, "yes"),
    DataSet("stylekqc", translation.stylekqc, ("en", "ko"), _WARNIKCHOW, "yes", topics=translation.stylekqc_topics),
    DataSet("stylekqc-paraphrases", translation.stylekqc_paraphrases, ("en", "ko"), _WARNIKCHOW, "yes"),
    DataSet(
        "libreoffice-en-de",
        partial(translation.libreoffice_help, language="de"),
        ("en", "de"),
        _LIBREOFFICE,
        "yes",
    ),
    DataSet(
        "libreoffice-en-ko",
        partial(translation.libreoffice_help, language="ko"),
        ("en", "ko"),
        _LIBREOFFICE,
        "yes",
    ),
    DataSet("ui-en-de", partial(translation.ui_strings, language="de"), ("en", "de"), _UI, "weights"),
    DataSet("ui-en-ko", partial(translation.ui_strings, language="ko"), ("en", "ko"), _UI, "weights"),
    DataSet("bible-en-ko", partial(translation.bible, language="ko"), ("en", "ko"), "public domain", "yes"),
    DataSet("bible-en-de", partial(translation.bible, language="de"), ("en", "de"), "public domain", "yes"),
    DataSet("debian-en-de", partial(debian.translations, language="de"), ("en", "de"), _DEBIAN, "yes"),
    DataSet("debian-en-ko", partial(debian.translations, language="ko"), ("en", "ko"), _DEBIAN, "yes"),
    DataSet("debian-en-fr", partial(debian.translations, language="fr"), ("en", "fr"), _DEBIAN, "yes"),
    *(
        DataSet(
            f"multi30k-en-{language}",
            partial(multi30k.translations, language=language),
            ("en", language),
            _MULTI30K,
            "no",
            kept_apart=(f"multi30k-2017-en-{language}",),
        )
        for language in ("de", "fr")
    ),
    *(
        DataSet(
            f"multi30k-2017-en-{language}",
            partial(multi30k.test_2017, language=language),
            ("en", language),
            _MULTI30K,
            "no",
        )
        for language in ("de", "fr")
    ),
    *(
        DataSet(
            f"multi30k-{language}",
            partial(multi30k.descriptions, language=language),
            (language,),
            _MULTI30K,
            "no",
            kept_apart=("multi30k-en-de", "multi30k-2017-en-de"),
        )
        for language in ("en", "de")
    ),
    DataSet("debian-synopsis-en", partial(debian.summaries, language="en"), ("en",), _DEBIAN, "yes"),
    DataSet("debian-synopsis-de", partial(debian.summaries, language="de"), ("de",), _DEBIAN, "yes"),
    DataSet("debian-synopsis-ko", partial(debian.summaries, language="ko"), ("ko",), _DEBIAN, "yes"),
    DataSet("debian-synopsis-fr", partial(debian.summaries, language="fr"), ("fr",), _DEBIAN, "yes"),
    DataSet("aeslc", aeslc.subjects, ("en",), _AESLC, "no", repeats_targets=True),
    DataSet("aeslc-original", aeslc.original_subjects, ("en",), _AESLC, "no", repeats_targets=True),
    DataSet("scitldr", scitldr.summaries, ("en",), "Apache-2.0", "yes"),
    DataSet("scitldr-sentences", scitldr.sentences, ("en",), "Apache-2.0", "yes", kept_apart=("scitldr",)),
    DataSet("sentence-compression", compression.sentence_compression, ("en",), 'none; given "as is", cite', "weights"),
)
DATA_SETS = {data_set.name: data_set for data_set in _DATA_SETS}


def data_set(name: str) -> DataSet:
    """The data set called `name`.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in DATA_SETS:
        raise ValueError(f"unknown data set {name!r}; known are {', '.join(DATA_SETS)}")
    return DATA_SETS[name]
