"""The model card of a segmenter: written with every section, refused with an empty one."""

from __future__ import annotations

import re

import pandas as pd

from core.bundles.card import NOT_STATED
from core.bundles.contents import SegmenterManifest
from core.contracts.pictures import PictureSet
from core.contracts.segmenter import SegmenterSpec
from core.errors import BundleError, InputError

SECTIONS = (
    "Intended use", "Not a medical device", "Pictures it may be given", "Training data", "Model", "Performance", "Limits",
    "Update policy", "Licence",
)  # fmt: skip
TOLD = ("dice", "jaccard", "sensitivity", "precision", "hd95", "nsd")


def segmenter_card(
    manifest: SegmenterManifest, pictures: PictureSet, spec: SegmenterSpec, scores: pd.DataFrame, n_train: int
) -> str:
    """The card as Markdown.

    Args:
        scores: the row's part of the study's ``scores``; n_train: cases that the kept fit learned from.

    Raises:
        InputError: no licence stated, or no score to report.
    """
    if manifest.licence.strip().casefold() in NOT_STATED:
        raise InputError("Neither the recipe nor the data set states a licence.", do="Write 'licence:' into the recipe.")
    regions = ", ".join(region.label for region in pictures.regions)
    bodies = {
        "Intended use": f"Research on outlining: {regions}. It outlines pictures like those it learned from.",
        "Not a medical device": "This is research software. No authority has cleared it, and it must not decide about care.",
        "Pictures it may be given": f"{pictures.dims}-D pictures with the channels {', '.join(pictures.channels)}, taken as in "
        f"{pictures.label}. On anything else its outline means nothing.",
        "Training data": "\n".join(
            [f"- {pictures.label}: {n_train} cases. Source: {pictures.citation}. Terms: {pictures.licence}.",
             *(f"- {note}" for note in pictures.notes)]
        ),
        "Model": f"{spec.label}. {spec.description} Weights are kept as 16-bit floats.",
        "Performance": _performance(scores),
        "Limits": "The scores are of one fit on one split by patient, where the study ran one; other hospitals, devices and "
        "protocols were not seen unless a left-out site is listed above.",
        "Update policy": "A bundle is never changed. A new fit gets the next version number.",
        "Licence": manifest.licence,
    }  # fmt: skip
    head = [f"# {manifest.label}: {pictures.label}"]
    if pictures.simulated:
        head.append("**SIMULATED: the patients behind this model were made up by a computer.**")
    return "\n\n".join([*head, *(f"## {name}\n\n{bodies[name]}" for name in SECTIONS)]) + "\n"


def _performance(scores: pd.DataFrame) -> str:
    rows = scores[(scores["group"] == "all") & scores["metric"].isin(TOLD) & scores["value"].notna()]
    if rows.empty:
        raise InputError("The study holds no score of this row.", do="Run the study to its end first.")
    return "\n".join(
        f"- {row['region']}, {row['metric']}: {row['value']:.3f} (95 % interval {row['low']:.3f} to {row['high']:.3f}); "
        f"{int(row['n'])} cases of {int(row['n_patients'])} patients; {row['split']}."
        for row in rows.to_dict("records")
    )


def check_segmenter_card(text: str) -> None:
    """Nothing, if every section says something and a licence is stated.

    Raises:
        BundleError: names the section.
    """
    found = {name.strip(): body.strip() for name, body in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.M | re.S)}
    for name in SECTIONS:
        if found.get(name, "").casefold() in NOT_STATED:
            code = "MODEL_LICENCE" if name == "Licence" else "MODEL_CARD"
            raise BundleError(f"The model card says nothing under {name!r}.", do="Build the bundle again.", code=code)
