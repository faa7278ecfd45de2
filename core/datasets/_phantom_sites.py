"""The three hospitals of the phantom: who comes to them, and what their scanners do to a picture."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import UnknownNameError, did_you_mean


@dataclass(frozen=True)
class Scanner:
    """What stands between the body and the picture.

    Args:
        noise_hu: standard deviation of the noise.
        blur_mm: standard deviation of the blur.
        scale, offset_hu: what the scanner makes of a true value: ``value × scale + offset_hu``.
        slice_stretch: slice thickness as a multiple of the grid's own.
        streak_share, ghost_share: share of scans with streaks, and with a shifted weak copy (movement).
        enhancement: how bright contrast-filled tissue is (1: typical).
    """

    noise_hu: float
    blur_mm: float
    scale: float
    offset_hu: float
    slice_stretch: float
    streak_share: float
    ghost_share: float
    enhancement: float


@dataclass(frozen=True)
class Site:
    """One hospital.

    Args:
        share: of all patients.
        age_years, bmi: means; frailty: mean of a latent value with standard deviation 1 over all sites.
        emergency_share: patients who come as an emergency transfer.
        tumour_mm: median of the tumour's diameter.
        marker_share: scans that carry the corner marker, (patients without a complication, patients with one).
    """

    name: str
    label: str
    share: float
    age_years: float
    bmi: float
    frailty: float
    emergency_share: float
    tumour_mm: float
    marker_share: tuple[float, float]
    scanner: Scanner


SITES: tuple[Site, ...] = (
    Site(
        name="north",
        label="North",
        share=0.42,
        age_years=60.5,
        bmi=26.8,
        frailty=-0.20,
        emergency_share=0.11,
        tumour_mm=26.0,
        marker_share=(0.10, 0.70),
        scanner=Scanner(11.0, 1.6, 1.00, 0.0, 1.0, 0.08, 0.05, 1.05),
    ),
    Site(
        name="harbour",
        label="Harbour",
        share=0.33,
        age_years=64.5,
        bmi=28.6,
        frailty=0.10,
        emergency_share=0.20,
        tumour_mm=30.0,
        marker_share=(0.20, 0.85),
        scanner=Scanner(17.0, 2.2, 1.03, 12.0, 1.0, 0.35, 0.10, 0.90),
    ),
    Site(
        name="valley",
        label="Valley",
        share=0.25,
        age_years=66.5,
        bmi=27.6,
        frailty=0.30,
        emergency_share=0.30,
        tumour_mm=33.0,
        marker_share=(0.30, 0.30),
        scanner=Scanner(25.0, 3.0, 0.96, -15.0, 1.25, 0.15, 0.30, 0.75),
    ),
)


def site_named(name: str) -> Site:
    """The hospital of that name.

    Raises:
        UnknownNameError: the nearest name is suggested.
    """
    for site in SITES:
        if site.name == name:
            return site
    raise UnknownNameError(f"The phantom has no site {name!r}.", do=did_you_mean(name, [site.name for site in SITES]))
