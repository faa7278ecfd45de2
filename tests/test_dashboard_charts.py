"""Charts and the tables behind them: pure functions, no page."""

from __future__ import annotations

import math
import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.counseling.counts import Counts
from core.storage.summaries import StudySummary
from dashboard.charts import cost, curves, icons, leaderboard, look, recovery, rows, transport, wording
from tests.fixtures_studies import synthetic_study


@pytest.fixture(scope="module")
def study() -> StudySummary:
    return synthetic_study()


def test_numbers_are_written_as_people_read_them() -> None:
    assert wording.with_interval(0.684, 0.612, 0.751) == "0.68 (0.61 to 0.75)"
    assert wording.with_interval(0.6842, 0.6801, 0.6899) == "0.684 (0.680 to 0.690)"
    assert wording.difference_with_interval(0.011, -0.012, 0.034) == "+0.01 (−0.01 to +0.03)"
    assert wording.signed(-0.001) == "0.00"
    assert wording.percent(0.1799) == "18%"
    assert wording.plural(1, "study", "studies") == "1 study"


@pytest.mark.parametrize("value", [float("nan"), None, float("inf")])
def test_a_number_that_is_not_defined_is_said_so(value: float) -> None:
    assert wording.number(value) == wording.NOT_DEFINED
    assert wording.percent(value) == wording.NOT_DEFINED


def test_a_hidden_count_is_told_as_a_bound() -> None:
    assert wording.events(None, 10) == "fewer than 10"
    assert wording.events(float("nan"), 10) == "fewer than 10"
    assert wording.events(pd.Series([88]).iloc[0], 10) == "88"


def test_the_leaderboard_keeps_families_together_and_puts_the_best_first(study: StudySummary) -> None:
    board = rows.leaderboard(study, "complication", "internal", "record")
    families = list(dict.fromkeys(board["family"]))
    assert families == ["reference", "traditional", "tabular", "image", "fusion"]
    for _, group in board.groupby("family"):
        assert group["value"].is_monotonic_decreasing
    assert not board["with_procedure"].any()
    assert len(board) == 13


def test_variants_with_procedure_are_told_apart(study: StudySummary) -> None:
    both = rows.leaderboard(study, "complication", "internal", "both")
    pairs = both[both["base_model"] == "random_forest"]
    assert list(pairs["with_procedure"]) == [False, True]
    procedure = rows.leaderboard(study, "complication", "internal", "procedure")
    assert set(procedure.loc[procedure["family"] == "image", "with_procedure"]) == {False}
    assert procedure.loc[procedure["base_model"] == "random_forest", "with_procedure"].item()


def test_each_model_has_at_most_one_difference_and_it_is_to_the_reference(study: StudySummary) -> None:
    board = rows.leaderboard(study, "complication", "internal", "both")
    assert board["model"].is_unique
    assert set(board["rival"].dropna()) == {"logistic_regression"}
    assert board.set_index("model")["difference"].isna()["logistic_regression"]


def test_every_drawn_score_has_an_interval_and_words_beside_it(study: StudySummary) -> None:
    board = rows.leaderboard(study, "complication", "internal", "both")
    figure = leaderboard.forest(board, "auroc")
    points = [trace for trace in figure.data if trace.xaxis == "x"]
    assert len(points) == len(board)
    assert all(trace.error_x.array is not None and trace.error_x.arrayminus is not None for trace in points)
    written = [note.text for note in figure.layout.annotations]
    assert sum(bool(re.fullmatch(r"0\.\d\d \(0\.\d\d to 0\.\d\d\)", text)) for text in written) == len(board) - 1
    assert "0.50" in written


def test_a_score_that_is_not_defined_has_a_row_but_no_point(study: StudySummary) -> None:
    board = rows.leaderboard(study, "complication", "internal", "record")
    board.loc[board["model"] == "random_forest", ["value", "low", "high"]] = float("nan")
    figure = leaderboard.forest(board, "auroc")
    assert len([trace for trace in figure.data if trace.xaxis == "x"]) == len(board) - 1
    assert wording.NOT_DEFINED in [note.text for note in figure.layout.annotations]


