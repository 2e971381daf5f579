"""Every file of YAML that a person writes is bounded before it is read: bytes, levels, and values behind aliases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from infra.bounded_yaml import MOST_BYTES, MOST_LEVELS, MOST_VALUES, UnreadableYamlError, compose, construct, read_text
from infra.catalog.load import shipped
from infra.catalog.own import append_row, read_rows
from infra.errors import ConfigurationError, ConfigurationErrors
from infra.inventory import read_inventory
from infra.stack_file import read_stack_file

LAUGHS = "\n".join(["a0: &a0 [1]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))])
"""9^11 values in 12 lines."""
DEEP = f"{'[' * 100_000}{']' * 100_000}"
"""Enough to end a process that composes it with libyaml 0.2.5."""
ENDLESS = {
    "an-alias-bomb": (f"{LAUGHS}\n", "holds itself", 1),
    "holds-itself": ("&a [*a]\n", "holds itself", 1),
    "deep": (f"# a line\na: {DEEP}\n", "is nested too deep", 2),
    "deep-block": (f"{'- ' * 100_000}x\n", "is nested too deep", 1),
    "unclosed": (f"{'[' * 100_000}\n", "is nested too deep", 1),
}


def own_rows(path: Path) -> object:
    """The rows of a project's own models."""
    return read_rows(path, {})


READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "SKS0107": ("Pulumi.dev.yaml", read_stack_file),
    "SKS0110": ("hosts.yaml", lambda path: read_inventory(path, shipped())),
    "SKS0218": ("models.yaml", own_rows),
}


def refused(read: Callable[[Path], object], path: Path) -> ConfigurationError:
    """The one error of a reader."""
    with pytest.raises((ConfigurationError, ConfigurationErrors)) as caught:
        read(path)
    if isinstance(caught.value, ConfigurationError):
        return caught.value
    (error,) = caught.value.errors
    return error


@pytest.mark.parametrize("code", READERS)
@pytest.mark.parametrize(("text", "message", "line"), ENDLESS.values(), ids=ENDLESS)
def test_each_reader_refuses_what_has_no_end_with_its_code_and_line(
    tmp_path: Path, code: str, text: str, message: str, line: int
) -> None:
    name, read = READERS[code]
    (tmp_path / name).write_text(text)
    error = refused(read, tmp_path / name)
    assert (error.code, message in error.message) == (code, True)
    assert error.location is not None
    assert Path(error.location.file).name == name
    assert (error.location.line or 0) >= line
    assert f"at most {MOST_LEVELS} levels" in (error.allowed or "")
    assert error.fix


@pytest.mark.parametrize("code", READERS)
def test_each_reader_refuses_a_file_that_nobody_wrote_by_hand(tmp_path: Path, code: str) -> None:
    name, read = READERS[code]
    (tmp_path / name).write_text("#" * (MOST_BYTES + 1))
    error = refused(read, tmp_path / name)
    assert (error.code, error.allowed) == (code, f"at most {MOST_BYTES:,}")
    assert f"has {MOST_BYTES + 1:,} bytes" in error.message


def test_a_model_is_not_added_to_a_file_that_has_no_end(tmp_path: Path) -> None:
    path = tmp_path / "models.yaml"
    path.write_text("models:\n  - &a [*a]\n")
    assert refused(lambda file: append_row(file, {"id": "a/b"}), path).code == "SKS0218"
    assert path.read_text() == "models:\n  - &a [*a]\n"


def test_the_limits_themselves_are_read() -> None:
    nested = f"[{'[' * MOST_LEVELS}{']' * MOST_LEVELS}]"
    assert compose(nested)
    with pytest.raises(UnreadableYamlError, match="too deep"):
        compose(f"[{nested}]")
    many = f"[{', '.join('1' * (MOST_VALUES - 1))}]"
    assert compose(many)
    with pytest.raises(UnreadableYamlError, match="more than a person writes"):
        compose(many.replace("]", ", 1]"))
    assert compose(many.replace("]", ", 1]"), most_values=MOST_VALUES + 1)


def test_an_alias_counts_as_often_as_it_is_used() -> None:
    assert compose("[&a [1, 2], *a, *a]", most_values=10)
    with pytest.raises(UnreadableYamlError) as caught:
        compose("[&a [1, 2],\n *a, *a]", most_values=9)
    assert (caught.value.line, caught.value.allowed) == (1, f"at most {MOST_LEVELS} levels and 9 values")


@pytest.mark.parametrize(
    ("text", "line", "fix"),
    [
        ("a: [1\nb: 2\n", 2, "mend the line"),
        ("a: 1\n---\nb: 2\n", 2, "mend the line"),
        ("a: \0\n", None, "mend the file"),
    ],
)
def test_what_is_no_yaml_is_told_by_its_line_where_that_is_known(text: str, line: int | None, fix: str) -> None:
    with pytest.raises(UnreadableYamlError, match="is not YAML: ") as caught:
        compose(text)
    assert (caught.value.line, caught.value.allowed, caught.value.fix) == (line, None, fix)


@pytest.mark.parametrize(("text", "line"), [("- 1\n- !nobody x\n", 2), ("- 2026-13-45\n", None)])
def test_a_value_that_cannot_be_made_is_refused_as_a_text_is(text: str, line: int | None) -> None:
    root = compose(text)
    assert root is not None
    with pytest.raises(UnreadableYamlError, match="is not YAML: ") as caught:
        construct(root)
    assert caught.value.line == line


def test_nothing_is_none_and_a_value_is_what_the_loader_makes_of_it(tmp_path: Path) -> None:
    assert compose("") is None
    (tmp_path / "file").write_text("a: [1, {b: 2026-01-01}]\nc: &x {d: ~}\ne: {<<: *x, f: yes}\n")
    text = read_text(tmp_path / "file")
    root = compose(text)
    assert root is not None
    assert construct(root) == yaml.safe_load(text)


def test_an_entry_of_the_own_models_that_is_wrong_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text("# ours\nmodels:\n\n  - just text\n")
    error = refused(own_rows, tmp_path / "models.yaml")
    assert error.location is not None
    assert (error.message, error.location.line) == ("models.yaml entry 1 is no mapping", 4)
