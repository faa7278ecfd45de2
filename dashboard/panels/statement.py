"""One statement about a patient on the screen: a personal risk, a group's rate, or calm words."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.contracts.statement import Abstention, GroupRate, PersonalRisk, Statement
from core.counseling.words import Telling, screen_denominator, tell
from dashboard.charts import icons, recovery
from dashboard.charts.look import BLUE, SKY
from dashboard.charts.wording import percent
from dashboard.widgets import figures

PICTURE_PX = 200
"""Width of the persons where there is room; a narrow column makes them smaller."""


def draw_statements(statements: Sequence[Statement]) -> None:
    """All statements of one screen, with one denominator for all."""
    denominator = screen_denominator(statements)
    for statement in statements:
        with st.container(border=True):
            _draw(statement, tell(statement, denominator))


def _draw(statement: Statement, telling: Telling) -> None:
    st.subheader(telling.title, anchor=False)
    if isinstance(statement, Abstention):
        _abstention(statement, telling)
    elif isinstance(statement, GroupRate):
        st.badge("NUMBER OF THE WHOLE GROUP", color="gray", help="The model cannot tell this patient apart from the others.")
        st.markdown(f"{statement.why} **What would be needed:** {statement.needed}")
        _number(statement, telling)
        _group_facts(statement)
    else:
        _number(statement, telling)
        _personal_facts(statement)


def _abstention(statement: Abstention, telling: Telling) -> None:
    st.markdown(f"#### {telling.sentences[0]}")
    st.markdown(statement.why)
    for detail in statement.details:
        st.markdown(f"- {detail}")
    st.markdown(f"**What would be needed:** {statement.needed}")


def _number(statement: PersonalRisk | GroupRate, telling: Telling) -> None:
    picture, words = st.columns([1, 2], gap="medium", vertical_alignment="top")
    with picture:
        _persons(statement, telling)
    with words:
        st.markdown(f"#### {telling.event_sentence}\n#### {telling.no_event_sentence}")
        st.markdown(f"{telling.band_sentence} {telling.cause_sentence}")
        st.caption("  \n".join((telling.reference_sentence, *telling.cautions)))
    if statement.chance_by_day:
        _days(statement, telling)


def _persons(statement: PersonalRisk | GroupRate, telling: Telling) -> None:
    """So many persons filled; a count that is hidden is not drawn as if it were known."""
    if telling.counts is None or getattr(statement, "at_most", False):
        return
    colour = SKY if st.context.theme.type == "dark" else BLUE
    drawn = icons.icon_array(telling.counts, telling.event_sentence, telling.no_event_sentence, colour)
    st.image(drawn.svg, width=PICTURE_PX, alt=drawn.alt)
    st.caption(f"Filled: {telling.counts.event:,} of {telling.denominator:,}  \nOutlined: {telling.counts.no_event:,}")


def _days(statement: PersonalRisk | GroupRate, telling: Telling) -> None:
    """The same by day: sentences, and a curve with its range."""
    st.markdown("\n".join(f"- {sentence}" for sentence in telling.day_sentences))
    alt = f"{telling.title}: chance by day; the band is the range."
    figures.figure(recovery.chance_by_day(statement.chance_by_day), name=f"by_day_{statement.outcome}", alt=alt)


def _personal_facts(statement: PersonalRisk) -> None:
    with st.expander("What this rests on"):
        st.markdown(f"**What is counted:** {statement.definition}")
        st.markdown(
            f"**Learned from:** {statement.n:,} patients, {statement.n_events:,} of them with the event "
            f"({percent(statement.base_rate)}): {statement.reference}."
        )
        st.markdown(f"**Model:** {statement.model}. **Range:** 5% to 95% over {statement.refits} refits.")


def _group_facts(statement: GroupRate) -> None:
    count = f"at most {statement.count:,}" if getattr(statement, "at_most", False) else f"{statement.count:,}"
    with st.expander("What this rests on"):
        st.markdown(f"**What is counted:** {statement.definition}")
        st.markdown(
            f"**Seen:** {count} of {statement.n:,} patients, 95% interval {percent(statement.low)} to "
            f"{percent(statement.high)}: {statement.reference}."
        )
