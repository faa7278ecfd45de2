"""Tables from outside: nothing is guessed, and every refusal says where and what to do."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.contracts.codebook import Codebook, Field, Level
from core.errors import Refused
from core.ingest import parse_table, read_table_file, validate_record
from core.ingest.cells import TableLimits, parse_cells

BOOK = Codebook(
    (
        Field("case_id", "Case", "identifier", "before", block="identifier"),
        Field("age", "Age", "integer", "before", unit="years", low=18, high=110, missing_codes=("-9",), required=True),
        Field("bmi", "Body mass index", "number", "before", unit="kg/m2", low=10, high=80),
        Field("sex", "Sex", "category", "before", levels=(Level("f", "female"), Level("m", "male"))),
        Field("smoker", "Smoker", "flag", "before"),
    )
)
HEADER = "case_id,age,bmi,sex,smoker"


def table(*rows: str, header: str = HEADER) -> bytes:
    return "\n".join([header, *rows, ""]).encode()


def frame(*rows: str, header: str = HEADER) -> pd.DataFrame:
    return parse_table(table(*rows, header=header), BOOK, "ours.csv").frame


def refused(data: bytes, **options: object) -> Refused:
    with pytest.raises(Refused) as caught:
        parse_table(data, BOOK, "ours.csv", **options)  # type: ignore[arg-type]
    assert caught.value.do and "ours.csv" in caught.value.message
    return caught.value


def test_values_come_clean() -> None:
    read = frame("a1,65,22.5,f,1", "a2,-9,,M ,no", "a3,70.0,1e1, f,TRUE")
    assert read["age"].tolist()[::2] == [65, 70] and math.isnan(read["age"].iloc[1])
    assert read["bmi"].tolist()[::2] == [22.5, 10] and math.isnan(read["bmi"].iloc[1])
    assert read["sex"].tolist() == ["f", "m", "f"]
    assert read["smoker"].tolist() == [1, 0, 1]
    assert read.index.tolist() == [2, 3, 4]


def test_f079_an_identifier_that_stands_twice_is_refused_with_both_rows() -> None:
    error = refused(table("a,65,,f,1", "b,65,,f,1", " a ,66,,m,0"))
    assert error.code == "TAB_DUP_ID" and "rows 2 and 4" in error.message


def test_f080_a_column_name_that_stands_twice_is_refused() -> None:
    error = refused(table("a,65,66,,f,1", header="case_id,age,age,bmi,sex,smoker"))
    assert error.code == "TAB_DUP_COL" and "2 and 3" in error.message


def test_f081_a_misspelt_column_is_refused_with_the_nearest_name() -> None:
    error = refused(table("a,65,22,f,1", header="case_id,agee,bmi,sex,smoker"))
    assert error.code == "TAB_MISSING_COL" and "'agee'" in error.do


def test_f082_reordered_columns_read_the_same_and_extra_ones_are_named() -> None:
    plain = frame("a,65,22,f,1")
    parsed = parse_table(table("1,f,22,65,a,junk", header="smoker,sex,bmi,age,case_id,more"), BOOK, "ours.csv")
    pd.testing.assert_frame_equal(parsed.frame, plain)
    assert "more" in parsed.notes[0]


def test_f083_identifiers_stay_text_and_four_stay_four(tmp_path: Path) -> None:
    ids = ["007", "7", "NA", "1e5", "2024-01-02", "nan"]
    (tmp_path / "t.csv").write_bytes(table(*(f"{name},65,22,f,1" for name in ids)))
    assert read_table_file(tmp_path / "t.csv", BOOK)["case_id"].tolist() == ids
    buffer = io.BytesIO()
    pd.DataFrame({"case_id": ids, "age": 65, "bmi": 22.0, "sex": "f", "smoker": True}).to_parquet(buffer)
    assert parse_table(buffer.getvalue(), BOOK, "t.parquet").frame["case_id"].tolist() == ids


@pytest.mark.parametrize(
    "given", ['"22,5"', "<5", ">200", "1 000", "inf", "-inf", "nan", "NA", "0x1F", "1_000", "٢٢", "12.3.4", "--1"]
)
def test_f084_what_is_no_number_is_refused_with_its_cell(given: str) -> None:
    error = refused(table("a,65,22,f,1", f"b,65,{given},f,1"))
    assert error.code == "TAB_NUMBER"
    assert "column 'bmi', row 3" in error.message and given.strip('"') in error.message


def test_a_fraction_in_a_column_of_whole_numbers_is_refused() -> None:
    assert refused(table("a,65.5,22,f,1")).code == "TAB_NUMBER"


@pytest.mark.parametrize("age", ["5", "17", "111", "6500", "-1", "999"])
def test_f088_a_value_outside_its_range_names_file_column_row_value_and_range(age: str) -> None:
    error = refused(table("a,65,22,f,1", f"b,{age},22,f,1", f"c,{age},22,f,1"))
    assert error.code == "TAB_RANGE"
    for part in ("ours.csv", "'age'", "row 3", repr(age), "18 to 110 years", "1 more such"):
        assert part in error.message


@pytest.mark.parametrize("number", ["1e309", "1e308"])
def test_f100_a_number_beyond_everything_is_refused(number: str) -> None:
    assert refused(table(f"a,65,{number},f,1")).code == "TAB_RANGE"


def test_f089_a_new_category_is_refused_and_a_variant_of_case_is_not() -> None:
    assert frame("a,65,22, F ,1")["sex"].tolist() == ["f"]
    error = refused(table("a,65,22,female,1"))
    assert error.code == "TAB_CATEGORY" and "one of f, m" in error.message
    assert refused(table("a,65,22,f,2")).code == "TAB_CATEGORY"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
def test_f090_another_encoding_is_refused(encoding: str) -> None:
    assert refused((HEADER + "\nä,65,22,f,1\n").encode(encoding)).code == "TAB_ENCODING"


def test_f090_a_byte_order_mark_is_no_part_of_the_first_name() -> None:
    data = b"\xef\xbb\xbf" + table("a,65,22,f,1")
    assert parse_table(data, BOOK, "ours.csv").frame["case_id"].tolist() == ["a"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_f091_three_delimiters_are_told_apart(delimiter: str) -> None:
    text = table('a,65,22,f,"1"', "b,66,23,m,0").decode().replace(",", delimiter)
    assert parse_table(text.encode(), BOOK, "ours.csv").frame["age"].tolist() == [65, 66]


def test_f091_a_semicolon_file_with_decimal_commas_is_refused_at_the_cell_not_torn_apart() -> None:
    error = refused(table("a;65;22,5;f;1", "b;66;23,5;m;0", header=HEADER.replace(",", ";")))
    assert error.code == "TAB_NUMBER" and "row 2" in error.message and "point" in error.do


def test_f091_a_ragged_row_is_refused_with_its_number() -> None:
    error = refused(table("a,65,22,f,1", "b,65,22,5,f,1"))
    assert error.code == "TAB_RAGGED" and "row 3" in error.message


@pytest.mark.parametrize(
    "limits", [TableLimits(rows=1), TableLimits(columns=4), TableLimits(cell_characters=5), TableLimits(file_bytes=20)]
)
def test_f092_a_table_above_a_limit_is_refused(limits: TableLimits) -> None:
    assert refused(table("abcdefgh,65,22,f,1", "b,65,22,f,1"), limits=limits).code == "TAB_TOO_LARGE"


def test_f092_one_enormous_cell_is_refused() -> None:
    assert refused(table("a" * 10**6 + ",65,22,f,1")).code == "TAB_TOO_LARGE"


@pytest.mark.parametrize("data", [b"PK\x03\x04" + bytes(50), b"\x1f\x8b" + bytes(50), b"PAR1" + bytes(50) + b"PAR1"])
def test_f103_another_format_under_the_name_csv_is_refused(data: bytes) -> None:
    assert refused(data).code in {"TAB_FORMAT", "TAB_TRUNCATED"}


@pytest.mark.parametrize("data", [b"", HEADER.encode(), b"\n\n"])
def test_a_table_without_rows_is_refused(data: bytes) -> None:
    assert refused(data).code in {"TAB_EMPTY", "TAB_COLUMN"}


def test_an_open_quote_is_refused() -> None:
    assert refused(table('a,65,22,"f,1', "b,65,22,f,1")).code in {"TAB_FORMAT", "TAB_RAGGED"}


def test_f078_formulas_are_kept_as_they_stand() -> None:
    formula = "=cmd|' /C calc'!A0"
    assert frame(f"{formula},65,22,f,1")["case_id"].tolist() == [formula]


def test_f153_a_damaged_parquet_file_is_refused() -> None:
    buffer = io.BytesIO()
    pd.DataFrame({"case_id": ["a"], "age": [65]}).to_parquet(buffer)
    assert refused(buffer.getvalue()[:-40]).code == "TAB_TRUNCATED"


def test_row_numbers_count_blank_lines_as_a_spreadsheet_does() -> None:
    assert parse_cells(b"a,b\n1,2\n\n3,4\n", "t").numbers == (2, 4)


def test_csv_and_parquet_of_one_table_read_the_same() -> None:
    rows = pd.DataFrame(
        {"case_id": ["a", "b"], "age": [65, np.nan], "bmi": [22.25, np.nan], "sex": ["f", None], "smoker": [True, None]}
    )
    buffer = io.BytesIO()
    rows.to_parquet(buffer)
    from_parquet = parse_table(buffer.getvalue(), BOOK, "t.parquet").frame
    from_csv = parse_table(rows.to_csv(index=False).encode(), BOOK, "t.csv").frame
    pd.testing.assert_frame_equal(from_parquet, from_csv)


def test_a_form_row_comes_back_clean_whatever_types_it_was_given_in() -> None:
    for age in (65, 65.0, "65", " 65 "):
        check = validate_record({"age": age, "sex": "F", "smoker": True, "bmi": None}, BOOK)
        assert check.problems == ()
        assert check.values["age"] == 65 and check.values["sex"] == "f" and check.values["smoker"] == 1
        assert math.isnan(float(check.values["bmi"]))


def test_f206_f208_a_form_row_lists_every_problem_and_keeps_no_bad_value() -> None:
    check = validate_record({"bmi": 640, "sex": "x", "agee": 5}, BOOK)
    assert {(problem.field, problem.code) for problem in check.problems} == {
        ("age", "MISSING"),
        ("bmi", "TAB_RANGE"),
        ("sex", "TAB_CATEGORY"),
        ("agee", "TAB_COLUMN"),
    }
    assert set(check.values) == {"case_id", "smoker"}
    assert any("10 to 80 kg/m2" in problem.sentence for problem in check.problems)
    assert all(problem.do for problem in check.problems)
