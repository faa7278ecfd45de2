"""The stamps of a run: data, split, code, configuration, packages, seed, hardware."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path

from core import __version__
from core.storage.locations import ROOT

NAMED_PACKAGES = ("numpy", "pandas", "scikit-learn", "lightgbm", "interpret-core", "lifelines", "torch", "timm", "streamlit")


def code_stamp() -> str:
    """Sixteen hex digits over every Python file of ``core``: changes whenever the code does."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "core").rglob("*.py")):
        digest.update(path.relative_to(ROOT).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def provenance(*, fingerprint: str, folds_stamp: str, seed: int, device: str, workers: int) -> dict[str, object]:
    """The stamps of a run as plain data; no path, no user name, no host name."""
    versions = {dist.metadata["Name"]: dist.version for dist in distributions()}
    everything = "\n".join(sorted(f"{name}=={version}" for name, version in versions.items()))
    return {
        "version": __version__,
        "code": code_stamp(),
        "commit": _commit(),
        "data": fingerprint,
        "split": folds_stamp,
        "seed": seed,
        "python": platform.python_version(),
        "packages": {name: versions[name] for name in NAMED_PACKAGES if name in versions},
        "environment": hashlib.sha256(everything.encode()).hexdigest()[:16],
        "hardware": hardware(),
        "device": device,
        "workers": workers,
        "threads_per_worker": 1,
    }


def hardware() -> Mapping[str, object]:
    """Processor, cores and memory of this machine."""
    return {"processor": _processor(), "cores": os.cpu_count(), "memory_gib": _memory_gib(), "system": platform.system()}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _memory_gib() -> float:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)


def _commit() -> str:
    try:
        found = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return found.stdout.strip()
