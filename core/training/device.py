"""Which device a study runs on, and how its networks are trained there."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from core.errors import InputError

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def available_devices() -> tuple[str, ...]:
    """``cpu``, and ``cuda`` where there is a GPU that this torch can use."""
    import torch

    return ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)


def choose_device(wanted: str) -> str:
    """``cpu`` or ``cuda``; ``auto`` takes the GPU where there is one.

    Raises:
        InputError: ``cuda`` was asked for and there is none.
    """
    devices = available_devices()
    if wanted == "auto":
        return devices[-1]
    if wanted not in devices:
        raise InputError(f"--device {wanted} was asked for; this machine has: {', '.join(devices)}.", do="Use --device auto.")
    return wanted


def start_fabric(device: str, precision: Any) -> Fabric:
    """One process and one device; under ``torchrun`` as many as it started, which share every batch (DDP).

    Args:
        device: ``cpu`` or ``cuda``; precision: as Fabric names it (``32-true``, ``bf16-mixed``, ``16-mixed``).
    """
    from lightning_fabric import Fabric

    here, all_of_them = (int(os.environ.get(name, "1")) for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE"))
    if all_of_them == 1:
        return Fabric(accelerator=device, devices=1, precision=precision)
    fabric = Fabric(accelerator=device, devices=here, num_nodes=all_of_them // here, strategy="ddp", precision=precision)
    fabric.launch()
    return fabric


def autocast(precision: str, device: str) -> AbstractContextManager[Any]:
    """What the arithmetic of a network runs under.

    Args:
        precision: ``fp32``, ``bf16``, ``fp16`` (on a GPU alone), or ``auto``: bf16 where it is quicker, which is on a GPU and
            on a CPU that multiplies bf16 itself. device: ``cpu`` or ``cuda``.
    """
    import torch

    if precision == "fp16" and device == "cuda":
        return torch.autocast(device, torch.float16)
    wanted = precision == "bf16" or (precision == "auto" and (device == "cuda" or _multiplies_bf16()))
    return torch.autocast(device, torch.bfloat16) if wanted else nullcontext()


def _multiplies_bf16() -> bool:
    import torch

    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())
