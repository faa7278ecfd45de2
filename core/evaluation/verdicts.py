"""The words that tell whether a gap between groups matters, and the rule of each."""

from __future__ import annotations

from collections.abc import Mapping

ADEQUATE = "adequate"
DISPARITY = "disparity"
NO_EVIDENCE = "no evidence"
TOO_FEW = "too few events"
VERDICTS: Mapping[str, str] = {
    ADEQUATE: "The whole 95 % interval of the gap lies inside the margin that was stated beforehand.",
    DISPARITY: "The gap is not zero beyond chance, after Holm's correction, and its interval reaches past the margin.",
    NO_EVIDENCE: "The interval holds zero and reaches past the margin: neither a gap nor its absence is shown.",
    TOO_FEW: "Fewer than 10 patients with the event or without it, here or in the others: nothing can be said.",
}
LEVEL = 0.05


def verdict_of(gap_low: float, gap_high: float, p_holm: float, margin: tuple[float, float]) -> str:
    """``ADEQUATE``, ``DISPARITY`` or ``NO_EVIDENCE``, from the gap's interval and the ends of what would not matter."""
    if margin[0] <= gap_low and gap_high <= margin[1]:
        return ADEQUATE
    return DISPARITY if p_holm < LEVEL else NO_EVIDENCE