def test_a_model_keeps_its_colour_in_every_figure(study: StudySummary) -> None:
    mark = look.mark_of("random_forest", "tabular")
    board = rows.leaderboard(study, "complication", "internal", "record")
    forest = {trace.y[0]: trace.marker.color for trace in leaderboard.forest(board, "auroc").data if trace.xaxis == "x"}
    assert mark.colour in forest.values()
    roc = curves.roc(rows.curve_rows(study, "complication", "internal", "roc", ["random_forest"]))
    assert next(trace for trace in roc.data if trace.name == "Random forest").line.color == mark.colour
    prices = rows.cost_rows(study)
    place = list(prices["model"]).index("random_forest")
    assert cost.cost(prices).data[0].marker.color[place] == mark.colour


def test_a_model_keeps_its_colour_whichever_others_are_there() -> None:
    assert look.mark_of("a_model_of_tomorrow") == look.mark_of("a_model_of_tomorrow")
    assert look.mark_of("base_rate", "reference").colour == look.GREY


def test_no_two_known_models_of_one_kind_of_study_look_the_same() -> None:
    for places in (look.OUTCOME_PLACES, look.SEGMENTER_PLACES):
        marks = [(mark.colour, mark.symbol) for mark in map(look.mark_of, places)]
        assert len(set(marks)) == len(marks)


def test_a_variant_with_procedure_has_the_colour_of_its_model_and_another_form() -> None:
    plain, variant = look.mark_of("cox"), look.mark_of("cox", with_procedure=True)
    assert plain.colour == variant.colour
    assert (plain.symbol, plain.dash) != (variant.symbol, variant.dash)


def test_curves_have_bands_and_a_grey_line_of_reference(study: StudySummary) -> None:
    models = ["random_forest", "logistic_regression"]
    points = rows.curve_rows(study, "complication", "internal", "precision_recall", models)
    figure = curves.precision_recall(points, 88 / 489)
    assert sum(trace.fill == "toself" for trace in figure.data) == 2
    line = figure.data[-1]
    assert line.line.color == look.GREY and line.y[0] == pytest.approx(88 / 489) and "18%" in line.name
    assert [trace.name for trace in figure.data if trace.name][:2] == ["Random forest", "Logistic regression"]


def test_splits_stand_beside_each_other_with_one_symbol_each(study: StudySummary) -> None:
    table = rows.beside(study, "complication", "record")
    figure = transport.dumbbell(table, "auroc")
    assert [trace.name for trace in figure.data] == ["Cross-validation", "Release check", "Hospital North"]
    assert len({trace.marker.symbol for trace in figure.data}) == 3
    assert "Hospital North" in transport.dumbbell_alt(table, "auroc")


def test_recovery_is_drawn_by_day_against_what_was_seen(study: StudySummary) -> None:
    points = rows.recovery_rows(study, "recovery", "internal", ["cox"], 14)
    figure = recovery.home_by_day(points, recovery.Clock((1, 2, 3, 5, 7, 14)))
    assert {trace.name for trace in figure.data if trace.name} == {"What was seen", "Cox regression"}
    assert tuple(figure.layout.xaxis.tickvals) == (1, 2, 3, 5, 7, 14)
    assert "at home: " in recovery.home_alt(points, recovery.Clock((14,))) and "by day 14" in recovery.home_alt(
        points, recovery.Clock((14,))
    )


