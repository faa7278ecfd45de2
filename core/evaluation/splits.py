"""Names of the splits that predictions come from, and which of them are judgements of their own."""

from __future__ import annotations

INTERNAL = "internal"
"""Cross-validation: every case judged by models that had not seen its patient."""
MISSING = "missing:"
"""Then the input that was taken away: the same models and cases as ``internal``, without that input."""
APPARENT = "apparent"
"""The cases that a fold's models learned from; the repeat is the fold."""
STABILITY = "stability"
"""All internal cases, by the model that learned from all of them (repeat 0) and by refits on bootstrap samples."""
LEARNING = "learning:"
"""Then the share of the training patients learned from, in percent: the same cases as ``internal``."""
ABLATION = "ablation:"
"""Then the input left out: models fitted again without it, on the same patients and cases as ``internal``."""
SECTION = "section:"
"""Then a section of the record, as an input left out."""
AIDS = (MISSING, APPARENT, STABILITY, LEARNING, ABLATION)


def judged(split: str) -> bool:
    """Whether the split judges models on patients they had not seen, as they would be used."""
    return not split.startswith(AIDS)
