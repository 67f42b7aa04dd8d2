"""One backbone with its named heads."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from torch import nn

from .backbone import Backbone, BackboneConfig
from .config import ConfigError, config_from
from .heads.classifier import ClassifierConfig, ClassifierHead
from .heads.language_model import LanguageModelConfig, LanguageModelHead
from .heads.seq2seq import Seq2SeqConfig, Seq2SeqHead
from .heads.tagger import TaggerConfig, TaggerHead

HeadConfig = ClassifierConfig | LanguageModelConfig | Seq2SeqConfig | TaggerConfig
Head = ClassifierHead | LanguageModelHead | Seq2SeqHead | TaggerHead


def head_config(values: Mapping[str, Any], where: str) -> HeadConfig:
    """Build the configuration of the head that `values["kind"]` names.

    Raises:
        ConfigError: the kind is missing or unknown, or another key is wrong.
    """
    kinds: dict[str, type[Any]] = {
        "classifier": ClassifierConfig,
        "language_model": LanguageModelConfig,
        "seq2seq": Seq2SeqConfig,
        "tagger": TaggerConfig,
    }
    rest = dict(values)
    kind = rest.pop("kind", None)
    if not isinstance(kind, str) or kind not in kinds:
        raise ConfigError(f"{where}: kind is {kind!r}; choose one of {', '.join(kinds)}")
    config: HeadConfig = config_from(kinds[kind], rest, where)
    return config


def build_head(backbone: Backbone, config: HeadConfig) -> Head:
    """An untrained head for `backbone`."""
    match config:
        case ClassifierConfig():
            return ClassifierHead(backbone, config)
        case LanguageModelConfig():
            return LanguageModelHead(backbone, config)
        case Seq2SeqConfig():
            return Seq2SeqHead(backbone, config)
        case TaggerConfig():
            return TaggerHead(backbone, config)


def check_fits(backbone: BackboneConfig, heads: Mapping[str, HeadConfig]) -> None:
    """Check that the backbone gives the heads what they need.

    Raises:
        ConfigError: it does not; the message names the head.
    """
    if backbone.encoder == "recurrent":
        return
    for name, config in heads.items():
        if isinstance(config, ClassifierConfig) and config.reads == "forward":
            raise ConfigError(
                f"heads.{name}: reads = 'forward' needs a recurrent encoder; a {backbone.encoder} reads both directions"
            )


class RondoModel(nn.Module):
    """The backbone, which exists once, and the heads by service name.

    Raises:
        ConfigError: as `check_fits`.
    """

    def __init__(self, backbone: BackboneConfig, heads: Mapping[str, HeadConfig]) -> None:
        super().__init__()
        check_fits(backbone, heads)
        self.backbone = Backbone(backbone)
        self.heads = nn.ModuleDict({name: build_head(self.backbone, heads[name]) for name in heads})

    def head(self, name: str) -> Head:
        """The head called `name`.

        Raises:
            KeyError: there is none of that name.
        """
        head = self.heads[name]
        assert isinstance(head, Head)
        return head

    def classifier(self, name: str) -> ClassifierHead:
        """The classifier head called `name`; TypeError if it is another kind."""
        head = self.head(name)
        if not isinstance(head, ClassifierHead):
            raise TypeError(f"{name} is a {head.kind} head")
        return head

    def language_model(self, name: str) -> LanguageModelHead:
        """The language model head called `name`; TypeError if it is another kind."""
        head = self.head(name)
        if not isinstance(head, LanguageModelHead):
            raise TypeError(f"{name} is a {head.kind} head")
        return head

    def seq2seq(self, name: str) -> Seq2SeqHead:
        """The decoder head called `name`; TypeError if it is another kind."""
        head = self.head(name)
        if not isinstance(head, Seq2SeqHead):
            raise TypeError(f"{name} is a {head.kind} head")
        return head

    def tagger(self, name: str) -> TaggerHead:
        """The tagger head called `name`; TypeError if it is another kind."""
        head = self.head(name)
        if not isinstance(head, TaggerHead):
            raise TypeError(f"{name} is a {head.kind} head")
        return head

    def configs(self) -> dict[str, Any]:
        """Plain values from which the same model can be built.

        Without layer normalisation they don't name it, so that a bundle is the same as before there was any.
        """
        backbone = asdict(self.backbone.config)
        if not backbone["layer_norm"]:
            del backbone["layer_norm"]
        return {
            "backbone": backbone,
            "heads": {name: {"kind": self.head(name).kind, **asdict(self.head(name).config)} for name in self.heads},
        }
