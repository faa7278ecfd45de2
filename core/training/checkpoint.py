"""The state of a training, written so that a kill at any moment leaves the last whole one.

Two files take turns, so that a damaged newest one leaves the one before. Each is a safetensors file with the weights, the best
weights, the optimiser's state and that of all randomness; in its header stand counters, and what a resumed training must share.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from core.errors import CorruptError, TrainingError
from core.storage.atomic import atomic_path

SECONDS_BETWEEN = 60.0
TURNS = (".even", ".odd")

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class State:
    """A training's state.

    Args:
        shared: plain data by name that must not differ on resuming; facts: counters, and the state of randomness in numpy.
        networks: by name; optimizer: whose state is kept; best: the best weights so far; generator: on the device.
    """

    shared: Mapping[str, object]
    facts: Mapping[str, Any]
    networks: Mapping[str, nn.Module]
    optimizer: Any
    best: Tensors
    generator: torch.Generator


@dataclass(frozen=True)
class Kept:
    """What a file gave: counters, the best weights, and a caution in words where a newer file was damaged."""

    facts: dict[str, Any]
    best: Tensors
    caution: str = ""


@dataclass(frozen=True)
class _File:
    facts: dict[str, Any]
    shared: dict[str, str]
    tensors: Tensors


class Checkpoint:
    """Two files beside a path that take turns; nothing at all where the path is None."""

    def __init__(self, path: Path | None) -> None:
        self.files = tuple(path.with_name(path.name + turn) for turn in TURNS) if path else ()
        self.saved_at = time.monotonic()
        self.turn = 0

    def save(self, state: State) -> None:
        """Writes the state, at most once in ``SECONDS_BETWEEN``."""
        if not self.files or time.monotonic() - self.saved_at < SECONDS_BETWEEN:
            return
        header = {"facts": json.dumps(dict(state.facts)), "shared": json.dumps(_digests(state.shared))}
        with atomic_path(self.files[self.turn]) as temporary:
            save_file(_tensors(state), temporary, metadata=header)
        self.turn, self.saved_at = 1 - self.turn, time.monotonic()

    def load(self, into: State) -> Kept | None:
        """Puts the newest readable state into networks, optimiser and generator; None where there is none.

        Raises:
            CorruptError: there are files and none can be read.
            TrainingError: the newest is of other settings or data (RESUME_MISMATCH).
        """
        there = [path for path in self.files if path.exists()]
        read = {path: file for path in there if (file := _read(path)) is not None}
        if there and not read:
            raise CorruptError(f"No checkpoint of {there[0].stem} can be read.", do="Delete them; the fit starts again.")
        if not read:
            return None
        newest = max(read, key=lambda path: int(read[path].facts["epochs"]))
        _refuse_other(newest, read[newest], into)
        _restore(read[newest].tensors, into)
        self.turn = 1 - self.files.index(newest)
        caution = "a damaged checkpoint was passed over" if len(read) < len(there) else ""
        return Kept(read[newest].facts, _below(read[newest].tensors, "best/"), caution)

    def forget(self) -> None:
        """Removes the files of a finished training."""
        for path in self.files:
            path.unlink(missing_ok=True)


def _digests(shared: Mapping[str, object]) -> dict[str, str]:
    return {name: hashlib.sha256(json.dumps(value, default=str).encode()).hexdigest()[:16] for name, value in shared.items()}


def _read(path: Path) -> _File | None:
    try:
        with safe_open(str(path), "pt") as file:
            header = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return _File(json.loads(header["facts"]), json.loads(header["shared"]), tensors)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None


def _refuse_other(path: Path, file: _File, into: State) -> None:
    now = _digests(into.shared)
    differs = sorted(name for name in now.keys() | file.shared.keys() if now.get(name) != file.shared.get(name))
    if differs:
        raise TrainingError(
            f"The checkpoint {path.name} was written with another {differs[0]}.",
            do="Train with what it was begun with, or delete it.",
            code="RESUME_MISMATCH",
        )


def _tensors(state: State) -> Tensors:
    tensors = {f"best/{name}": weight for name, weight in state.best.items()}
    for kind, network in state.networks.items():
        tensors |= {f"{kind}/{name}": weight for name, weight in network.state_dict().items()}
    for place, kept in state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{place}/{name}": torch.as_tensor(value) for name, value in kept.items()}
    tensors |= {"random/device": state.generator.get_state(), "random/torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        tensors["random/cuda"] = torch.cuda.get_rng_state()
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}


def _restore(tensors: Tensors, into: State) -> None:
    for kind, network in into.networks.items():
        network.load_state_dict(_below(tensors, f"{kind}/"))
    state: dict[int, Tensors] = {}
    for name, tensor in _below(tensors, "optimizer/").items():
        place, key = name.split("/")
        state.setdefault(int(place), {})[key] = tensor
    weights = [weight for group in into.optimizer.param_groups for weight in group["params"]]
    placed = {place: _laid_out(kept, weights[place]) for place, kept in state.items()}
    into.optimizer.load_state_dict({"state": placed, "param_groups": into.optimizer.state_dict()["param_groups"]})
    into.generator.set_state(tensors["random/device"])
    torch.set_rng_state(tensors["random/torch"])
    if "random/cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["random/cuda"])


def _laid_out(kept: Tensors, weight: torch.Tensor) -> Tensors:
    """The optimiser's state laid out in memory as its weight: a fused step walks through both side by side."""
    return {name: torch.empty_like(weight).copy_(value) if value.shape == weight.shape else value for name, value in kept.items()}


def _below(tensors: Tensors, prefix: str) -> Tensors:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
