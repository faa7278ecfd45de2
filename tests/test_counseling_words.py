"""How a risk is told: one test for each rule of telling, over all fillings of the sentences."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.contracts.statement import Abstention, GroupRate, PersonalRisk, Statement
from core.counseling import english
from core.counseling.counts import Counts, counts_of, icon_rows, largest_remainder
from core.counseling.words import Telling, screen_denominator, short_window, tell
from core.errors import DataError

LONGEST_SENTENCE = 15
HIGHEST_GRADE = 6.0
HORIZONS = ("", "within 30 days", "30 days", "90 days after the operation", "in hospital", "30 to 365 days after the operation")
CHANCES = (0.0, 0.0002, 0.004, 0.02, 0.123, 0.5, 0.875, 0.985, 0.997, 0.9999, 1.0)
LABELS = {"complication": "Any complication", "success": "Success", "other": "Wound infection"}
chances = st.floats(0, 1)


def personal(risk: float = 0.123, **changes: Any) -> PersonalRisk:
    band = (max(0.0, risk - 0.04), min(1.0, risk + 0.05))
    start = PersonalRisk(
        outcome="complication", label="Any complication", definition="Any.", desirable=False, horizon="within 30 days", risk=risk,
        band=band, refits=200, n=611, n_events=110, reference="kidney tumour surgery", model="cox", base_rate=0.18,
    )  # fmt: skip
    return replace(start, **changes)


def group(count: int = 26, n: int = 489, **changes: Any) -> GroupRate:
    rate = count / n
    start = GroupRate(
        outcome="complication", label="Any complication", definition="Any.", desirable=False, horizon="within 30 days",
        count=count, n=n, low=max(0.0, rate - 0.02), high=min(1.0, rate + 0.02), reference="kidney tumour surgery", why="w",
        needed="n",
    )  # fmt: skip
    return replace(start, **changes)


def by_day(pace: float) -> tuple[tuple[int, float, float, float], ...]:
    rows = ((day, 1 - pace ** (day + 1), 1 - (pace + 0.05) ** (day + 1), 1 - (pace - 0.05) ** (day + 1)) for day in range(61))
    return tuple(rows)


def recovery(pace: float = 0.7, like: type[PersonalRisk] | type[GroupRate] = PersonalRisk) -> Statement:
    changes: dict[str, Any] = {
        "outcome": "recovery", "label": "Recovery", "desirable": True, "horizon": "by day 3", "chance_by_day": by_day(pace)
    }  # fmt: skip
    return personal(0.76, **changes) if like is PersonalRisk else group(300, **changes)


def every_statement() -> Iterator[Statement]:
    """Personal risks and group rates over outcomes, windows and chances; recoveries; every abstention."""
    for outcome, horizon, chance in itertools.product([*english.EVENTS, "other"], HORIZONS, CHANCES):
        if outcome == "recovery":
            continue
        label = LABELS.get(outcome, outcome.replace("_", " ").capitalize())
        yield personal(chance, outcome=outcome, label=label, horizon=horizon)
        yield group(round(chance * 489), outcome=outcome, label=label, horizon=horizon)
        yield group(9, outcome=outcome, label=label, horizon=horizon, low=0.0, at_most=True)
    for pace in (0.1, 0.5, 0.7, 0.9, 0.94):
        yield recovery(pace)
        yield recovery(pace, GroupRate)
    for code in [*english.SILENCES, "NEVER_HEARD_OF"]:
        yield Abstention("complication", "Any complication", code, "why", "needed")


TOLD: list[tuple[Statement, Telling]] = [(statement, tell(statement)) for statement in every_statement()]
WITH_NUMBER = [(statement, telling) for statement, telling in TOLD if not isinstance(statement, Abstention)]
UNIQUE_SENTENCES = sorted({sentence for _, telling in TOLD for sentence in telling.sentences})


def test_rule_01_only_absolute_risks_are_told() -> None:
    relative = re.compile(r"%|percent|times as|twice|half as|relative|\bratio|more likely|less likely|odds|risk factor", re.I)
    assert not [sentence for sentence in UNIQUE_SENTENCES if relative.search(sentence)]


def test_rule_02_the_denominator_is_100_and_1000_when_a_chance_is_under_1_of_100() -> None:
    assert tell(personal(0.01)).denominator == 100
    assert tell(personal(0.0099)).denominator == 1000
    assert tell(personal(0.9901)).denominator == 1000
    assert screen_denominator([personal(0.2), group(2, 489)]) == 1000
    assert screen_denominator([personal(0.2), Abstention("a", "A", "RANGE", "w", "n")]) == 100


def test_rule_02_one_screen_has_one_denominator() -> None:
    statements: list[Statement] = [personal(0.2), group(2, 489), personal(0.6)]
    told = [tell(statement, screen_denominator(statements)) for statement in statements]
    assert {telling.denominator for telling in told} == {1000}
    assert all("of 1,000" in sentence for telling in told for sentence in (*telling.frames, telling.band_sentence))


def test_rule_02_another_denominator_is_refused() -> None:
    with pytest.raises(DataError, match="100 or 1,000"):
        tell(personal(), 50)


def test_rule_02_nothing_is_told_as_one_in_so_many() -> None:
    assert not [sentence for sentence in UNIQUE_SENTENCES if re.search(r"\b(1|one) in \d", sentence)]


def test_rule_03_every_frame_and_range_names_the_reference_class() -> None:
    for statement, telling in WITH_NUMBER:
        whom = "like you" if isinstance(statement, PersonalRisk) else "such patients"
        assert all(whom in sentence for sentence in (*telling.frames, telling.band_sentence))
        assert all(whom in sentence for sentence in telling.day_sentences if "of 10" in sentence)


def test_rule_03_every_frame_and_range_names_the_time_window_where_the_source_states_one() -> None:
    for statement, telling in WITH_NUMBER:
        window = short_window(getattr(statement, "horizon", ""))
        event = english.EVENTS.get(statement.outcome, english.Event(""))
        if window and event.has_window:
            assert all(window in sentence for sentence in (*telling.frames, telling.band_sentence)), telling


def test_rule_03_no_window_is_made_up_where_the_source_states_none() -> None:
    telling = tell(personal(horizon=""))
    assert telling.event_sentence == "12 of 100 people like you will have a complication."
    assert not re.search(r"within|days|by day", " ".join(telling.sentences))


@pytest.mark.parametrize(
    ("horizon", "told"),
    [
        ("within 30 days", "within 30 days"),
        ("30 days", "within 30 days"),
        ("90 days after the operation", "within 90 days"),
        ("30 to 365 days after the operation", "within 365 days"),
        ("1 year", "within 1 year"),
        ("in hospital", "in hospital"),
        ("by day 5", "by day 5"),
        ("until the first follow-up in the clinic", ""),
        ("", ""),
    ],
)
def test_rule_03_a_window_is_told_in_three_words_at_most(horizon: str, told: str) -> None:
    assert short_window(horizon) == told


def test_rule_03_a_window_too_long_for_the_sentence_stands_beside_it() -> None:
    telling = tell(personal(horizon="until the first follow-up in the clinic"))
    assert "The time in question is: until the first follow-up in the clinic." in telling.sentences


def test_rule_04_both_frames_have_the_same_form() -> None:
    for _, telling in WITH_NUMBER:
        event, no_event = telling.frames
        plain = [re.sub(r"(Fewer than|More than|At most|At least) ", "", re.sub(r"[\d,]+", "#", text)) for text in telling.frames]
        assert plain[1].replace("will not", "will") == plain[0], (event, no_event)
        assert telling.sentences.index(no_event) == telling.sentences.index(event) + 1


def test_rule_04_a_desirable_outcome_is_told_by_the_good_that_will_be() -> None:
    telling = tell(personal(0.88, outcome="success", label="Success", desirable=True, horizon=""))
    assert telling.event_sentence == "88 of 100 people like you will have full success."
    assert telling.no_event_sentence == "12 of 100 people like you will not have full success."
    assert telling.desirable


def test_rule_05_only_whole_numbers_are_told() -> None:
    assert not [sentence for sentence in UNIQUE_SENTENCES if re.search(r"\d\.\d", sentence)]


@given(chances)
@settings(max_examples=300, deadline=None)
def test_rule_05_a_number_that_rounds_to_nobody_is_told_as_fewer_than_one(chance: float) -> None:
    telling = tell(personal(chance, band=(chance, chance)))
    assert not re.match(r"0 of", telling.event_sentence)
    assert not re.match(r"0 of", telling.no_event_sentence)
    if chance < 0.0004:
        assert telling.event_sentence.startswith("Fewer than 1 of 1,000")
        assert telling.no_event_sentence.startswith("More than 999 of 1,000")


def test_rule_06_icons_fill_one_block_in_reading_order() -> None:
    rows = icon_rows(counts_of(0.12, 100))
    assert [len(row) for row in rows] == [10] * 10
    flat = [icon for row in rows for icon in row]
    assert flat == [True] * 12 + [False] * 88
    assert [len(row) for row in icon_rows(counts_of(0.005, 1000))] == [40] * 25


@given(chances, st.sampled_from([100, 1000]))
@settings(max_examples=300, deadline=None)
def test_rule_08_icon_counts_sum_to_the_denominator(chance: float, denominator: int) -> None:
    counts = counts_of(chance, denominator)
    assert counts.event + counts.no_event == denominator
    assert abs(counts.event - chance * denominator) <= 0.5 + 1e-6
    assert sum(icon for row in icon_rows(counts) for icon in row) == counts.event


@given(
    st.lists(st.integers(0, 1000), min_size=1, max_size=8).filter(lambda parts: sum(parts) > 0), st.sampled_from([10, 100, 1000])
)
@settings(max_examples=300, deadline=None)
def test_rule_08_the_largest_remainders_make_any_parts_sum(parts: list[int], total: int) -> None:
    shares = [part / sum(parts) for part in parts]
    counts = largest_remainder(shares, total)
    assert sum(counts) == total
    assert all(abs(count - share * total) < 1 for count, share in zip(counts, shares))


def test_rule_08_by_hand() -> None:
    assert largest_remainder((1 / 3, 1 / 3, 1 / 3), 100) == (34, 33, 33)
    assert largest_remainder((0.125, 0.875), 100) == (13, 87)
    with pytest.raises(DataError):
        largest_remainder((0.5, 0.4), 100)
    with pytest.raises(DataError):
        Counts(12, 87, 100)
    with pytest.raises(DataError):
        Counts(-1, 101, 100)


def test_rule_08_the_sentences_and_the_icons_say_the_same_counts() -> None:
    for _, telling in WITH_NUMBER:
        assert telling.counts is not None
        counts = (telling.counts.event, telling.counts.no_event)
        for count, sentence in zip(counts, telling.frames):
            shown = int(re.search(r"[\d,]+", sentence)[0].replace(",", ""))  # type: ignore[index]
            assert shown == count or re.match("(Fewer|More) than", sentence)


def test_rule_12_no_label_judges_the_number() -> None:
    judging = re.compile(
        r"\b(high|low|rare|rarely|likely|unlikely|abnormal|normal|average|only|just|good|bad|great|safe|danger\w*|favou?rable|"
        r"common|usual|worrying|small|large)\b",
        re.I,
    )
    assert not [sentence for sentence in UNIQUE_SENTENCES if judging.search(sentence) and "only the most" not in sentence]


def test_rule_13_the_range_is_told_in_counts_with_its_cause_right_behind() -> None:
    telling = tell(personal(0.123, band=(0.08, 0.17)))
    assert telling.band_sentence == "The range is between 8 and 17 of 100 people like you within 30 days."
    assert telling.cause_sentence == "The model learned from 611 people, so its number is not exact."
    assert telling.sentences.index(telling.cause_sentence) == telling.sentences.index(telling.band_sentence) + 1
    assert english.RANGE_MEANING in telling.sentences


@given(chances, chances, chances)
@settings(max_examples=300, deadline=None)
def test_rule_13_the_range_holds_the_count(one: float, two: float, three: float) -> None:
    low, risk, high = sorted((one, two, three))
    telling = tell(personal(risk, band=(low, high)))
    assert telling.counts is not None and telling.range_counts is not None
    assert telling.range_counts[0] <= telling.counts.event <= telling.range_counts[1]


def test_rule_13_a_range_that_rounds_to_one_number_is_not_told_as_a_span() -> None:
    assert (
        tell(personal(0.12, band=(0.119, 0.121))).band_sentence == "The range rounds to 12 of 100 people like you within 30 days."
    )


def test_rule_13_every_number_has_its_range() -> None:
    assert all(telling.band_sentence in telling.sentences and telling.band_sentence for _, telling in WITH_NUMBER)


def test_rule_15_without_a_number_the_words_are_calm_and_hold_no_digit() -> None:
    for statement, telling in TOLD:
        if isinstance(statement, Abstention):
            text = " ".join((telling.title, *telling.sentences))
            assert not re.search(r"\d", text)
            assert telling.kind == "none"
            assert telling.counts is None and telling.frames == () and telling.band_sentence == ""
            assert telling.sentences[-1] == english.NO_NUMBER_CALM
            assert not re.search(r"error|fail|invalid|wrong value|danger|sorry|must", text, re.I)


def test_rule_15_a_number_of_the_whole_group_says_first_why_it_is_not_personal() -> None:
    telling = tell(group())
    assert telling.kind == "group"
    assert telling.sentences[:2] == (english.GROUP_WHY, english.GROUP_INSTEAD)
    assert "like you" not in " ".join(telling.sentences)


def test_rule_16_recovery_is_told_by_the_day_on_which_9_of_10_are_home() -> None:
    telling = tell(recovery(0.7))
    # 1 - 0.7 ** (day + 1) reaches 0.9 on day 6; with 0.75 on day 8, with 0.65 on day 5.
    assert "9 of 10 people like you will be home by day 6." in telling.day_sentences
    assert "That day could lie between day 5 and day 8." in telling.day_sentences
    assert "1 of 10 people like you will be home on the same day." in telling.day_sentences
    assert telling.event_sentence == "76 of 100 people like you will be home by day 3."


def test_rule_16_a_day_that_never_comes_is_not_made_up() -> None:
    flat = tuple((day, 0.6, 0.5, 0.7) for day in range(61))
    telling = tell(personal(0.6, outcome="recovery", horizon="by day 3", chance_by_day=flat))
    assert telling.day_sentences[-1] == "Fewer than 9 of 10 people like you will be home by day 60."
    slow = tuple((day, 0.89 + day / 1000, 0.5, 0.95) for day in range(61))
    open_end = tell(personal(0.9, outcome="recovery", horizon="by day 3", chance_by_day=slow)).day_sentences
    assert open_end[-1] == "That day could be day 0 or later."


def test_a_hidden_count_is_told_as_a_bound_on_both_sides() -> None:
    telling = tell(group(9, 489, at_most=True, low=0.0))
    assert telling.event_sentence == "At most 2 of 100 such patients will have a complication within 30 days."
    assert telling.no_event_sentence == "At least 98 of 100 such patients will not have a complication within 30 days."
    assert english.HIDDEN_COUNT in telling.sentences


# Rule 22: reading grade 6 or less, sentences of at most 15 words.


def words_of(text: str) -> list[str]:
    """Words; a numeral counts as one word."""
    return re.findall(r"[A-Za-z]+(?:'[a-z]+)?|\d[\d,]*", text)


def syllables(word: str) -> int:
    """Vowel groups, a silent final e left out; a numeral counts as one syllable, as readability tools do."""
    if word[0].isdigit():
        return 1
    plain = re.sub(r"(?:[^laeiouy]es|[^laeiouytd]ed|[^l]e)$", lambda end: end[0][0], word.lower())
    return max(1, len(re.findall(r"[aeiouy]+", plain)))


def reading_grade(sentences: tuple[str, ...]) -> float:
    """Flesch-Kincaid's grade. Reference: Kincaid et al. 1975, Navy Research Branch Report 8-75."""
    words = [word for sentence in sentences for word in words_of(sentence)]
    return 0.39 * len(words) / len(sentences) + 11.8 * sum(map(syllables, words)) / len(words) - 15.59


