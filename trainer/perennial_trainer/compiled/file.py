"""A compiled model as bytes and back: one NumPy archive of numbers and one JSON header; no part of it is code."""

import io
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
import numpy as np

from perennial_trainer.compiled.answers import Link
from perennial_trainer.compiled.columns import Encoder
from perennial_trainer.compiled.estimators import Estimator, LightGBM, Linear, Trees, XGBoost
from perennial_trainer.compiled.model import CompiledModel, Member
from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.fields import StrictStruct

ENDING = "npz"
HEADER = "header"


class MemberHeader(StrictStruct, frozen=True, kw_only=True):
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    categories: tuple[tuple[str, ...], ...]
    modes: tuple[str, ...]
    link: Link
    kind: Literal["linear", "trees", "lightgbm", "xgboost"] = "linear"
    single: bool = False
    sparse: bool = False
    greatest: float = 0.0


class Header(StrictStruct, frozen=True, kw_only=True):
    compiled_from: str  # the sha256 of the model's file
    weights: tuple[float, ...]
    classes: tuple[int | str, ...]
    members: tuple[MemberHeader, ...]


def file_name(model: str) -> str:
    """The name of the compiled model's file, by that of the model's."""
    return f"{model.rpartition('.')[0]}.{ENDING}"


def encode(model: CompiledModel, sha256: str) -> bytes:
    """The file of a model that was compiled from the file with this digest: the same bytes for the same model."""
    arrays: dict[str, Any] = {}
    headers = []
    for number, member in enumerate(model.members):
        encoder, estimator = member.encoder, member.estimator
        arrays |= {f"{number}.medians": encoder.medians, f"{number}.means": encoder.means}
        arrays[f"{number}.scales"] = encoder.scales
        header = MemberHeader(
            numeric=encoder.numeric,
            categorical=encoder.categorical,
            categories=encoder.categories,
            modes=encoder.modes,
            link=member.link,
        )
        if isinstance(estimator, Trees):
            arrays[f"{number}.trees"] = np.frombuffer(estimator.model, dtype=np.uint8)
            changes = {"kind": "trees", "single": estimator.single, "greatest": estimator.greatest}
            header = msgspec.structs.replace(header, **changes)
        elif isinstance(estimator, LightGBM):
            arrays[f"{number}.trees"] = np.frombuffer(estimator.model, dtype=np.uint8)
            header = msgspec.structs.replace(header, kind="lightgbm")
        elif isinstance(estimator, XGBoost):
            arrays[f"{number}.trees"] = np.frombuffer(estimator.model, dtype=np.uint8)
            header = msgspec.structs.replace(header, kind="xgboost", sparse=estimator.sparse)
        else:
            arrays |= {f"{number}.intercepts": estimator.intercepts, f"{number}.weights": estimator.weights}
        headers.append(header)
    header_bytes = msgspec.json.encode(
        Header(compiled_from=sha256, weights=model.weights, classes=model.classes, members=tuple(headers))
    )
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **{HEADER: np.frombuffer(header_bytes, dtype=np.uint8)}, **arrays)
    return content.getvalue()


def decode(uri: str, content: bytes, sha256: str) -> CompiledModel:
    """The model in bytes whose digest was checked, compiled from the file with the digest `sha256`.

    Raises a RejectedTask: UnreadableArtifact.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            header = msgspec.json.decode(arrays[HEADER].tobytes(), type=Header)
            members = tuple(_member(each, number, arrays) for number, each in enumerate(header.members))
    except (ValueError, KeyError, OSError, msgspec.MsgspecError) as error:
        raise RejectedTask("UnreadableArtifact", f"{uri} is not a compiled model: {error}") from error
    if header.compiled_from != sha256:
        raise RejectedTask("UnreadableArtifact", f"{uri} was compiled from another model than {sha256}: train again")
    return CompiledModel(members, header.weights, header.classes)


def _member(header: MemberHeader, number: int, arrays: Mapping[str, Any]) -> Member:
    encoder = Encoder(
        numeric=header.numeric,
        medians=arrays[f"{number}.medians"],
        means=arrays[f"{number}.means"],
        scales=arrays[f"{number}.scales"],
        categorical=header.categorical,
        categories=header.categories,
        modes=header.modes,
    )
    if header.kind == "linear":
        estimator: Estimator = Linear(arrays[f"{number}.intercepts"], arrays[f"{number}.weights"])
    elif header.kind == "trees":
        estimator = Trees(arrays[f"{number}.trees"].tobytes(), header.single, header.greatest)
    elif header.kind == "lightgbm":
        estimator = LightGBM(arrays[f"{number}.trees"].tobytes())
    else:
        estimator = XGBoost(arrays[f"{number}.trees"].tobytes(), header.sparse)
    return Member(encoder, estimator, header.link)
