"""Is this installation able to work? One finding per thing checked."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from core.storage.locations import data_parent, places
from core.training.device import available_devices

FLOORS = {
    "torch": "2.14", "torchvision": "0.29", "streamlit": "1.57", "scikit-learn": "1.5", "pandas": "2.2", "lightgbm": "4.5",
    "interpret-core": "0.6", "lifelines": "0.30", "safetensors": "0.4", "nibabel": "5.2", "pyarrow": "17.0",
}  # fmt: skip
"""Lowest versions believed to work; torch below 2.10 runs code from weights files (CVE-2025-32434, CVE-2026-24747)."""

NEEDED_GIB = 4


@dataclass(frozen=True)
class Check:
    """One thing checked: its name, whether it is well, what was found, what to do if not."""

    name: str
    well: bool
    found: str
    do: str = ""


def examine() -> tuple[Check, ...]:
    """Every check, in reading order."""
    return (*_python(), *_packages(), *_libraries(), *_machine(), *_places())


def _python() -> Iterator[Check]:
    current = ".".join(map(str, sys.version_info[:3]))
    yield Check("Python", (3, 11) <= sys.version_info[:2] <= (3, 13), current, "Use Python 3.11, 3.12 or 3.13.")


def _packages() -> Iterator[Check]:
    for name, floor in FLOORS.items():
        try:
            found = version(name)
        except PackageNotFoundError:
            yield Check(name, False, "not installed", "Run: make install")
            continue
        yield Check(name, _numbers(found) >= _numbers(floor), f"{found} (at least {floor})", "Run: make install")


def _libraries() -> Iterator[Check]:
    found = _loads("libgomp.so.1")
    yield Check("libgomp", found, "found" if found else "missing", "LightGBM needs it: apt-get install libgomp1")
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    yield Check("browser for tests", True, "found" if browser else "none: browser tests are skipped")


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _machine() -> Iterator[Check]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    yield Check("memory", memory >= NEEDED_GIB - 0.5, f"{memory:.1f} GiB", f"Studies need {NEEDED_GIB} GiB; use --workers 1.")
    yield Check("cores", True, str(os.cpu_count()))
    yield Check("devices", True, ", ".join(available_devices()))


def _places() -> Iterator[Check]:
    home = places().home
    free = shutil.disk_usage(home).free / 2**30
    yield Check("disk", free >= 2, f"{free:.1f} GiB free", "Free some space: studies and simulated volumes need 2 GiB.")
    yield Check(
        "writable",
        os.access(home, os.W_OK),
        "yes" if os.access(home, os.W_OK) else "no",
        "Set OPSIGHT_HOME to a folder you may write.",
    )
    parent = data_parent()
    found = sorted(item.name for item in parent.iterdir() if item.is_dir()) if parent.is_dir() else []
    yield Check("data sets", True, ", ".join(found) if found else "none found; set OPSIGHT_DATA or use data/raw")


def _numbers(text: str) -> tuple[int, ...]:
    parts = []
    for part in text.split("+")[0].split("."):
        if not part.isdigit():
            break
        parts.append(int(part))
    return tuple(parts)
