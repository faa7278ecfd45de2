"""A site's own patients: checked, kept and planned for, on the page and on the command line, with what can go wrong."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from core.__main__ import app
from core.errors import DataError, InputError
from core.evaluation.local_check import curve_here, recalibrate_here
from core.ingest.cells import Cells, parse_cells
from core.records.database import VARIABLE
from core.records.observed import current
from core.serving.checking import TableColumns, bundle_named, case_mix_here, check_cells
from core.serving.observing import observed_cells, watch
from core.serving.planning import plan_list
from core.serving.tables import risks_of, template
from dashboard.charts import monthly
from tests.test_dashboard_pages import page, words
from tests.test_local_check_command import home, own_patients  # noqa: F401  (the fixture)

COLUMNS = TableColumns("happened", "who", "when")


@pytest.fixture
def here(
    home: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    monkeypatch.setenv("OPSIGHT_HOME", str(home))
    monkeypatch.setenv(VARIABLE, f"sqlite:///{tmp_path / 'records.sqlite'}")
    return home


def cells_of(table: pd.DataFrame, **how: Any) -> Cells:
    return parse_cells(table.to_csv(index=False, **how).encode("utf-8-sig"), "own.csv")


# The check


def test_a_check_tells_curve_mix_and_what_recalibration_would_do(here: Path) -> None:
    found = check_cells(bundle_named("small_complication"), cells_of(own_patients(400)), COLUMNS)
    assert (found.curve["low"] <= found.curve["y"]).all() and (found.curve["y"] <= found.curve["high"]).all()
    assert set(found.mix["field"]) <= {"age", "sex", "tumour_size_mm"} and found.mix["own"].notna().all()
    assert found.after is not None and found.after.slope > 0
    assert len(found.cases) == 400 and found.cases["risk"].between(0, 1).all()


def test_all_rows_at_once_say_what_each_says_alone(here: Path) -> None:
    predictor = bundle_named("small_complication")
    records = [{"age": 50.0 + at, "sex": "male", "tumour_size_mm": 30.0} for at in range(8)]
    alone = [predictor.bundle.ensemble.answer(record).risk for record in records]
    assert risks_of(predictor, records) == pytest.approx(alone, abs=1e-12)


def test_an_older_population_is_seen_in_the_mix(here: Path) -> None:
    predictor = bundle_named("small_complication")
    seen = {one.name: one for one in predictor.bundle.outline.summary.fields}["age"]
    middle = case_mix_here(predictor, [{"age": float(seen.typical)}] * 5).set_index("field").loc["age"]
    older = case_mix_here(predictor, [{"age": float(seen.inner_high or 0)}] * 5).set_index("field").loc["age"]
    assert middle["difference"] == 0 and older["difference"] > 1


def test_level_and_slope_that_were_planted_are_found_and_judged_on_others() -> None:
    rng = np.random.default_rng(0)
    line = rng.normal(-0.5, 1.2, 6000)
    y = (rng.random(6000) < 1 / (1 + np.exp(-(0.8 + 0.5 * line)))).astype(float)
    risk, patients = 1 / (1 + np.exp(-line)), [f"p{at}" for at in range(6000)]
    found = recalibrate_here(y, risk, patients)
    assert found is not None
    assert found.intercept == pytest.approx(0.8, abs=0.1) and found.slope == pytest.approx(0.5, abs=0.07)
    assert (
        found.before["calibration_slope"].high < 0.6
        and found.after["calibration_slope"].low < 1 < found.after["calibration_slope"].high
    )
    assert found.after["auroc"].value == pytest.approx(found.before["auroc"].value, abs=0.01)
    middle = curve_here(y, risk, patients).iloc[40:60]
    assert (middle["y"] > middle["x"]).any()
    assert recalibrate_here(y[:30], risk[:30], patients[:30]) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"when": "10.03.2026"}, "2026-03-14"), ({"happened": "perhaps"}, "without a known outcome"), ({"age": "old"}, "refuses"),
    ],
)  # fmt: skip
def test_tables_that_cannot_be_judged_say_which_row_or_why(here: Path, change: dict[str, str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        check_cells(bundle_named("small_complication"), cells_of(own_patients(120).assign(**change)), COLUMNS)


def test_a_table_from_excel_with_semicolons_and_a_mark_is_read(here: Path) -> None:
    plain = check_cells(bundle_named("small_complication"), cells_of(own_patients(150)), COLUMNS)
    excel = check_cells(bundle_named("small_complication"), cells_of(own_patients(150), sep=";"), COLUMNS)
    assert plain.check.measures["auroc"] == excel.check.measures["auroc"]


# What is kept


def test_outcomes_are_kept_with_the_models_risk_and_watched_by_month(here: Path) -> None:
    from core.records.observed import keep

    predictor = bundle_named("small_complication")
    cases, left_out = observed_cells(predictor, cells_of(own_patients(150)), COLUMNS)
    assert keep(cases) == 150 and not left_out
    kept, months = watch(predictor.facts)
    assert months["n"].sum() == len(kept) == 150
    assert months["expected"].sum() == pytest.approx(kept["risk"].sum())
    assert "events seen" in monthly.watch_alt(months)
    drawn = monthly.watch(months)
    assert sum(len(trace.x) for trace in drawn.data if trace.mode == "markers") == len(months)


def test_what_may_be_a_name_or_stands_twice_is_refused_by_row(here: Path) -> None:
    predictor = bundle_named("small_complication")
    named = own_patients(20)
    named.loc[3, "who"] = "Mary Smith"
    with pytest.raises(DataError, match="Row 5"):
        observed_cells(predictor, cells_of(named), COLUMNS)
    with pytest.raises(InputError, match="Row 4: its case stands above"):
        observed_cells(
            predictor, cells_of(own_patients(20).assign(who=["a", "b", "a", *(f"c{at}" for at in range(17))])), COLUMNS
        )
    with pytest.raises(InputError, match="day of each operation"):
        observed_cells(predictor, cells_of(own_patients(20)), TableColumns("happened", "who"))


def test_risks_that_no_longer_come_true_stop_the_watch() -> None:
    from core.evaluation.local_check import monthly as by_month

    days = [f"2026-{1 + at // 50:02d}-05" for at in range(300)]
    y = np.array([0.0] * 150 + [1.0] * 150)
    months = by_month(days, y, np.full(300, 0.2))
    assert "stop relying" in monthly.watch_alt(months)
    assert any(trace.name == "Observed, rule says stop" for trace in monthly.watch(months).data)


# What is planned


def planned(n: int = 12) -> pd.DataFrame:
    table = own_patients(n).drop(columns=["happened", "when"])
    return table.assign(day=[f"2026-12-{1 + at % 5:02d}" for at in range(n)])


def test_beds_add_up_to_bed_days_and_those_out_of_scope_are_listed(here: Path) -> None:
    table = planned().astype(object)
    table.loc[2, "age"] = 119
    plan = plan_list(bundle_named("small_recovery"), cells_of(table), "day")
    assert plan.n == 11 and plan.left_out["row"].tolist() == [4] and plan.start == datetime.date(2026, 12, 1)
    # Days on which a bed is taken less than once in twenty draws are left out at the end.
    assert plan.by_day["expected"].sum() == pytest.approx(plan.needed.expected, abs=0.2)
    assert plan.needed.low <= plan.needed.expected <= plan.needed.high
    assert plan.by_day["date"].iloc[0] == "2026-12-01"


def test_places_add_up_over_the_days(here: Path) -> None:
    plan = plan_list(bundle_named("small_complication"), cells_of(planned()), "day")
    assert plan.by_day["n"].sum() == 12 and plan.by_day["expected"].sum() == pytest.approx(plan.needed.expected)
    assert (plan.by_day["high"] <= plan.by_day["n"]).all()


def test_a_list_over_years_or_without_anyone_in_scope_is_refused(here: Path) -> None:
    predictor = bundle_named("small_recovery")
    with pytest.raises(InputError, match="more than a year"):
        plan_list(predictor, cells_of(planned().assign(day=["2026-01-01"] * 6 + ["2028-01-01"] * 6)), "day")
    with pytest.raises(InputError, match="none of 12"):
        plan_list(predictor, cells_of(planned().assign(age=119)), "day")


# The command line


def test_the_commands_keep_watch_and_plan(here: Path, tmp_path: Path) -> None:
    own, week = tmp_path / "own.csv", tmp_path / "week.csv"
    own_patients(150).to_csv(own, index=False)
    planned().to_csv(week, index=False)
    options = ["--outcome", "happened", "--case", "who", "--date", "when"]
    kept = CliRunner().invoke(app, ["model", "outcomes", "small_complication", str(own), *options])
    assert kept.exit_code == 0 and "150 cases were kept." in kept.output and "2026-01:" in kept.output
    assert len(current(bundle_named("small_complication").facts.digest)) == 150
    plan = CliRunner().invoke(app, ["model", "plan", "small_recovery", str(week)])
    assert plan.exit_code == 0 and "12 patients, days in bed" in plan.output and "chance alone" in plan.output


# The page


def shown(test: AppTest) -> str:
    assert not test.exception
    return words(test)


def test_the_page_opens_on_three_questions_and_without_a_model_says_what_to_do(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = shown(page("own_site"))
    assert "not known to hold here" in said and "No outcome of" in said and "What would change this conclusion" in said
    monkeypatch.setenv("OPSIGHT_HOME", str(tmp_path))
    assert "make demo" in shown(page("own_site"))


def test_a_table_that_is_loaded_gets_its_verdict_on_the_page(here: Path) -> None:
    test = page("own_site")
    data = own_patients(300).rename(columns={"who": "case", "when": "date"}).to_csv(index=False).encode()
    test.file_uploader(key="own_file_check").set_value(("own.csv", data, "text/csv")).run()
    test.selectbox(key="own_check_outcome").set_value("happened").run()
    test.button(key="own_check_go").click().run()
    said = shown(test)
    assert "Observed beside expected, by month" in said and "those it learned from" in said
    assert any(metric.label == "AUROC" for metric in test.metric)


def test_a_planned_list_is_added_up_on_the_page(here: Path) -> None:
    test = page("own_site")
    test.file_uploader(key="own_file_plan").set_value(("week.csv", planned().to_csv(index=False).encode(), "text/csv")).run()
    test.button(key="own_plan_go").click().run()
    assert "nine times in ten" in shown(test)


def test_a_table_without_rows_is_told_calmly(here: Path) -> None:
    test = page("own_site")
    test.file_uploader(key="own_file_check").set_value(("own.csv", b"age,sex\r\n", "text/csv")).run()
    assert any("no row" in warning.value for warning in test.warning)


def test_the_template_is_a_header_that_the_check_can_read(here: Path) -> None:
    predictor = bundle_named("small_complication")
    names = template(predictor.bundle.outline.codebook, ("case", "outcome")).strip().split(",")
    assert names[:2] == ["case", "outcome"] and set(predictor.bundle.outline.codebook.names) <= set(names)
