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


def test_values_keep_their_types_and_nothing_is_empty_text_as_for_the_engine(tmp_path):
    file = read_stack_file(write(tmp_path, "config:\n  a: 1\n  b: true\n  c: [x, {y: 2}, ~]\n  d: null\n"))
    assert file.of_namespace("seekstack") == {"a": 1, "b": True, "c": ["x", {"y": 2}, None], "d": ""}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.0", 1), ("8192.0", 8192), ("0o10", 8), ("010", 8), ("09", 9), ("0x10", 16), ("0b11", 3), ("1_000", 1000),
        ("1e3", 1000), ("1.5", 1.5), (".5", 0.5), ("+5", 5), ("'1e3'", "1e3"), ("!!str 7", "7"), ("12:30", "12:30"),
        ("yes", "yes"), ("on", "on"), ("True", True), ("=", "="), ("<<", "<<"), ("0o9", "0o9"),
        ("2026-01-02", "2026-01-02 00:00:00 +0000 UTC"),
    ],
)  # fmt: skip
def test_a_plain_value_is_what_the_engine_makes_of_it(tmp_path, text, value):
    found = read_stack_file(write(tmp_path, f"config:\n  a: {text}\n")).of_namespace("seekstack")["a"]
    assert (type(found), found) == (type(value), value)


def test_elements_and_entries_have_lines_of_their_own(tmp_path):
    text = "config:\n  cidrs:\n    - a\n    - b\n  tags:\n    team: x\n    a.b: y\n    deep: {c: [1,\n      2]}\n"
    file = read_stack_file(write(tmp_path, text))
    assert file.lines == {
        "seekstack:cidrs": 2, "seekstack:cidrs[0]": 3, "seekstack:cidrs[1]": 4,
        "seekstack:tags": 5, "seekstack:tags.team": 6, 'seekstack:tags["a.b"]': 7, "seekstack:tags.deep": 8,
        "seekstack:tags.deep.c": 8, "seekstack:tags.deep.c[0]": 8, "seekstack:tags.deep.c[1]": 9,
    }  # fmt: skip


MERGED = """\
x-base: &base
  seekstack:model: 7B
  seekstack:port: 1
x-more: &more {seekstack:port: 2, seekstack:replicas: 3}
config:
  <<: [*base, *more]
  seekstack:model: 8B
  seekstack:tags: {<<: {a: 1, b: 2}, b: 3}
"""


def test_merge_keys_bring_in_what_is_not_said_and_the_first_mapping_wins(tmp_path):
    file = read_stack_file(write(tmp_path, MERGED))
    assert file.errors == ()
    found = file.of_namespace("seekstack")
    assert found == {"model": "8B", "port": 1, "replicas": 3, "tags": {"a": 1, "b": 3}}
    assert file.lines["seekstack:port"] == 3


def test_a_merge_of_what_is_no_mapping_is_refused(tmp_path):
    (error,) = read_stack_file(write(tmp_path, "config:\n  <<: 7\n")).errors
    assert (error.code, error.location.line) == ("SKS0107", 2)


def test_encrypted_values_are_known_by_their_path(tmp_path):
    text = "config:\n  model: {secure: v1:x}\n  cidrs: [a, {secure: v1:y}]\n  aws:secretKey: {secure: v1:z}\n"
    file = read_stack_file(write(tmp_path, text))
    assert file.secrets == {"seekstack:model", "seekstack:cidrs[1]", "aws:secretKey"}


def test_two_spellings_of_one_key_are_a_doubled_key(tmp_path):
    text = "config:\n  model: 7B\n  seekstack:model: 8B\n  seekstack:config:model: 14B\n"
    file = read_stack_file(write(tmp_path, text))
    assert [(error.code, error.location.line) for error in file.errors] == [("SKS0108", 3), ("SKS0108", 4)]
    assert file.values == {"seekstack:model": "7B"}


@pytest.mark.parametrize("number", [".inf", "-.INF", ".nan"])
def test_a_number_that_the_engine_cannot_write_down_is_refused(tmp_path, number):
    (error,) = read_stack_file(write(tmp_path, f"config:\n  a: {number}\n")).errors
    assert error.code == "SKS0107"


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


def test_a_stack_with_a_dot_is_listed_whole_and_a_folder_is_no_stack(tmp_path):
    write(tmp_path, "", "Pulumi.foo.bar.yaml")
    (tmp_path / "Pulumi.adir.yaml").mkdir()
    for name in ("dev", "adir"):
        (error,) = errors_of(tmp_path / f"Pulumi.{name}.yaml")
        assert (error.code, error.allowed) == ("SKS0106", "a stack of foo.bar")
    (error,) = errors_of(tmp_path / "Pulumi.foo.baz.yaml")
    assert error.fix.endswith("pulumi stack init foo.baz")


@pytest.mark.parametrize("stack", ["", "a b", "acme/", "/dev", "a/b/c/d", "../dev", "dév", "x" * 101])
def test_what_cannot_be_the_name_of_a_stack_is_refused(tmp_path, stack):
    write(tmp_path, "", "Pulumi.prod.yaml")
    with pytest.raises(ConfigurationErrors) as caught:
        stack_file_path(tmp_path, stack)
    (error,) = caught.value.errors
    assert (error.code, error.value) == ("SKS0106", stack)
    assert "prod" in error.fix


def test_bytes_that_are_not_text_are_refused(tmp_path):
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    (error,) = errors_of(path)
    assert error.code == "SKS0106"


def test_an_organisation_is_not_part_of_the_file_name(tmp_path):
    assert stack_file_path(tmp_path, "acme/seekstack/dev").name == "Pulumi.dev.yaml"
