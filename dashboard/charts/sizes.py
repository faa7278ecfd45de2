"""How many patients a model needs, in words and as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd


def sentence(needed: Mapping[str, Any], label: str) -> str:
    """Whether the study is large enough to develop the model, and for whom else to judge it.

    Args:
        needed: an outcome's ``needed``; label: of the model.
    """
    most = {phase: max((one for one in needed["criteria"] if one["phase"] == phase), key=_patients) for phase in PHASES}
    build, judge = most["development"], most["validation"]
    enough = needed["n"] >= build["patients"]
    return (
        f"{label} tries {needed['parameters']} parameters, which takes {build['patients']:,} patients with {build['events']:,} "
        f"events: this study, with {needed['n']:,} and {needed['n_events']:,}, is {'large enough' if enough else 'too small'}. "
        f"To judge it firmly on new patients takes {judge['patients']:,}, with {judge['events']:,} events."
    )


PHASES = {"development": "To develop it", "validation": "To judge it on new patients"}


def _patients(criterion: Mapping[str, Any]) -> int:
    return int(criterion["patients"])


def table(needed: Mapping[str, Any]) -> pd.DataFrame:
    """One row a demand."""
    return pd.DataFrame(
        [
            {
                "What for": PHASES[one["phase"]], "Demand": str(one["demand"])[:1].upper() + str(one["demand"])[1:],
                "Patients": one["patients"], "With the event": one["events"],
                "This study": "enough" if needed["n"] >= one["patients"] else "too few",
            }
            for one in needed["criteria"]
        ]
    )  # fmt: skip


def basis(needed: Mapping[str, Any]) -> str:
    """What the numbers rest on."""
    r2 = f"a Cox-Snell R² of {needed['r2']:.3f} (at most {needed['largest_r2']:.2f} is possible at this rate)"
    if needed["assumed"]:
        return (
            f"The model learned nothing that held on new patients; the numbers assume {r2}, 15 % of the largest, as is customary."
        )
    return f"From predictions on patients it had not seen: {r2}. Parameters are those of a regression on the same fields."
