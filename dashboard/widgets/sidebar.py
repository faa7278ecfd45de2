"""The sidebar: one study is chosen here and kept in the URL."""

from __future__ import annotations

import streamlit as st

from core.errors import OpSightError
from core.storage.summaries import StudyPlace
from dashboard.widgets import badges, choosers, state, store


def sidebar() -> None:
    """The study chooser with the badges of the chosen study, and the line that stands on every page."""
    with st.sidebar:
        places = store.studies()
        if places:
            _choose(places)
        st.space("small")
        st.caption("For research. Not a medical device; not for decisions about a patient's care.")


def chosen_study() -> StudyPlace | None:
    """The study that the URL or the sidebar names; None where there is no study at all."""
    places = {place.name: place for place in store.studies()}
    if not places:
        return None
    return places[state.from_url(state.STUDY, list(places), _first(tuple(places.values())))]


def title_of(place: StudyPlace) -> str:
    """What people read for a study; its slug where the summary cannot be read."""
    try:
        title = str(store.facts(place).get("title") or place.name)
    except OpSightError:
        return f"{place.name} (cannot be read)"
    return f"{title} (shipped)" if place.name.endswith(":published") else title


def _choose(places: tuple[StudyPlace, ...]) -> None:
    choosers.select("Study", state.STUDY, {place.name: title_of(place) for place in places}, _first(places))


def _first(places: tuple[StudyPlace, ...]) -> str:
    """Real studies before simulated ones, then by name."""

    def rank(place: StudyPlace) -> tuple[bool, str]:
        try:
            return bool(store.facts(place)["dataset"].get("simulated")), place.name
        except (OpSightError, KeyError):
            return True, place.name

    return min(places, key=rank).name


def badges_of(place: StudyPlace) -> tuple[badges.Badge, ...]:
    """The badges of a study."""
    return badges.of_study(bool(store.facts(place)["dataset"].get("simulated")), place.published)
