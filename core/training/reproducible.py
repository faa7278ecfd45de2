"""The same seed gives the same weights, on the same device with the same number of threads."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def reproducible(seed: int, device: str) -> Iterator[None]:
    """Seeds torch and asks for deterministic kernels inside the block; gives the caller's state back after it."""
    on_cuda = device.startswith("cuda")
    if on_cuda:
        # cuBLAS reads this when it starts; without it its sums may differ from run to run.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if on_cuda else []):
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(True, warn_only=True)
        try:
            with warnings.catch_warnings():
                # Unpooling by stored places is repeatable on a processor; torch warns of it on every device alike.
                warnings.filterwarnings("ignore", message=".*does not have a deterministic implementation")
                yield
        finally:
            torch.use_deterministic_algorithms(before[0], warn_only=before[1])
