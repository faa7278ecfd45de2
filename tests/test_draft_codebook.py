"""A drafted codebook: sensible guesses, and nothing that only a person can know."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from core.errors import CodebookError
from core.ingest import description
from core.ingest.cells import parse_cells
from core.ingest.description import parse_description
from core.ingest.draft import draft_codebook, guess_column

OUTCOMES = """outcomes:
  complication:
    column: complication
    definition: Any complication.
    desirable: false
"""


def written(folder: Path, rows: int = 60) -> Path:
    chance = np.random.default_rng(0)
    lines = ["Op No,Patient ID,Age,Sex,BMI,ASA class,Tumour size (mm),creatinine,hospital,los_days,complication,scan,note"]
    for row in range(rows):
        age = -9 if row == 3 else chance.integers(30, 85)
        creatinine = "<0.5" if row == 7 else f"{chance.uniform(0.6, 2):.2f}"
        bmi = "NA" if row % 10 == 0 else f"{chance.uniform(18, 40):.1f}"
        los = 999 if row == 5 else chance.integers(1, 12)
        lines.append(
            f"{row:04d},P{row // 2},{age},{'mf'[row % 2]},{bmi},{chance.integers(1, 5)},{chance.uniform(5, 90):.1f},"
            f'{creatinine},{"north" if row % 3 else "south"},{los},{row % 4 == 0:d},s{row}.nii.gz,"free text, {row % 50}"'
        )
    path = folder / "ours.csv"
    path.write_text("\n".join(lines))
    return path


def completed(draft: str) -> str:
    body = draft[: draft.index("outcomes:")]
    body = re.sub(r"(  complication:\n(?:    .*\n)*?    known:).*", r"\1 after", body)
    return re.sub(r"known:(?! after).*", "known: before", body) + OUTCOMES


def test_kinds_units_and_missing_codes_are_guessed(tmp_path: Path) -> None:
    book_file = parse_description(completed(draft_codebook(written(tmp_path))).encode())
    book = book_file.codebook
    kinds = {field.name: field.kind for field in book.fields}
    assert kinds == {
        "Age": "integer", "Sex": "category", "BMI": "number", "ASA_class": "category", "Tumour_size_mm": "number",
        "creatinine": "number", "hospital": "category", "los_days": "integer", "complication": "flag", "scan": "path",
        "note": "text",
    }  # fmt: skip
    assert (book_file.case_id, book_file.patient_id, book_file.site) == ("Op No", "Patient ID", "hospital")
    assert book["Age"].unit == "years" and (book["Age"].low, book["Age"].high) == (0, 120)
    assert book["Age"].missing_codes == ("-9",) and book["los_days"].missing_codes == ("999",)
    assert book["BMI"].unit == "kg/m2" and book["BMI"].missing_codes == ("NA",)
    assert book["Tumour_size_mm"].unit == "mm" and book_file.headers["Tumour_size_mm"] == "Tumour size (mm)"
    assert book["ASA_class"].values == ("1", "2", "3", "4")


def test_known_is_left_empty_and_an_unfilled_draft_is_refused_with_what_to_do(tmp_path: Path) -> None:
    draft = draft_codebook(written(tmp_path))
    assert not re.search(r"^ +known:[ ]*(before|during|after)", draft, re.MULTILINE)
    with pytest.raises(CodebookError, match="'known' is empty") as caught:
        parse_description(draft.encode())
    assert "before, during or after" in caught.value.do


def test_cells_that_a_load_will_refuse_are_named_in_comments(tmp_path: Path) -> None:
    draft = draft_codebook(written(tmp_path))
    assert re.search(r'# Not numbers.*"<0\.5"', draft)


def test_names_of_things_that_happen_afterwards_carry_a_hint(tmp_path: Path) -> None:
    draft = draft_codebook(written(tmp_path))
    hinted = re.findall(r"^  (\w+):\n(?:    .*\n)*?    known:  #", draft, re.MULTILINE)
    assert "complication" in draft and hinted and "# its name suggests" in draft.split("  complication:")[1]
    assert "# its name suggests" not in draft.split("  Age:")[1].split("  Sex:")[0]


@pytest.mark.parametrize("header", ["a: b", "#x", "x'y\"z", "yes", "null", "- a", "ümlaut", "1st"])
def test_strange_column_names_survive_the_draft(tmp_path: Path, header: str) -> None:
    path = tmp_path / "t.csv"
    quoted = '"' + header.replace('"', '""') + '"'
    path.write_text(f"case,{quoted},complication\n" + "\n".join(f"{row},{row / 7},{row % 2}" for row in range(20)))
    book_file = parse_description(completed(draft_codebook(path)).encode())
    assert header in book_file.headers.values()


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["0", "1", "1"], "flag"),
        (["yes", "No", ""], "flag"),
        (["2024-01-02"] * 3, "date"),
        (["", "", ""], "text"),
        (["1", "2", "3a", "3b"] * 5, "category"),
    ],
)
def test_small_columns_are_told_apart(cells: list[str], kind: str) -> None:
    data = "case,x\n" + "\n".join(f"{row},{cell}" for row, cell in enumerate(cells))
    assert guess_column(parse_cells(data.encode(), "t"), "x").kind == kind


def test_the_example_in_the_documentation_is_a_whole_codebook() -> None:
    assert description.__doc__
    lines = description.__doc__.splitlines()
    example = "\n".join(line[4:] for line in lines if line.startswith("    "))
    read = parse_description(example.encode())
    assert [rule.outcome.name for rule in read.rules] == ["complication", "recovery"]
    assert read.headers["size_mm"] == "Tumour size (mm)" and read.mask is not None and read.mask.labels[2] == "lesion"
