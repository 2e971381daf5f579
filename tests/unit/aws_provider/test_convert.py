"""Property names and values to AWS and back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.model import DenormalizedStructureBuilder, Shape
from hypothesis import given
from hypothesis import strategies as st

from sandbox.aws_provider.convert import UnknownMemberError, find_member, from_aws, set_path, to_aws
from sandbox.aws_provider.schema import Schema

SCHEMA = Schema("0", {}, {}, {"Disk": {"deviceName": "string", "volumeSize": "integer?", "tags": "{}string?"}})
PASCAL = st.from_regex(r"[A-Z][a-rt-z]{1,6}([A-Z][a-rt-z]{1,6}){0,3}", fullmatch=True)  # without a final s


def shape(**members: Any) -> Shape:
    return DenormalizedStructureBuilder().with_members(members).build_model()


TEXT = {"type": "string"}
DISK = {"type": "structure", "members": {"DeviceName": TEXT, "VolumeSize": {"type": "integer"}}}


@given(PASCAL)
def test_a_pascal_name_is_found_from_its_camel_form(name: str) -> None:
    assert find_member(name[0].lower() + name[1:], {name: None, "Other1": None}) == name


@given(PASCAL)
def test_a_plural_finds_its_singular_member_and_the_other_way(name: str) -> None:
    plural = f"{name}s"
    assert find_member(plural, {name: None}) == name
    assert find_member(name, {plural: None}) == plural


def test_an_exact_spelling_wins_over_a_plural() -> None:
    assert find_member("subnetIds", {"SubnetId": None, "SubnetIds": None}) == "SubnetIds"
    assert find_member("subnetId", {"SubnetId": None, "SubnetIds": None}) == "SubnetId"


def test_nothing_similar_is_not_found() -> None:
    assert find_member("region", {"VpcId": None}) is None


def test_an_object_becomes_a_list_of_one_where_aws_wants_a_list_and_text_becomes_a_number() -> None:
    wanted = shape(Disks={"type": "list", "member": DISK})
    sent = to_aws({"disk": {"deviceName": "/dev/sdf", "volumeSize": "8"}}, wanted, "", {})
    assert sent == {"Disks": [{"DeviceName": "/dev/sdf", "VolumeSize": 8}]}


def test_a_renamed_property_goes_to_its_nested_member() -> None:
    wanted = shape(Placement={"type": "structure", "members": {"AvailabilityZone": TEXT}})
    assert to_aws({"zone": "a"}, wanted, "", {"zone": "Placement.AvailabilityZone"}) == {
        "Placement": {"AvailabilityZone": "a"}
    }


def test_a_property_that_aws_does_not_know_is_refused_with_its_path() -> None:
    with pytest.raises(UnknownMemberError, match=r"disk\.colour"):
        to_aws({"disk": {"colour": "red"}}, shape(Disk=DISK), "", {})


@pytest.mark.parametrize(("given_value", "kind", "sent"), [("true", "boolean", True), (True, "string", "true")])
def test_booleans_and_texts_convert(given_value: Any, kind: str, sent: Any) -> None:
    assert to_aws({"flag": given_value}, shape(Flag={"type": kind}), "", {}) == {"Flag": sent}


@given(st.dictionaries(st.text(min_size=1, max_size=9), st.text(max_size=9), max_size=4))
def test_tags_go_to_aws_and_back(tags: dict[str, str]) -> None:
    pair = {"type": "structure", "members": {"Key": TEXT, "Value": TEXT}}
    sent = to_aws({"tags": tags}, shape(Tags={"type": "list", "member": pair}), "", {})
    assert from_aws(sent["Tags"], "{}string", SCHEMA, "tags", {}) == tags


def test_a_list_of_one_becomes_the_object_the_sdk_declares() -> None:
    raw = [{"DeviceName": "/dev/sdf", "VolumeSize": 8, "Unknown": 1}]
    assert from_aws(raw, "#Disk?", SCHEMA, "disk", {}) == {"deviceName": "/dev/sdf", "volumeSize": 8}
    assert from_aws([], "#Disk?", SCHEMA, "disk", {}) is None


def test_a_time_becomes_text() -> None:
    assert from_aws(datetime(2026, 9, 1, 12, tzinfo=UTC), "string", SCHEMA, "at", {}) == "2026-09-01T12:00:00Z"


def test_set_path_creates_the_objects_on_the_way() -> None:
    target: dict[str, Any] = {"A": {"x": 1}}
    set_path(target, "A.B.C", 2)
    assert target == {"A": {"x": 1, "B": {"C": 2}}}
