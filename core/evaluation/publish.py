"""What of a summary may leave the house: no row of a patient, no cell of a few persons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from core.evaluation.groups import CROSS
from core.evaluation.scoring import ALL
from core.evaluation.splits import INTERNAL
from core.evaluation.suppression import hidden_counts, hidden_groups
from core.evaluation.verdicts import TOO_FEW
from core.storage.summaries import OUTCOME_TABLES, StudySummary

CANNOT = (
    "Single patients and their predictions: the rows stayed where the data are.",
    "Thresholds between the whole percents, and curves at other points than the fixed grid.",
    "Groups and crossings that are not listed.",
    "Comparisons of pairs of models that are not listed.",
)
RANKING = ("auroc", "c_index")


@dataclass(frozen=True)
class _Hidden:
    """What must not be told.

    Args:
        groups: (outcome, split, group) left out.
        events: (outcome, split, group) whose event count is hidden.
        few: those of them whose other numbers would give the count away. Of a time to event the count of those who
            never had it is hidden when small, but no metric is computed from it.
    """

    groups: set[tuple[str, str, str]] = field(default_factory=set)
    events: set[tuple[str, str, str]] = field(default_factory=set)
    few: set[tuple[str, str, str]] = field(default_factory=set)

    def left_out(self, outcome: object, split: object) -> bool:
        return (str(outcome), str(split), ALL) in self.groups


def for_publication(summary: StudySummary, min_cell: int) -> StudySummary:
    """The summary as others may read it.

    Groups under ``min_cell`` persons are left out, and the next smallest level where one could subtract. Event counts
    under it are hidden; where they are, only the ranking metrics stay, in two decimals, because every other number gives the
    count away. Thresholds that flag or spare fewer persons are left out. ``min_cell=1`` changes nothing but flags.
    """
    info = {
        **summary.info,
        "published": True,
        "rows_available": False,
        "min_cell": min_cell,
        "cannot": [*CANNOT, *_small_cells(min_cell)],
    }
    tables = {name: summary.table(name).copy() for name in OUTCOME_TABLES}
    if min_cell <= 1:
        return StudySummary(info, tables)
    timed = frozenset(str(item["name"]) for item in info["outcomes"] if item["kind"] == "time_to_event")
    hidden = _find_hidden(tables, timed, min_cell)
    tables["thresholds"] = _thresholds(tables["thresholds"], tables["scores"], hidden, min_cell)
    tables["recovery"] = _recovery(tables["recovery"], tables["scores"], hidden, min_cell)
    tables["scores"] = _scores(tables["scores"], hidden)
    tables["comparisons"] = _comparisons(tables["comparisons"], hidden)
    tables["pairs"] = _comparisons(tables["pairs"], hidden)
    tables["curves"] = _rows_of_told(tables["curves"], hidden)
    tables["groups"] = _groups(tables["groups"], hidden)
    tables["fairness"] = _fairness(tables["fairness"], hidden)
    tables["equal_sensitivity"] = _whole_groupings(tables["equal_sensitivity"], hidden)
    tables["case_mix"] = _case_mix(tables["case_mix"], min_cell)
    tables["strata"] = _strata(tables["strata"], hidden, min_cell)
    tables["recalibration"] = _rows_of_told(tables["recalibration"], hidden)
    for name in ("missing", "ablation", "gaps", "learning"):
        tables[name] = _ranking_where_few(tables[name], hidden)
    for name in ("stability", "instability"):
        tables[name] = _rows_of_told(tables[name][tables[name]["n"] >= min_cell], hidden)
    tables["features"] = _rows_of_told(tables["features"], hidden)
    tables["distribution"] = _distribution(tables["distribution"], hidden, min_cell)
    tables["conformal"] = _conformal(tables["conformal"], hidden, min_cell)
    return StudySummary({**info, **_told(info, hidden, min_cell)}, tables)


def _small_cells(min_cell: int) -> tuple[str, ...]:
    if min_cell <= 1:
        return ()
    return (f"Groups of fewer than {min_cell} persons, and counts of events below {min_cell}.",)


def _find_hidden(tables: Mapping[str, pd.DataFrame], timed: frozenset[str], min_cell: int) -> _Hidden:
    hidden = _Hidden()
    counted = (
        tables["scores"].groupby(["outcome", "split", "model", "group"], sort=False)[["n", "n_events"]].first().reset_index()
    )
    listed = tables["groups"].assign(split=INTERNAL, model="")
    for (outcome, split, _), rows in pd.concat([_with_crossed(counted, tables["fairness"]), listed]).groupby(
        ["outcome", "split", "model"], sort=False
    ):
        persons = {str(group): int(n) for group, n in zip(rows["group"], rows["n"])}
        events = {str(group): int(n) for group, n in zip(rows["group"], rows["n_events"].fillna(0))}
        told_alone = hidden_counts(events, persons, min_cell)
        few = {name for name in told_alone if outcome not in timed or events[name] < min_cell}
        for kept, names in ((hidden.groups, hidden_groups(persons, min_cell)), (hidden.events, told_alone), (hidden.few, few)):
            kept.update((str(outcome), str(split), name) for name in names)
    return hidden


def _with_crossed(counted: pd.DataFrame, fairness: pd.DataFrame) -> pd.DataFrame:
    """The counts of the scores, and of the crossed groups that only the comparison of groups holds."""
    crossed = fairness.loc[fairness["group"].str.contains(CROSS, regex=False), list(counted.columns)]
    return pd.concat([counted, crossed]).drop_duplicates(["outcome", "split", "model", "group"])


def _keys(table: pd.DataFrame) -> pd.Series:
    group = table["group"] if "group" in table else pd.Series(ALL, index=table.index)
    split = table["split"] if "split" in table else pd.Series(INTERNAL, index=table.index)
    return pd.Series(list(zip(table["outcome"], split, group)), index=table.index, dtype=object)


def _without_groups(table: pd.DataFrame, hidden: _Hidden) -> pd.DataFrame:
    kept = [key not in hidden.groups and not hidden.left_out(key[0], key[1]) for key in _keys(table)]
    return table[pd.Series(kept, index=table.index, dtype=bool)].reset_index(drop=True)


def _in(table: pd.DataFrame, cells: set[tuple[str, str, str]]) -> pd.Series:
    return pd.Series([key in cells for key in _keys(table)], index=table.index, dtype=bool)


def _scores(table: pd.DataFrame, hidden: _Hidden) -> pd.DataFrame:
    table = _without_groups(table, hidden)
    few = _in(table, hidden.few)
    table = table[~few | table["metric"].isin(RANKING)].reset_index(drop=True)
    return _blur(table, ("value", "low", "high"), hidden)


def _comparisons(table: pd.DataFrame, hidden: _Hidden) -> pd.DataFrame:
    table = _without_groups(table, hidden)
    few = _in(table, hidden.few)
    table = table[~few | table["metric"].isin(RANKING)].reset_index(drop=True)
    return _blur(table, ("difference", "low", "high"), hidden)


def _blur(table: pd.DataFrame, columns: tuple[str, ...], hidden: _Hidden) -> pd.DataFrame:
    few = _in(table, hidden.few)
    table.loc[few, list(columns)] = table.loc[few, list(columns)].round(2)
    table.loc[_in(table, hidden.events), "n_events"] = pd.NA
    if "n_undefined" in table:
        # How often a bootstrap sample holds no event tells how many there are.
        table.loc[few, "n_undefined"] = 0
    return table


def _fairness(table: pd.DataFrame, hidden: _Hidden) -> pd.DataFrame:
    """As the scores; where events are too few on either side, nothing is told of the others."""
    table = _without_groups(table, hidden)
    few = _in(table, hidden.few)
    table = table[~few | table["metric"].isin(RANKING)].reset_index(drop=True)
    table = _blur(table, ("value", "low", "high", "rest", "gap", "gap_low", "gap_high"), hidden)
    table.loc[table["verdict"] == TOO_FEW, ["rest", "gap", "gap_low", "gap_high", "p", "p_holm"]] = float("nan")
    return table


def _case_mix(table: pd.DataFrame, min_cell: int) -> pd.DataFrame:
    """Without a field of a split where a level stands for fewer than the smallest cell, on either side."""
    table = table[table[["n_train", "n_test"]].min(axis=1) >= min_cell]
    share = table["train_sd"].isna()
    small = share & (_between(table["train"], table["n_train"], min_cell) | _between(table["test"], table["n_test"], min_cell))
    place = pd.Series(list(zip(table["split"], table["field"])), index=table.index, dtype=object)
    return table[~place.isin(set(place[small]))].reset_index(drop=True)


def _ranking_where_few(table: pd.DataFrame, hidden: _Hidden) -> pd.DataFrame:
    kept = ~_in(table, hidden.few) | table["metric"].isin(RANKING)
    return _without_groups(table[kept].reset_index(drop=True), hidden)


def _conformal(table: pd.DataFrame, hidden: _Hidden, min_cell: int) -> pd.DataFrame:
    table = table[table["n"] >= min_cell]
    plain = table.assign(group=table["group"].str.removesuffix(" (own)"))
    kept = [key not in hidden.few and key not in hidden.groups for key in _keys(plain)]
    few = {(outcome, split) for outcome, split, group in hidden.few if group == ALL}
    told = [(outcome, split) not in few for outcome, split, _ in _keys(plain)]
    return table[pd.Series(kept, index=table.index, dtype=bool) & pd.Series(told, index=table.index, dtype=bool)].reset_index(
        drop=True
    )


def _rows_of_told(table: pd.DataFrame, hidden: _Hidden) -> pd.DataFrame:
    kept = [key not in hidden.few and key not in hidden.groups for key in _keys(table)]
    return table[pd.Series(kept, index=table.index, dtype=bool)].reset_index(drop=True)


def _whole_groupings(table: pd.DataFrame, hidden: _Hidden) -> pd.DataFrame:
    """Groupings of which no group is hidden: what one group gains the others lose, and their sum is told."""
    place = pd.Series(list(zip(table["outcome"], table["split"], table["grouping"])), index=table.index, dtype=object)
    shut = pd.Series([key in hidden.few or key in hidden.groups for key in _keys(table)], index=table.index, dtype=bool)
    return table[~place.isin(set(place[shut]))].reset_index(drop=True)


def _groups(table: pd.DataFrame, hidden: _Hidden) -> pd.DataFrame:
    table = _without_groups(table, hidden)
    table.loc[_in(table, hidden.events), "n_events"] = pd.NA
    return table


def _persons(table: pd.DataFrame, scores: pd.DataFrame) -> pd.Series:
    """Patients behind each row, from the scores of the same outcome, model and split."""
    everyone = scores[scores["group"] == ALL].drop_duplicates(["outcome", "model", "split"])
    return table.merge(everyone[["outcome", "model", "split", "n"]], how="left")["n"].set_axis(table.index)


def _between(share: pd.Series, n: pd.Series, min_cell: int) -> pd.Series:
    """Whether a share (a mean over repeats) or its rest stands for somebody and for fewer than the smallest cell."""
    inside, rest, hair = share * n, (1 - share) * n, 1e-6
    return inside.between(hair, min_cell - hair) | rest.between(hair, min_cell - hair)


def _thresholds(table: pd.DataFrame, scores: pd.DataFrame, hidden: _Hidden, min_cell: int) -> pd.DataFrame:
    table = _rows_of_told(table, hidden)
    return table[~_between(table["flagged"], _persons(table, scores), min_cell)].reset_index(drop=True)


def _strata(table: pd.DataFrame, hidden: _Hidden, min_cell: int) -> pd.DataFrame:
    """Without the strata of a model where one of them holds fewer events, or fewer without, than the smallest cell."""
    table = _rows_of_told(table, hidden)
    shared = table["observed"] * table["n"]
    small = pd.concat([table["n"] - shared, shared, table["n"]], axis=1).min(axis=1) < min_cell
    place = pd.Series(list(zip(table["outcome"], table["model"], table["split"])), index=table.index, dtype=object)
    binary = table["day"] < 0
    kept = table[~(binary & place.isin(set(place[small & binary])))].reset_index(drop=True)
    hide = (kept["day"] >= 0) & _between(kept["observed"], kept["n"], min_cell)
    kept.loc[hide, ["observed", "low", "high"]] = float("nan")
    kept.loc[(kept["day"] >= 0), "n_events"] = pd.NA
    return kept


def _distribution(table: pd.DataFrame, hidden: _Hidden, min_cell: int) -> pd.DataFrame:
    """Bins that stand for fewer than the smallest cell lose their share; where that is one bin, the next smallest does too."""
    table = _rows_of_told(table[table["n"] >= min_cell].reset_index(drop=True), hidden)
    persons = table["share"] * table["n"]
    small = persons < min_cell - 1e-6
    for _, rows in table.groupby(["outcome", "model", "split", "event"], sort=False):
        inside = small[rows.index]
        if inside.sum() == 1 and (~inside).any():
            small[persons[rows.index][~inside].idxmin()] = True
    return table.assign(share=table["share"].mask(small))


def _recovery(table: pd.DataFrame, scores: pd.DataFrame, hidden: _Hidden, min_cell: int) -> pd.DataFrame:
    table = _rows_of_told(table, hidden)
    small = _between(table["observed"], _persons(table, scores), min_cell)
    table.loc[small, ["observed", "observed_low", "observed_high"]] = float("nan")
    return table


def _told(info: Mapping[str, Any], hidden: _Hidden, min_cell: int) -> dict[str, Any]:
    """The facts and sentences that may be told."""
    few = {str(item["name"]) for item in info["outcomes"] if _is_few(item, hidden, min_cell)}
    sentence = f"Fewer than {min_cell} patients had, or did not have, the event: too few to judge a model."
    more = f"At least {min_cell} patients with and without the event are needed to tell more."
    return {
        "outcomes": [_outcome(item, min_cell, few=str(item["name"]) in few) for item in info["outcomes"]],
        "headlines": {name: sentence if name in few else text for name, text in info["headlines"].items()},
        "change": {name: more if name in few else text for name, text in info["change"].items()},
        "fairness": {name: told for name, told in info.get("fairness", {}).items() if name not in few},
        "permuted": {name: facts for name, facts in info["permuted"].items() if name not in few},
        "splits": [item for item in info["splits"] if min(item["n_train"], item["n_test"]) >= min_cell],
        "dataset": _dataset(info["dataset"], min_cell),
    }


def _is_few(item: Mapping[str, Any], hidden: _Hidden, min_cell: int) -> bool:
    events, timed = item["n_events"], item["kind"] == "time_to_event"
    smaller = events if timed else min(events, item["n"] - events)
    return (str(item["name"]), INTERNAL, ALL) in hidden.few or smaller < min_cell


def _outcome(item: Mapping[str, Any], min_cell: int, *, few: bool) -> dict[str, Any]:
    told = {**item, "breakdowns": [_breakdown(table, min_cell) for table in item["breakdowns"]]}
    if few:
        told |= {"threshold": None, "breakdowns": []}
    if few or min(item["n_events"], item["n"] - item["n_events"]) < min_cell:
        told |= {"n_events": None, "rate": None, "needed": None}
    return told


def _dataset(item: Mapping[str, Any], min_cell: int) -> dict[str, Any]:
    return {**item, "breakdowns": [_breakdown(table, min_cell) for table in item.get("breakdowns", [])]}


def _breakdown(table: Mapping[str, Any], min_cell: int) -> dict[str, Any]:
    """A table of counts in which a row with a small count keeps its words and loses its numbers; where that is one row,
    the row with the next smallest count does too."""
    rows = [dict(row) for row in table["rows"]]
    smallest = [min((value for value in row.values() if _is_count(value)), default=None) for row in rows]
    hidden = {at for at, count in enumerate(smallest) if count is not None and count < min_cell}
    rest = [at for at, count in enumerate(smallest) if count is not None and at not in hidden]
    if len(hidden) == 1 and rest:
        hidden.add(min(rest, key=lambda at: smallest[at] or 0))
    for at in hidden:
        rows[at] = {key: None if isinstance(value, (int, float)) else value for key, value in rows[at].items()}
    return {**table, "rows": rows}


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
