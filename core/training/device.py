"""Which device a study runs on."""

from __future__ import annotations

from core.errors import InputError


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
