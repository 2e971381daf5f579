"""What differs, what replaces, and what AWS may choose."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.aws_provider import diff
from sandbox.aws_provider.description import Call, Items, Setting, Type
from sandbox.aws_provider.schema import Resource, Schema
from sandbox.plugin import UNKNOWN

TOKEN = "aws:test/thing:Thing"
DISK = {"name": "string", "size": "integer?", "id": "string?"}
SCHEMA = Schema(
    "0",
    {
        TOKEN: Resource(
            inputs={
                "cidr": "string?",
                "size": "integer?",
                "zone": "string?",
                "groups": "[]string?",
                "disks": "[]#Disk?",
                "rules": "[]#Disk?",
                "options": "#Disk?",
                "tags": "{}string?",
                "policy": "string?",
            },
            outputs={
                "cidr": "string",
                "size": "integer?",
                "zone": "string",
                "groups": "[]string",
                "disks": "[]#Disk",
                "rules": "[]#Disk",
                "options": "#Disk",
                "tags": "{}string?",
                "policy": "string?",
            },
        )
    },
    {},
    {"Disk": DISK},
)


def a_type(**fields: Any) -> Type:
    basic: dict[str, Any] = {"token": TOKEN, "service": "ec2", "create": Call("x"), "id": "id", "read": Call("y")}
    return Type(**(basic | {"delete": (), "replaces": ("cidr",)} | fields))


def paths(
    new: dict[str, Any],
    state: dict[str, Any],
    old: dict[str, Any] | None = None,
    ignore: tuple[str, ...] = (),
    **fields: Any,
) -> list[str]:
    found = diff.changes(a_type(**fields), SCHEMA, new=new, old=new if old is None else old, state=state, ignore=ignore)
    return [f"{change.path}{'!' if change.replaces else ''}" for change in found]


def test_equal_inputs_and_state_do_not_differ() -> None:
    assert paths({"cidr": "a", "size": 8}, {"cidr": "a", "size": "8", "zone": "chosen"}) == []


def test_a_change_says_whether_it_replaces() -> None:
    assert paths({"cidr": "b", "size": 9}, {"cidr": "a", "size": 8}) == ["cidr!", "size"]


def test_drift_of_what_the_program_says_differs_though_the_program_did_not_change() -> None:
    assert paths({"size": 8}, {"size": 9}) == ["size"]


def test_what_aws_computes_does_not_differ_where_the_program_is_silent_or_becomes_so() -> None:
    assert paths({}, {"zone": "a"}) == []
    assert paths({}, {"zone": "a"}, old={"zone": "a"}) == []


def test_what_aws_does_not_compute_is_removed_where_the_program_is_silent() -> None:
    assert paths({}, {"size": 9}) == ["size"]
    assert paths({}, {"size": 0}) == []
    assert paths({}, {"tags": {"stray": "x"}}) == ["tags"]


def test_tags_differ_by_key() -> None:
    assert paths({"tags": {"a": "1", "b c": "2"}}, {"tags": {"a": "0", "d": "4"}}) == [
        "tags.a",
        'tags["b c"]',
        "tags.d",
    ]


@given(
    st.lists(st.text(max_size=3), unique=True, max_size=6).flatmap(lambda x: st.tuples(st.just(x), st.permutations(x)))
)
def test_lists_compare_as_sets(pair: tuple[list[str], list[str]]) -> None:
    assert paths({"groups": pair[0]}, {"groups": pair[1]}) == []


@given(st.lists(st.sampled_from("abc"), max_size=5), st.lists(st.sampled_from("abc"), max_size=5))
def test_lists_differ_exactly_where_their_multisets_do(new: list[str], old: list[str]) -> None:
    assert bool(paths({"groups": new}, {"groups": old})) == (sorted(new) != sorted(old))


def test_an_ordered_list_differs_by_position() -> None:
    assert paths({"groups": ["a", "b"]}, {"groups": ["b", "a"]}, ordered=("groups",)) == ["groups[0]", "groups[1]"]


def test_an_edit_in_a_list_of_objects_shows_the_field() -> None:
    state = {"disks": [{"name": "b", "size": 2, "id": "v2"}, {"name": "a", "size": 1, "id": "v1"}]}
    assert paths({"disks": [{"name": "a", "size": 1}, {"name": "b", "size": 3}]}, state) == ["disks[1].size"]


def test_a_field_taken_out_of_an_object_differs_and_one_never_set_does_not() -> None:
    state = {"options": {"name": "a", "size": 1, "id": "v1"}}
    assert paths({"options": {"name": "a"}}, state) == []
    assert paths({"options": {"name": "a"}}, state, old={"options": {"name": "a", "size": 1}}) == ["options.size"]


def test_an_unknown_input_counts_as_a_change() -> None:
    assert paths({"cidr": UNKNOWN}, {"cidr": "a"}) == ["cidr!"]


@pytest.mark.parametrize("entry", ["tags", "tags.a", "tags.*"])
def test_ignored_changes_are_left_out(entry: str) -> None:
    assert paths({"tags": {"a": "1"}, "size": 1}, {"tags": {"a": "2"}, "size": 2}, ignore=(entry,)) == ["size"]


def test_values_that_mean_the_same_do_not_differ() -> None:
    assert paths({"policy": "A"}, {"policy": "a"}, same={"policy": str.lower}) == []
    assert paths({"policy": "B"}, {"policy": "a"}, same={"policy": str.lower}) == ["policy"]


def test_a_star_replaces_all_but_what_has_a_call_of_its_own() -> None:
    found = paths(
        {"zone": "b", "size": 2, "tags": {"a": "1"}},
        {"zone": "a", "size": 1},
        replaces=("*",),
        settings=(Setting(("size",), [Call("z")]),),
    )
    assert found == ["size", "zone!", "tags"]


RULES = Items("rules", add=Call("add"), remove=Call("remove"))


def test_a_child_list_is_ours_alone() -> None:
    assert paths({"rules": [{"name": "a"}]}, {"rules": [{"name": "a", "size": 1}]}, items=(RULES,)) == ["rules[0].size"]


names = st.lists(st.sampled_from("abcdef"), unique=True, max_size=5)


@given(names, names)
def test_item_changes_lead_from_old_to_new(new: list[str], old: list[str]) -> None:
    found = diff.item_changes(
        a_type(items=(RULES,)), SCHEMA, RULES, [{"name": name} for name in new], [{"name": name} for name in old]
    )
    reached = {item["name"] for item in found.added} | (set(old) - {item["name"] for item in found.removed})
    assert reached == set(new)
    assert not found.changed


def test_items_with_a_key_change_in_place() -> None:
    keyed = Items("rules", add=Call("add"), remove=Call("remove"), change=Call("change"), key="name")
    found = diff.item_changes(
        a_type(items=(keyed,)),
        SCHEMA,
        keyed,
        [{"name": "a", "size": 2}, {"name": "c"}],
        [{"name": "a", "size": 1}, {"name": "b"}],
    )
    assert (found.changed, found.added, found.removed) == ([{"name": "a", "size": 2}], [{"name": "c"}], [{"name": "b"}])
