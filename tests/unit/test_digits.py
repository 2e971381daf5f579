"""Plain digits are numbers, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.digits import read_number, read_whole

NO_NUMBERS = ["", " ", "1_000", "\uff12", "\u0663", "1 ", " 1", "1,000", "0x10", "one", "--1", "1\n", "\u00b2"]


@given(st.integers(-(2**53), 2**53))
def test_reads_what_a_whole_number_is_written_as(value: int) -> None:
    assert read_whole(str(value)) == read_number(str(value)) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_reads_what_a_number_is_written_as(value: float) -> None:
    assert read_number(repr(value)) == value


@pytest.mark.parametrize("text", ["3.", ".5", "+2.5", "1e3", "1E-3"])
def test_reads_the_short_forms(text: str) -> None:
    assert read_number(text) == float(text)


@pytest.mark.parametrize("text", [*NO_NUMBERS, "1.5", "1e3", "9" * 5000])
def test_refuses_what_is_no_whole_number(text: str) -> None:
    with pytest.raises(ValueError, match="digits"):
        read_whole(text)


@pytest.mark.parametrize("text", [*NO_NUMBERS, "nan", "inf", "1.5.2", ".", "1_0.5", "1e"])
def test_refuses_what_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match="is no number in plain digits"):
        read_number(text)
