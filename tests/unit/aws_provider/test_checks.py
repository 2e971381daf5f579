"""Defaults, names and wrong inputs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.aws_provider import schema
from sandbox.aws_provider.checks import DEFAULTS_KEY, check, is_generated
from sandbox.aws_provider.types import TYPES
from sandbox.plugin import UNKNOWN

GROUP = "aws:ec2/securityGroup:SecurityGroup"


def checked(token: str, new: dict[str, Any], **fields: Any) -> tuple[dict[str, Any], dict[str, str]]:
    options: dict[str, Any] = {"name": "thing", "old": {}, "default_tags": {}, "seed": b"s"} | fields
    inputs, failures = check(TYPES[token], schema.load(), new=new, **options)
    return inputs, {failure.property: failure.reason for failure in failures}


def test_fills_in_what_the_official_plugin_fills_in_and_notes_it() -> None:
    inputs, failures = checked("aws:ec2/vpc:Vpc", {"cidrBlock": "10.0.0.0/16"})
    assert failures == {}
    assert inputs["instanceTenancy"] == "default"
    assert inputs["enableDnsSupport"] is True
    assert inputs[DEFAULTS_KEY] == ["enableDnsSupport", "instanceTenancy"]


def test_a_name_is_chosen_once_and_kept() -> None:
    first, _ = checked(GROUP, {})
    assert first["name"].startswith("thing-")
    assert len(first["name"]) == len("thing-") + 7
    assert is_generated("name", first)
    again, _ = checked(GROUP, {}, old=first, seed=b"other")
    assert again["name"] == first["name"]
    assert checked(GROUP, {}, old=first, name="renamed")[0]["name"] == first["name"]
    replacement, _ = checked(GROUP, {}, seed=b"other")
    assert replacement["name"] != first["name"]


def test_a_chosen_name_outlives_a_rename_and_follows_its_prefix() -> None:
    first, _ = checked(GROUP, {"namePrefix": "mine-"})
    assert checked(GROUP, {"namePrefix": "mine-"}, old=first, name="other", seed=b"other")[0]["name"] == first["name"]
    assert checked(GROUP, {"namePrefix": "your-"}, old=first)[0]["name"].startswith("your-")
    assert checked(GROUP, {}, old=first)[0]["name"].startswith("thing-")


def test_a_given_name_and_a_given_prefix_are_used() -> None:
    assert checked(GROUP, {"name": "mine"})[0]["name"] == "mine"
    assert checked(GROUP, {"namePrefix": "mine-"})[0]["name"].startswith("mine-")


@given(st.text(alphabet="abc-", min_size=1, max_size=300))
def test_a_chosen_name_fits(name: str) -> None:
    inputs, _ = checked("aws:ec2/launchTemplate:LaunchTemplate", {}, name=name)
    assert len(inputs["name"]) <= 125


def test_default_tags_are_merged_under_the_programs_own() -> None:
    inputs, _ = checked("aws:ec2/vpc:Vpc", {"tags": {"a": "1"}}, default_tags={"a": "0", "owner": "me"})
    assert inputs["tags"] == {"a": "1", "owner": "me"}


def test_names_every_wrong_input_at_once_with_the_near_match() -> None:
    _, failures = checked("aws:ec2/subnet:Subnet", {"cidrBlok": "x", "mapPublicIpOnLaunch": "maybe"})
    assert failures == {
        "vpcId": "missing required property 'vpcId'",
        "cidrBlok": "unknown property 'cidrBlok', did you mean 'cidrBlock'?",
        "mapPublicIpOnLaunch": "'mapPublicIpOnLaunch' must be of type boolean, not 'maybe'",
    }


def test_looks_into_objects_and_lists() -> None:
    rule = {"protocol": "tcp", "fromPort": 1, "toPorts": 2}
    _, failures = checked(GROUP, {"ingress": [rule], "tags": "x"})
    assert failures == {
        "ingress[0].toPort": "missing required property 'ingress[0].toPort'",
        "ingress[0].toPorts": "unknown property 'ingress[0].toPorts', did you mean 'toPort'?",
        "tags": "'tags' must be a map, not 'x'",
    }


@pytest.mark.parametrize(("value", "is_refused"), [(False, False), (None, False), (True, True)])
def test_an_unsupported_input_is_refused_unless_it_says_nothing(value: Any, is_refused: bool) -> None:
    _, failures = checked("aws:ec2/subnet:Subnet", {"vpcId": "vpc-1", "ipv6Native": value})
    assert ("ipv6Native" in failures) == is_refused


def test_unknown_values_pass() -> None:
    _, failures = checked("aws:ec2/subnet:Subnet", {"vpcId": UNKNOWN, "tags": UNKNOWN, "mapPublicIpOnLaunch": UNKNOWN})
    assert failures == {}
