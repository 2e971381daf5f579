"""A stack file is read with the line of each key; a broken one says where."""

import pytest

from infra.errors import ConfigurationErrors
from infra.stack_file import read_stack_file, stack_file_path


def write(tmp_path, text, name="Pulumi.dev.yaml"):
    path = tmp_path / name
    path.write_text(text)
    return path


def errors_of(path):
    with pytest.raises(ConfigurationErrors) as caught:
        read_stack_file(path)
    return caught.value.errors


def test_reads_values_with_their_lines(tmp_path):
    file = read_stack_file(write(tmp_path, "# note\nconfig:\n  seekstack:model: 7B\n  aws:region: eu-west-1\n"))
    assert file.of_namespace("seekstack") == {"model": "7B"}
    assert str(file.locate("aws:region")) == "Pulumi.dev.yaml:4"
    assert str(file.locate("seekstack:gone")) == "Pulumi.dev.yaml"


def test_a_key_without_namespace_is_the_projects_own(tmp_path):
    assert read_stack_file(write(tmp_path, "config:\n  model: 7B\n")).of_namespace("seekstack") == {"model": "7B"}


def test_values_keep_their_yaml_types(tmp_path):
    file = read_stack_file(write(tmp_path, "config:\n  a: 1\n  b: true\n  c: [x, {y: 2}]\n  d: null\n"))
    assert file.of_namespace("seekstack") == {"a": 1, "b": True, "c": ["x", {"y": 2}], "d": None}


@pytest.mark.parametrize("text", ["", "config:\n", "# nothing\n", "encryptionsalt: v1:abc\n"])
def test_an_empty_file_has_no_values(tmp_path, text):
    assert read_stack_file(write(tmp_path, text)).values == {}


def test_a_doubled_key_names_both_lines_and_keeps_the_rest(tmp_path):
    file = read_stack_file(write(tmp_path, "config:\n  model: 7B\n  port: 1\n  model: 8B\n"))
    (error,) = file.errors
    assert (error.code, error.location.line) == ("SKS0108", 4)
    assert "first in line 2" in error.message
    assert file.of_namespace("seekstack") == {"model": "7B", "port": 1}


def test_a_doubled_key_inside_a_value_is_found_too(tmp_path):
    (error,) = read_stack_file(write(tmp_path, "config:\n  tags:\n    a: 1\n    a: 2\n")).errors
    assert error.code == "SKS0108"


def test_a_misspelt_namespace_is_named(tmp_path):
    (error,) = read_stack_file(write(tmp_path, "config:\n  seekstak:model: 7B\n")).errors
    assert "did you mean seekstack:model" in error.message


@pytest.mark.parametrize("text", ["config:\n\t- x", "config: [", "a: 'b", "config:\n  a: b: c\n", "\x00"])
def test_what_is_not_yaml_is_refused(tmp_path, text):
    (error,) = errors_of(write(tmp_path, text))
    assert error.code == "SKS0107"


@pytest.mark.parametrize(("text", "line"), [("- a\n", 1), ("config:\n  - a\n", 2), ("just text\n", 1)])
def test_a_wrong_shape_is_refused(tmp_path, text, line):
    (error,) = errors_of(write(tmp_path, text))
    assert (error.code, error.location.line) == ("SKS0107", line)


LAUGHS = "\n".join(["a0: &a0 [1]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("config:\n  tags: &a\n    x: *a\n    y: *a\n", 3),
        ("a: &a [*a]\n", 1),
        (f"config:\n  x: {'[' * 5000}{']' * 5000}\n", 2),
        (LAUGHS, 1),
    ],
    ids=["holds-itself", "list-holds-itself", "deep", "many"],
)
def test_what_has_no_end_is_refused(tmp_path, text, line):
    (error,) = errors_of(write(tmp_path, text))
    assert error.code == "SKS0107"
    assert error.location.line is None or error.location.line >= line


def test_an_alias_is_read_as_what_it_names(tmp_path):
    file = read_stack_file(write(tmp_path, "config:\n  a: &n [x]\n  b: *n\n"))
    assert file.of_namespace("seekstack") == {"a": ["x"], "b": ["x"]}


def test_an_impossible_scalar_is_refused_with_its_line(tmp_path):
    (error,) = read_stack_file(write(tmp_path, "config:\n  a: !!int x\n")).errors
    assert (error.code, error.location.line) == ("SKS0107", 2)


def test_a_missing_file_lists_the_stacks_there_are(tmp_path):
    write(tmp_path, "", "Pulumi.prod.yaml")
    (error,) = errors_of(tmp_path / "Pulumi.dev.yaml")
    assert error.code == "SKS0106"
    assert "prod" in error.allowed


def test_bytes_that_are_not_text_are_refused(tmp_path):
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    (error,) = errors_of(path)
    assert error.code == "SKS0106"


def test_an_organisation_is_not_part_of_the_file_name(tmp_path):
    assert stack_file_path(tmp_path, "acme/seekstack/dev").name == "Pulumi.dev.yaml"
