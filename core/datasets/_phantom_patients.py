"""Who the simulated patients are, and what the record says of them.

A patient is drawn from the cohort's seed and the patient's own number alone, so the first hundred of a thousand are the same
people as a cohort of a hundred. What is TRUE of a person (``Person``) and what the record SAYS (``recorded``) are kept apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from core.datasets._phantom_anatomy import Body, Build, draw_body
from core.datasets._phantom_sites import SITES, Site

RECORD_RANGES: Mapping[str, tuple[float, float]] = {
    "age": (18, 95),
    "bmi": (14, 60),
    "comorbidity_index": (0, 12),
    "haemoglobin": (50, 200),
    "egfr": (5, 140),
    "albumin": (12, 58),
    "tumour_size_mm": (8, 130),
}


@dataclass(frozen=True)
class Streams:
    """One patient's own sources of chance, each for one purpose, so that a change in one leaves the others alone."""

    person: np.random.Generator
    body: np.random.Generator
    record: np.random.Generator
    outcome: np.random.Generator
    scan: np.random.Generator


def streams(seed: int, number: int) -> Streams:
    """The sources of chance of patient ``number`` (from 0)."""
    children = np.random.SeedSequence(seed, spawn_key=(number,)).spawn(5)
    return Streams(*(np.random.default_rng(child) for child in children))


@dataclass(frozen=True)
class Person:
    """What is true of one patient, known to the simulation alone.

    Args:
        frailty: latent, standard deviation about 1; it shapes many fields and is in none.
        haemoglobin, albumin: g/L; egfr: mL/min/1.73 m²; tumour_mm: diameter.
        kidney_scale: size of the healthy organ (1: usual).
    """

    case_id: str
    site: str
    age: float
    sex: str
    bmi: float
    frailty: float
    emergency: bool
    comorbidity_index: int
    asa: int
    diabetes: bool
    smoking: str
    anticoagulation: bool
    egfr: float
    haemoglobin: float
    albumin: float
    tumour_mm: float
    side: str
    kidney_scale: float


def _chance(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-logit))


def draw_person(number: int, rng: np.random.Generator) -> Person:
    """Patient ``number``: site first, then the person, then what the illness did."""
    site = SITES[int(rng.choice(len(SITES), p=[site.share for site in SITES]))]
    frailty = float(site.frailty + rng.normal())
    age = float(np.clip(site.age_years + 2.0 * frailty + 11.0 * rng.normal(), 19, 92))
    female = bool(rng.random() < 0.40)
    bmi = float(np.clip(site.bmi + 4.8 * rng.normal() + 1.2 * max(0.0, rng.normal()) ** 2, 16.5, 54))
    return _draw_health(number, site, frailty, age, female, bmi, rng)


def _draw_health(
    number: int, site: Site, frailty: float, age: float, female: bool, bmi: float, rng: np.random.Generator
) -> Person:
    comorbidity = int(min(10, rng.poisson(math.exp(0.30 + 0.024 * (age - 63) + 0.38 * frailty))))
    diabetes = bool(rng.random() < _chance(-1.7 + 0.11 * (bmi - 27.5) + 0.03 * (age - 63) + 0.20 * comorbidity - 0.3))
    emergency = bool(rng.random() < _chance(math.log(site.emergency_share / (1 - site.emergency_share)) + 0.25 * frailty))
    scale = float(np.clip(1.0 + 0.11 * rng.normal() - 0.0015 * (age - 63), 0.70, 1.25))
    egfr = 84 - 0.72 * (age - 63) - 2.6 * comorbidity - 5 * diabetes + 85 * (scale - 1) + 11 * rng.normal()
    tumour_mm = site.tumour_mm * math.exp(0.40 * rng.normal() + 0.12 * emergency)
    haemoglobin = (130 if female else 141) - 1.8 * comorbidity - 2.5 * frailty - 9 * emergency + 9.5 * rng.normal()
    return Person(
        case_id=f"ph_{number:05d}",
        site=site.name,
        age=round(age, 3),
        sex="female" if female else "male",
        bmi=round(bmi, 3),
        frailty=round(frailty, 6),
        emergency=emergency,
        comorbidity_index=comorbidity,
        asa=_asa(0.55 * frailty + 0.35 * comorbidity + 0.02 * (age - 63) + 0.35 * emergency + 0.7 * rng.normal()),
        diabetes=diabetes,
        smoking=_smoking(frailty, female, rng),
        anticoagulation=bool(rng.random() < _chance(-2.5 + 0.055 * (age - 63) + 0.30 * comorbidity)),
        egfr=round(float(np.clip(egfr, 8, 132)), 3),
        haemoglobin=round(float(np.clip(haemoglobin - 0.06 * max(0.0, 80 - egfr), 62, 185)), 3),
        albumin=round(float(np.clip(41.5 - 1.7 * frailty - 0.06 * (age - 63) - 2.5 * emergency + 2.6 * rng.normal(), 18, 54)), 3),
        tumour_mm=round(float(np.clip(tumour_mm, 11, 92)), 3),
        side="right" if rng.random() < 0.5 else "left",
        kidney_scale=round(scale, 6),
    )


