"""Differences and how their places are written."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.kubernetes_provider.paths import Change, Path, differences, is_within, parse_field, render, same
from sandbox.plugin import UNKNOWN

# Lists hold no nulls: there a null is not "absent".
SCALARS = st.booleans() | st.integers(-5, 5) | st.text("ab.[]\"'/é", max_size=3)
KEYS = st.text('ab./"-_0', min_size=1, max_size=4)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=12
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)


def patched(old: Any, new: Any, changes: dict[Path, Change]) -> Any:
    """`old` with exactly the places in `changes` taken over from `new`."""
    result = copy.deepcopy(old)
    for path, change in sorted(changes.items(), key=lambda item: item[0][-1:] and str(item[0]), reverse=True):
        parent, source = result, new
        for step in path[:-1]:
            parent, source = parent[step], source[step]
        last: Any = path[-1]
        if change is Change.DELETE:
            del parent[last]
        elif isinstance(parent, list) and last >= len(parent):
            parent.extend(source[len(parent) :])
        else:
            parent[last] = source[last]
    return result


def parsed(text: str) -> Path:
    """The path as the engine reads it (sdk/go/common/resource/property_path.go, ParsePropertyPath)."""
    steps: list[str | int] = []
    while text:
        if text.startswith('["'):
            key, text = "", text[2:]
            while not text.startswith('"'):
                text = text.removeprefix("\\") if text.startswith('\\"') else text
                key, text = key + text[0], text[1:]
            steps.append(key)
            text = text.removeprefix('"]')
        elif text.startswith("["):
            index, _, text = text[1:].partition("]")
            steps.append(int(index))
        else:
            text = text.removeprefix(".")
            end = next((at for at, letter in enumerate(text) if letter in ".["), len(text))
            steps.append(text[:end])
            text = text[end:]
    return tuple(steps)


@given(OBJECTS)
def test_nothing_differs_from_itself(value: dict[str, Any]) -> None:
    assert differences(value, copy.deepcopy(value)) == {}
    assert same(value, copy.deepcopy(value))


@given(OBJECTS, OBJECTS)
def test_the_differences_are_all_there_is_between_two_values(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert same(patched(old, new, differences(old, new)), new)


@given(OBJECTS, OBJECTS)
def test_there_and_back_swaps_added_and_deleted(old: dict[str, Any], new: dict[str, Any]) -> None:
    swap = {Change.ADD: Change.DELETE, Change.DELETE: Change.ADD, Change.UPDATE: Change.UPDATE}
    assert differences(new, old) == {path: swap[change] for path, change in differences(old, new).items()}


@given(OBJECTS, OBJECTS)
def test_no_place_lies_inside_another(old: dict[str, Any], new: dict[str, Any]) -> None:
    paths = list(differences(old, new))
    assert not [(a, b) for a in paths for b in paths if a != b and is_within(a, b)]


@given(st.lists(KEYS | st.integers(0, 99), min_size=1, max_size=5).map(tuple).filter(lambda p: isinstance(p[0], str)))
def test_the_engine_reads_back_the_path_that_was_meant(path: Path) -> None:
    assert parsed(render(path)) == path


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("spec", "ports", 0, "port"), "spec.ports[0].port"),
        (("metadata", "labels", "app.kubernetes.io/name"), 'metadata.labels["app.kubernetes.io/name"]'),
        (("data", 'a"b'), 'data["a\\"b"]'),
        (("data", "0"), 'data["0"]'),
    ],
)
def test_paths_look_like_pulumis(path: Path, text: str) -> None:
    assert render(path) == text


@pytest.mark.parametrize(
    ("field", "path"),
    [
        ("spec.template.spec.containers[0].image", ("spec", "template", "spec", "containers", 0, "image")),
        ("metadata.labels[a/b]", ("metadata", "labels", "a/b")),
        ("", ()),
    ],
)
def test_reads_fields_as_the_server_names_them(field: str, path: Path) -> None:
    assert parse_field(field) == path


def test_null_is_absent() -> None:
    assert differences({"a": None}, {}) == {}
    assert differences({"a": None}, {"a": 1}) == {("a",): Change.ADD}


def test_true_is_not_one() -> None:
    assert differences({"a": True}, {"a": 1}) == {("a",): Change.UPDATE}
    assert differences({"a": 1}, {"a": 1.0}) == {}


def test_an_unknown_value_always_differs() -> None:
    assert differences({"a": 1}, {"a": UNKNOWN}) == {("a",): Change.UPDATE}
    assert differences({"a": UNKNOWN}, {"a": UNKNOWN}) == {("a",): Change.UPDATE}
