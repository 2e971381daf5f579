"""Quantities: exact, and in the one form the API server writes back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k8s import quantity


@pytest.mark.parametrize(
    ("millicores", "text"), [(4000, "4"), (3500, "3500m"), (1, "1m"), (0, "0"), (1000, "1"), (12001, "12001m")]
)
def test_writes_whole_cores_without_a_suffix(millicores: int, text: str) -> None:
    assert quantity.cpu(millicores) == text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(2**30, "1Gi"), (2 * 2**40, "2048Gi"), (1536 * 2**20, "1536Mi"), (3 * 2**10, "3Ki"), (1001, "1001"), (0, "0")],
)
def test_writes_memory_in_the_largest_exact_unit(size_bytes: int, text: str) -> None:
    assert quantity.memory(size_bytes) == text


@settings(deadline=None)
@given(st.integers(0, 2**50))
def test_loses_no_byte_and_no_millicore(number: int) -> None:
    assert quantity.parse(quantity.memory(number)) == number
    assert quantity.parse(quantity.cpu(number)) * 1000 == number


@pytest.mark.parametrize(
    ("text", "number"), [("1.5Gi", 1.5 * 2**30), ("100m", 0.1), ("2k", 2000), ("1e3", 1000), (4, 4), ("5E", 5e18)]
)
def test_reads_every_form_a_person_may_write(text: object, number: float) -> None:
    assert float(quantity.parse(text)) == number


@pytest.mark.parametrize("text", ["", "1 Gi", "lots", "1gi", None, True, "Gi", "1e"])
def test_refuses_what_is_no_quantity(text: object) -> None:
    with pytest.raises(ValueError, match="is not a Kubernetes quantity"):
        quantity.parse(text)