def test_rule_22_the_measure_gives_known_syllables() -> None:
    known = {
        "complication": 4, "people": 2, "range": 1, "home": 1, "needed": 2, "operation": 4, "firm": 1, "like": 1, "patients": 2,
        "learned": 1, "procedure": 3, "hospital": 3, "intensive": 3, "surgery": 3, "100": 1,
    }  # fmt: skip
    assert {word: syllables(word) for word in known} == known


def test_rule_22_no_sentence_is_longer_than_15_words() -> None:
    assert not [sentence for sentence in UNIQUE_SENTENCES if len(words_of(sentence)) > LONGEST_SENTENCE]


def test_rule_22_every_telling_reads_at_grade_6_or_less() -> None:
    worst = max(TOLD, key=lambda pair: reading_grade(pair[1].sentences))
    assert reading_grade(worst[1].sentences) <= HIGHEST_GRADE, (reading_grade(worst[1].sentences), worst[1].sentences)


def test_rule_22_no_single_sentence_is_far_above_the_grade_of_the_whole() -> None:
    hard = {sentence: round(reading_grade((sentence,)), 1) for sentence in UNIQUE_SENTENCES if reading_grade((sentence,)) > 9.5}
    assert not hard


def test_rule_22_sentences_are_active_and_end_with_a_full_stop() -> None:
    passive = re.compile(r"\b(is|are|was|were|been|be) (?!between)\w+(ed|en)\b")
    assert not [sentence for sentence in UNIQUE_SENTENCES if passive.search(sentence) or not sentence.endswith(".")]


def test_every_sentence_for_patients_lives_in_the_one_file() -> None:
    """The other files of the folder hold no text of three words or more that could reach a page."""
    folder = Path(english.__file__).parent
    for path in folder.glob("*.py"):
        if path.name == "english.py":
            continue
        text = re.sub(r'"""[\s\S]*?"""', "", path.read_text(encoding="utf-8"))
        text = re.sub(r"raise DataError\([\s\S]*?\n            \)", "", text)
        text = re.sub(r"raise DataError\([^\n]*\)", "", text)
        assert not re.findall(r'"[A-Za-z]+ [a-z]+ [a-z][^"]*"', text), path.name


def test_cautions_are_read_last_and_kept_word_for_word() -> None:
    telling = tell(personal(cautions=("First.", "Second.")))
    assert telling.cautions == ("First.", "Second.")
    assert telling.sentences[-2:] == telling.cautions
    for template in (english.DONE_WITHOUT, english.FEW_LIKE_THIS, english.NOT_USED):
        assert len(words_of(template.format(field="Takes anticoagulants"))) <= LONGEST_SENTENCE
