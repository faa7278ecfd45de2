"""The state of a training of pictures, written so that a kill at any moment leaves the last whole one.

One safetensors file holds the weights, the best weights, the optimiser's and the teacher's state, the state of all randomness,
and, in its header, counters and a stamp of the settings.
"""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from core.errors import CorruptError, TrainingError
from core.storage.atomic import atomic_path

if TYPE_CHECKING:
    from core.training.segmentation import _Fit

SECONDS_BETWEEN = 60.0
COUNTERS = ("epochs", "best_epoch", "best_score", "losses", "scores", "next_check", "stopped")


def stamp_of(fit: _Fit) -> str:
    """Sixteen hex digits over what a resumed fit must share with the killed one."""
    items = hashlib.sha256(np.ascontiguousarray(fit.training).tobytes()).hexdigest()
    plain = [fit.settings.model_dump(mode="json"), fit.context.seed, items, sorted(fit.network.state_dict())]
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()[:16]


def save_state(fit: _Fit, path: Path | None, last: float) -> float:
    """When the state was last written; written now if that is a minute ago and the fit goes on."""
    now = time.monotonic()
    if path is None or not fit.goes_on or now - (last or fit.budget.started_at) < SECONDS_BETWEEN:
        return last
    facts = {name: getattr(fit, name) for name in COUNTERS}
    facts |= {"used": fit.budget.spent, "stamp": stamp_of(fit), "rng": fit.rng.bit_generator.state}
    with atomic_path(path) as temporary:
        save_file(_tensors(fit), temporary, metadata={"facts": json.dumps(facts, default=_plain)})
    return now


def _plain(value: object) -> object:
    return value.item() if hasattr(value, "item") else str(value)


def _tensors(fit: _Fit) -> dict[str, torch.Tensor]:
    tensors = {f"network/{name}": weight for name, weight in fit.network.state_dict().items()}
    tensors |= {f"best/{name}": weight for name, weight in fit.best.items()}
    if fit.teacher:
        tensors |= {f"teacher/{name}": weight for name, weight in fit.teacher.network.state_dict().items()}
    for place, state in fit.optimizer.state_dict()["state"].items():
        tensors |= {f"optimiser/{place}/{name}": torch.as_tensor(value) for name, value in state.items()}
    tensors |= {"random/generator": fit.generator.get_state(), "random/torch": torch.get_rng_state()}
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}


def load_state(fit: _Fit, path: Path | None) -> None:
    """Puts the state of a killed fit into a fresh one; nothing where there is none.

    Raises:
        CorruptError: the file cannot be read.
        TrainingError: it is of other settings or other items (RESUME_MISMATCH).
    """
    if path is None or not path.exists():
        return
    try:
        with safe_open(str(path), "pt") as file:
            facts = json.loads(file.metadata()["facts"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise CorruptError(
            f"The checkpoint {path.name} cannot be read: {error}.", do="Delete it; the fit starts again."
        ) from error
    if facts["stamp"] != stamp_of(fit):
        raise TrainingError(
            f"The checkpoint {path.name} is of other settings or other pictures.", do="Delete it.", code="RESUME_MISMATCH"
        )
    _restore(fit, facts, tensors)


def _restore(fit: _Fit, facts: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
    fit.network.load_state_dict(_below(tensors, "network/"))
    fit.best = _below(tensors, "best/")
    if fit.teacher:
        fit.teacher.network.load_state_dict(_below(tensors, "teacher/"))
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in _below(tensors, "optimiser/").items():
        place, key = name.split("/")
        state.setdefault(int(place), {})[key] = tensor
    groups = fit.optimizer.state_dict()["param_groups"]
    placed = {place: _like(kept, _weight(fit, place)) for place, kept in state.items()}
    fit.optimizer.load_state_dict({"state": placed, "param_groups": groups})
    fit.generator.set_state(tensors["random/generator"])
    torch.set_rng_state(tensors["random/torch"])
    fit.rng.bit_generator.state = facts["rng"]
    fit.budget.used = facts["used"]
    for name in COUNTERS:
        setattr(fit, name, facts[name])


def _weight(fit: _Fit, place: int) -> torch.Tensor:
    weights: list[torch.Tensor] = [weight for group in fit.optimizer.param_groups for weight in group["params"]]
    return weights[place]


def _like(kept: dict[str, torch.Tensor], weight: torch.Tensor) -> dict[str, torch.Tensor]:
    """The optimiser's state laid out in memory as its weight: a fused step walks through both side by side."""
    return {name: torch.empty_like(weight).copy_(value) if value.shape == weight.shape else value for name, value in kept.items()}


def _below(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
