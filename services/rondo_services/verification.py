"""Checks all of a bundle that can be checked without asking it anything."""

from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from rondo_models.bundle import Bundle, load_bundle
from rondo_models.manifest import MANIFEST, BundleError

from .local import suite_of
from .suite import tokenizer_of


class _Service(BaseModel):
    """What replies and descriptions tell of a service, and nothing computes with; other entries are for `suite`."""

    languages: list[str] = Field(min_length=1)
    pairs: list[tuple[str, str]] = Field([], min_length=1)
    longest_source: int = Field(1, ge=1, strict=True)
    salience_languages: list[str] = []


def verified(folder: Path) -> Bundle:
    """A bundle that is whole, and whose services, all that its manifest offers, can be served.

    Raises:
        BundleError: it is not.
        InvalidInput: it offers services, but none that is known.
    """
    bundle = load_bundle(folder)
    tokenizer_of(bundle.contents, str(folder))
    try:
        for values in bundle.manifest.services.values():
            _Service.model_validate(values)
        if bundle.manifest.services:  # else it is but to begin from
            suite_of(bundle, where=str(folder)).close()
    except ValidationError as error:
        (first, *_) = error.errors()
        where = ".".join(map(str, first["loc"]))
        raise BundleError(f"{folder / MANIFEST}: what it says of services can't be: {where}: {first['msg']}") from error
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{folder / MANIFEST}: what it says of services can't be: {error!r}") from error
    return bundle
