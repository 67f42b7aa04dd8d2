"""What a bundle's makers say of it and no command can measure, from a TOML file into its manifest and card."""

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rondo_models.manifest import read_contents, rewrite_manifest

from ..errors import InvalidInput
from .card import model_card
from .costs import MEASURED, Cost


class PastCost(BaseModel):
    """The cost of training that was done before it was recorded."""

    model_config = ConfigDict(extra="forbid")

    what: str
    stretches: int = Field(ge=1)
    device: str
    machine: str
    hours: float = Field(gt=0, allow_inf_nan=False)
    energy_wh: float | None = Field(None, gt=0, allow_inf_nan=False)
    energy_basis: str
    source: str

    def as_cost(self) -> Cost:
        """As the manifest keeps it."""
        return Cost(
            self.what,
            self.stretches,
            self.device,
            self.machine,
            round(self.hours * 3600, 1),
            None,
            self.energy_wh,
            self.energy_basis,
            self.source,
        )


class Description(BaseModel):
    """A whole file."""

    model_config = ConfigDict(extra="forbid")

    licence: str = Field(min_length=1)
    intended_use: list[str] = Field(min_length=1)
    not_for: list[str] = Field(min_length=1)
    limits: list[str] = []
    training: list[PastCost] = []


def read_description(path: Path) -> Description:
    """A checked file.

    Raises:
        InvalidInput: it is no TOML, or something in it can't be.
    """
    try:
        return Description.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{path}: {error}") from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise InvalidInput(f"{path}: {wrong}") from error


def describe(folder: Path, path: Path) -> None:
    """Replace what the makers had said of the bundle by what the file says; what was measured stays.

    Raises:
        InvalidInput: as of `read_description`, or `training` is of more stretches than there were.
        BundleError: the bundle can't be used.
    """
    said = read_description(path)
    contents = read_contents(folder)
    training = dict(contents.manifest.training)
    measured = [cost for cost in training.get("costs", ()) if cost["source"] == MEASURED]
    costs = [*(past.as_cost().as_record() for past in said.training), *measured]
    num_told, num_stretches = sum(cost["stretches"] for cost in costs), training.get("stretches")
    if num_stretches is not None and num_told > num_stretches:
        raise InvalidInput(
            f"{path}: costs are told of {num_told} stretches of training, but there were {num_stretches}"
        )
    if costs:
        training["costs"] = costs
    else:
        training.pop("costs", None)
    description: dict[str, Any] = said.model_dump(exclude={"training"})
    manifest = replace(contents.manifest, description=description, training=training)
    rewrite_manifest(folder, manifest, model_card(manifest, contents.configs))