def _asa(latent: float) -> int:
    return 1 + int(latent > -0.45) + int(latent > 0.95) + int(latent > 2.75)


def _smoking(frailty: float, female: bool, rng: np.random.Generator) -> str:
    current = 0.17 * math.exp(0.28 * frailty) * (0.8 if female else 1.1)
    former = 0.33 * (0.8 if female else 1.15)
    draw = rng.random()
    return "current" if draw < current else "former" if draw < current + former else "never"


def draw_inside(person: Person, rng: np.random.Generator) -> Body:
    """The person's body, with the tumour in it."""
    build = Build(
        female=person.sex == "female",
        age=person.age,
        bmi=person.bmi,
        tumour_mm=person.tumour_mm,
        side=1 if person.side == "right" else -1,
        other_scale=person.kidney_scale,
    )
    return draw_body(build, rng)


def recorded(person: Person, body: Body, rng: np.random.Generator) -> dict[str, object]:
    """What the record says: rounded, with errors of measurement, and with gaps (None).

    An emergency transfer's record is less informative: blood is taken while bleeding or dehydrated, the history is short,
    the outside report reads the size roughly, and more is missing.
    """
    says = _written(person, body, rng)
    gaps = _chances_of_a_gap(person)
    draws = rng.random(len(gaps))
    for (name, chance), draw in zip(gaps.items(), draws, strict=True):
        if draw < chance:
            says[name] = None
    return says


def _written(person: Person, body: Body, rng: np.random.Generator) -> dict[str, object]:
    rough = 1.0 if person.emergency else 0.0
    missed = int(rng.binomial(person.comorbidity_index, 0.05 + 0.45 * rough))
    size = person.tumour_mm * math.exp((0.06 + 0.22 * rough) * rng.normal()) + 1.5 * rng.normal()
    return {
        "age": math.floor(person.age),
        "sex": person.sex,
        "bmi": _read("bmi", person.bmi + (0.3 + 2.2 * rough) * rng.normal(), 1),
        "asa": str(person.asa),
        "comorbidity_index": person.comorbidity_index - missed,
        "diabetes": int(person.diabetes),
        "smoking": person.smoking,
        "anticoagulation": int(person.anticoagulation),
        "haemoglobin": _read("haemoglobin", person.haemoglobin + (2.0 + 11.0 * rough) * rng.normal(), 0),
        "egfr": _read("egfr", person.egfr + (3.0 + 13.0 * rough) * rng.normal(), 0),
        "albumin": _read("albumin", person.albumin + (0.8 + 3.7 * rough) * rng.normal(), 0),
        "tumour_size_mm": _read("tumour_size_mm", size, 0),
        "side": person.side,
        "referral": "emergency_transfer" if person.emergency else "elective",
        "planned_approach": _planned_approach(person, body, rng),
    }


def _read(name: str, value: float, digits: int) -> float:
    low, high = RECORD_RANGES[name]
    return round(float(np.clip(value, low, high)), digits)


def _planned_approach(person: Person, body: Body, rng: np.random.Generator) -> str:
    """The surgeon has looked at the scan: a large tumour, or one at the vessels, is planned open more often."""
    near = math.exp(-body.tumour_to_vessel_mm / 10)
    logit = -1.9 + 0.05 * (person.tumour_mm - 40) + 1.2 * near + 0.6 * person.emergency
    return "open" if rng.random() < _chance(logit) else "minimally_invasive"


def _chances_of_a_gap(person: Person) -> dict[str, float]:
    """Some gaps come by chance; most depend on what IS recorded (age, ASA class, site, referral): missing at random."""
    transfer, fit = float(person.emergency), float(person.asa <= 2)
    young = float(person.age < 50)
    return {
        "bmi": 0.02 + 0.10 * transfer,
        "comorbidity_index": 0.01 + 0.14 * transfer,
        "diabetes": 0.01 + 0.05 * transfer,
        "smoking": 0.03 + 0.15 * transfer,
        "anticoagulation": 0.01 + 0.07 * transfer,
        "haemoglobin": 0.01 + 0.05 * young * fit,
        "egfr": 0.02 + 0.10 * young,
        "albumin": 0.05 + 0.16 * fit + 0.10 * (person.site == "valley") + 0.10 * transfer,
        "tumour_size_mm": 0.02 + 0.06 * transfer,
    }