def test_time_counted_in_visits_is_never_called_days() -> None:
    clock = recovery.Clock.of({"days": [1, 2], "moments": ["2 weeks", "3 months"], "reached": "at 70 letters"})
    points = pd.DataFrame({"day": [0, 1, 2, 3], "observed": [0.0, 0.2, 0.5, 0.5], "predicted": [0.1, 0.2, 0.4, 0.5]})
    points = points.assign(observed_low=0.0, observed_high=1.0, model="cox", base_model="cox", family="recovery")
    figure = recovery.home_by_day(points.assign(with_procedure=False, label="Cox"), clock)
    assert figure.layout.xaxis.title.text == "Visit after the operation"
    assert figure.layout.xaxis.ticktext == ("2 weeks", "3 months")
    assert list(figure.data[1].x) == [1, 2]
    told = recovery.home_alt(points, clock)
    assert told.startswith("Share of patients at 70 letters: 20% by the visit at 2 weeks, 50% by the visit at 3 months")


@given(event=st.integers(0, 100))
def test_icons_sum_to_the_denominator_and_stand_in_one_block(event: int) -> None:
    drawn = icons.icon_array(Counts(event, 100 - event, 100), "with.", "without.")
    with_event, without = drawn.svg.split('class="event"')[1].split('class="no-event"')
    assert with_event.count("<path") == event
    assert without.count("<path") == 100 - event
    places = [(int(y), int(x)) for x, y in re.findall(r"translate\((\d+) (\d+)\)", drawn.svg)]
    assert places == sorted(places), "filled persons come first, in reading order"
    assert len(places) == 100


def test_a_thousand_persons_can_be_drawn_too() -> None:
    drawn = icons.icon_array(Counts(7, 993, 1000), "with.", "without.")
    assert drawn.svg.count("<path") == 1000
    assert drawn.alt.startswith("Of 1,000 persons, 7 are filled")


def test_text_in_an_icon_array_cannot_break_out_of_the_drawing() -> None:
    assert "<script>" not in icons.icon_array(Counts(1, 99, 100), "<script>", "&").svg


@given(flagged=st.floats(0, 1), sensitivity=st.floats(0, 1), rate=st.floats(0.001, 0.999))
def test_the_consequences_of_a_threshold_sum_to_100(flagged: float, sensitivity: float, rate: float) -> None:
    told = rows.consequences(flagged, sensitivity, rate)
    parts = (told.flagged_rightly, told.flagged_in_vain, told.missed, told.left_rightly)
    assert sum(parts) == 100 and min(parts) >= 0


def test_the_consequences_of_a_threshold_are_those_counted_by_hand() -> None:
    told = rows.consequences(flagged=0.30, sensitivity=0.6, rate=0.2)
    assert (told.flagged_rightly, told.flagged_in_vain, told.missed, told.left_rightly) == (12, 18, 8, 62)


def test_models_drawn_first_are_the_best_the_reference_and_no_more_than_asked(study: StudySummary) -> None:
    board = rows.leaderboard(study, "complication", "internal", "record")
    first = rows.first_choice(board, "logistic_regression", limit=3)
    assert first[0] == rows.best_of(board) and "logistic_regression" in first and len(first) == 3


def test_a_board_without_models_has_no_best_and_says_so(study: StudySummary) -> None:
    board = rows.leaderboard(study, "complication", "no such split", "record")
    assert board.empty and rows.best_of(board) == ""
    assert "No model" in leaderboard.forest_alt(board, "auroc")


def test_durations_are_told_in_the_unit_that_fits() -> None:
    assert [cost.duration(s) for s in (0.2, 71, 720, 10800)] == ["0.2 s", "71 s", "12 min", "3.0 h"]
    assert math.isfinite(cost.cost(rows.cost_rows(synthetic_study())).layout.height)


def test_a_chance_by_day_is_drawn_until_nearly_all_are_home_and_its_ticks_have_room() -> None:
    whole = [(day, min(1.0, day / 8), min(1.0, day / 9), min(1.0, day / 7)) for day in range(61)]
    drawn = recovery.chance_by_day(whole)
    assert max(drawn.data[-1].x) == 14
    assert drawn.layout.xaxis.tickvals is None
    few = [(day, 0.5, 0.4, 0.6) for day in (1, 2, 3, 5, 7, 14, 30)]
    assert list(recovery.chance_by_day(few).layout.xaxis.tickvals) == [1, 2, 3, 5, 7, 14, 30]
