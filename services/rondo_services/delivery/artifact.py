"""A bundle as an artifact of the OCI image specification, with a layer for each file.

So registries keep equal files once. The same bundle has the same manifest, byte for byte, and so the same digest.
"""

import json
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from rondo_models.manifest import CARD, MANIFEST, TOKENIZER, BundleError

from .digests import checked_digest, digest_of
from .errors import Unsafe
from .files import MOST_BYTES, BundleFile, WholeBundle, check_names

ARTIFACT_TYPE = "application/vnd.rondo.bundle.v1"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
EMPTY = b"{}"
"""Content of the configuration, which artifacts have none of."""
_TITLE = "org.opencontainers.image.title"
_EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
_FILE_TYPES = {
    MANIFEST: "application/vnd.rondo.bundle.manifest.v1+json",
    TOKENIZER: "application/vnd.rondo.bundle.tokenizer.v1",
    CARD: "text/markdown",
}
_WEIGHTS_TYPE = "application/vnd.rondo.bundle.weights.v1.safetensors"


class _Titled(BaseModel):
    title: str = Field(alias=_TITLE)


class _Config(BaseModel):
    media_type: str = Field("", alias="mediaType")


class _Layer(BaseModel):
    digest: Annotated[str, AfterValidator(checked_digest)]
    size: int = Field(ge=0)
    annotations: _Titled


class _Told(BaseModel):
    """What counts of a registry's manifest."""

    artifact_type: str | None = Field(None, alias="artifactType")
    config: _Config = _Config()
    layers: list[_Layer]


def artifact_of(bundle: WholeBundle) -> bytes:
    """The manifest that a registry keeps."""
    about = bundle.manifest
    licences = sorted({str(entry["licence"]) for entry in about.data if "licence" in entry})
    annotations = {
        _TITLE: about.name,
        "org.opencontainers.image.version": about.version,
        "dev.rondo.fingerprint": bundle.fingerprint,
        "dev.rondo.languages": ",".join(about.languages),
        "dev.rondo.services": ",".join(sorted(about.services)),
        "dev.rondo.data-licences": ", ".join(licences),
    }
    content = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": ARTIFACT_TYPE,
        "config": {"mediaType": _EMPTY_TYPE, "digest": digest_of(EMPTY), "size": len(EMPTY)},
        "layers": [
            {
                "mediaType": _FILE_TYPES.get(file.name, _WEIGHTS_TYPE),
                "digest": file.digest,
                "size": file.size,
                "annotations": {_TITLE: file.name},
            }
            for file in bundle.files
        ],
        "annotations": {name: value for name, value in annotations.items() if value},
    }
    return json.dumps(content, indent=1, ensure_ascii=False).encode()


def read_artifact(content: bytes, what: str) -> tuple[BundleFile, ...]:
    """The files that a registry's manifest tells of, the bundle's manifest first.

    Raises:
        BundleError: it is none of a bundle.
        Unsafe: a file's name or size is not let in.
    """
    try:
        told = _Told.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BundleError(f"{what} has a manifest that can't be read: {where} {first['msg']}") from error
    kind = told.artifact_type or told.config.media_type
    if kind != ARTIFACT_TYPE:
        raise BundleError(f"{what} is no bundle of Rondo: it is of the type {kind}, not {ARTIFACT_TYPE}")
    files = [BundleFile(layer.annotations.title, layer.size, layer.digest) for layer in told.layers]
    check_names(file.name for file in files)
    if (size := sum(file.size for file in files)) > MOST_BYTES:
        raise Unsafe(f"{what} has {size} bytes, more than {MOST_BYTES}")
    if MANIFEST not in (file.name for file in files):
        raise BundleError(f"{what} has no {MANIFEST}")
    return tuple(sorted(files, key=lambda file: (file.name != MANIFEST, file.name)))
