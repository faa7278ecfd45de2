"""Invented KiTS records and masks, in the shape of the source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.contracts.volume import Volume
from core.datasets._kits_codebook import CHARLSON_POINTS
from core.datasets._kits_outcomes import targets_of
from core.datasets._kits_record import table_of
from core.ingest.nifti import write_nifti


def record(number: int = 0, **changes: Any) -> dict[str, Any]:
    """An invented record in the shape of the source."""
    plain: dict[str, Any] = {
        "case_id": f"case_{number:05d}",
        "gender": "female",
        "vital_status": "censored",
        "vital_days_after_surgery": 900,
        "bmi": 27.5,
        "comorbidities": dict.fromkeys(CHARLSON_POINTS, False),
        "age_at_nephrectomy": 61,
        "hospitalization": 3,
        "er_visit": False,
        "readmission": False,
        "surgery_type": "robotic",
        "surgical_approach": "transperitoneal",
        "surgical_procedure": "partial_nephrectomy",
        "estimated_blood_loss": 150,
        "clavien_surgical_complications": "0",
        "intraoperative_complications": {
            "blood_transfusion": False,
            "injury_to_surrounding_organ": False,
            "cardiac_event": False,
        },
        "ischemia_time": 18,
        "operative_time": 200,
        "smoking_history": "never_smoked",
        "age_when_quit_smoking": None,
        "pack_years": 0.0,
        "chewing_tobacco_use": "never_or_not_in_the_last_3_months",
        "alcohol_use": "two_or_less_daily",
        "radiographic_size": 2.3,
        "cytoreductive": False,
        "pathologic_size": 2.1,
        "malignant": True,
        "pathology_t_stage": "1a",
        "tumor_histologic_subtype": "clear_cell_rcc",
        "positive_resection_margins": False,
        "last_preop_egfr": {"days_before_nephrectomy": 10, "value": 77.0},
        "first_postop_egfr": {"days_after_nephrectomy": 90, "value": 66.0},
        "last_postop_egfr": {"days_after_nephrectomy": 900, "value": 60.0},
        "aua_risk_score": "low_risk",
    }
    return plain | changes


def row(**changes: Any) -> pd.Series:
    """One record's row of the table."""
    reading = table_of([record(**changes)])
    assert not reading.problems
    return reading.table.iloc[0]


def target(**changes: Any) -> pd.Series:
    """One record's outcomes."""
    return targets_of(table_of([record(**changes)]).table).iloc[0]


def draw_mask(path: Path, side: str = "left", spacing: float = 3.0) -> None:
    """Two kidneys and a tumour, in the source's order of axes: down, back, left."""
    voxels = np.zeros((30, 40, 60), np.uint8)
    voxels[8:22, 14:26, 6:18] = voxels[8:22, 14:26, 42:54] = 1
    column = 46 if side == "left" else 10
    voxels[5:11, 16:22, column : column + 5] = 2
    affine = np.zeros((4, 4))
    affine[2, 0] = affine[1, 1] = affine[0, 2] = -spacing
    affine[3, 3] = 1
    path.parent.mkdir(parents=True, exist_ok=True)
    write_nifti(path, Volume(voxels, affine))
