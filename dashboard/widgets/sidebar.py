"""The sidebar: one study is chosen here and kept in the URL."""

from __future__ import annotations

import streamlit as st

from core.errors import OpSightError
from core.storage.summaries import StudyPlace, kind_of
from dashboard.widgets import badges, choosers, state, store


def sidebar(kinds: tuple[str, ...] = ()) -> None:
    """The study chooser with the studies that the page can show, and the line that stands on every page."""
    with st.sidebar:
        places = studies_of(kinds)
        if places:
            _choose(places, kinds)
        st.space("small")
        st.caption("For research. Not a medical device; not for decisions about a patient's care.")


def studies_of(kinds: tuple[str, ...] = ()) -> tuple[StudyPlace, ...]:
    """Studies of these kinds, or all; one that cannot be read is offered everywhere, so that its trouble is told."""
    return tuple(place for place in store.studies() if not kinds or _kind(place) in (*kinds, ""))


def chosen_study(*kinds: str) -> StudyPlace | None:
    """The study of these kinds that the URL or the sidebar names; None where there is none."""
    places = {place.name: place for place in studies_of(kinds)}
    if not places:
        return None
    return places[state.from_url(state.STUDY, list(places), _default(tuple(places.values()), kinds))]


def _kind(place: StudyPlace) -> str:
    try:
        return kind_of(store.facts(place))
    except OpSightError:
        return ""


def title_of(place: StudyPlace) -> str:
    """What people read for a study; its slug where the summary cannot be read."""
    try:
        title = str(store.facts(place).get("title") or place.name)
    except OpSightError:
        return f"{place.name} (cannot be read)"
    return f"{title} (shipped)" if place.name.endswith(":published") else title


def _choose(places: tuple[StudyPlace, ...], kinds: tuple[str, ...]) -> None:
    words = {place.name: title_of(place) for place in places}
    st.session_state[_memory(kinds)] = choosers.select("Study", state.STUDY, words, _default(places, kinds))


def _default(places: tuple[StudyPlace, ...], kinds: tuple[str, ...]) -> str:
    """The study last looked at on pages of these kinds, else the first."""
    last = st.session_state.get(_memory(kinds))
    return str(last) if last in {place.name for place in places} else _first(places)


def _memory(kinds: tuple[str, ...]) -> str:
    return f"_study_of_{'_'.join(kinds)}"


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
