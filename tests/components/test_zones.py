"""Zones: only where the type is sold, and the same ones from run to run."""

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import ResourceError
from infra.targets.zones import choose_zones, find_zones
from tests.ec2_factories import INVOKES, ZONES, declare, offered
from tests.factories import make_settings
from tests.support import STACK, record

OFFERINGS = "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings"
AVAILABLE = "aws:index/getAvailabilityZones:getAvailabilityZones"


def subnets(*zones):
    """Look-ups of a stack that has these private subnets, in order, beside one that is not private."""
    found = {f"subnet-{index}": (f"{STACK}-network-private-{index}", zone) for index, zone in enumerate(zones)}
    found["subnet-public"] = (f"{STACK}-staging-public", "us-east-1f")
    return {
        "aws:ec2/getSubnets:getSubnets": lambda args: {"ids": list(found), "id": "x"} if args["tags"] == {
            "seekstack:stack": STACK} else {"ids": [], "id": "x"},
        "aws:ec2/getSubnet:getSubnet": lambda args: {
            "tags": {"Name": found[args["id"]][0]}, "availabilityZone": found[args["id"]][1], "id": args["id"]},
    }  # fmt: skip


def zones_of(recording):
    return [item.inputs["availabilityZone"] for item in recording.of_type("aws:ec2/subnet:Subnet")]


def test_the_first_zones_by_name_that_sell_the_type_are_used():
    assert zones_of(declare()) == ["us-east-1a", "us-east-1b"]
    assert zones_of(declare(invokes={OFFERINGS: lambda args: offered("us-east-1c", "us-east-1b")})) == [
        "us-east-1b", "us-east-1c",
    ]  # fmt: skip


def test_the_type_of_the_plan_is_the_one_asked_for():
    asked = {}

    def answer(args):
        asked.update(args)
        return offered(*ZONES)

    declare(instanceType="g6.xlarge", invokes={OFFERINGS: answer})
    assert asked["locationType"] == "availability-zone"
    assert asked["filters"] == [{"name": "instance-type", "values": ["g6.xlarge"]}]


def test_a_local_zone_that_the_account_opted_into_is_no_availability_zone():
    names = ["us-east-1-bos-1a", *ZONES]
    invokes = {
        AVAILABLE: lambda args: {"names": names, "zoneIds": [], "id": "x"},
        OFFERINGS: lambda args: offered(*names),
    }
    assert zones_of(declare(invokes=invokes)) == ["us-east-1a", "us-east-1b"]


@pytest.mark.parametrize("preview", [True, False], ids=["preview", "update"])
def test_subnets_stay_in_their_zones_when_the_type_is_sold_in_more_of_them(preview):
    recording = declare(preview=preview, invokes=subnets("us-east-1c", "us-east-1b"))
    assert zones_of(recording) == ["us-east-1c", "us-east-1b"]
    assert recording.one("aws:ebs/volume:Volume").inputs["availabilityZone"] == "us-east-1c"


def test_a_zone_that_does_not_sell_a_new_type_is_left_for_one_that_does():
    invokes = {**subnets("us-east-1a", "us-east-1b"), OFFERINGS: lambda args: offered("us-east-1b", "us-east-1c")}
    assert zones_of(declare(invokes=invokes)) == ["us-east-1c", "us-east-1b"]


@pytest.mark.parametrize(
    ("zones", "wanted", "code", "allowed", "named"),
    [
        (ZONES, 4, "SKS0401", "1 to 3", "3 availability zones"),
        (["us-east-1b"], 2, "SKS0403", "1 to 1", "offer g4dn.xlarge (us-east-1b)"),
        ([], 2, "SKS0403", "a region with such zones", "(none)"),
    ],
)
def test_too_few_zones_are_refused_with_those_there_are(zones, wanted, code, allowed, named):
    settings = make_settings(availabilityZones=wanted)
    answers = {**INVOKES, OFFERINGS: lambda args: offered(*zones)}
    with pytest.raises(ResourceError) as caught:
        record(lambda: find_zones(settings, "g4dn.xlarge", pulumi.InvokeOptions()), invokes=answers)
    assert (caught.value.code, caught.value.key, caught.value.allowed) == (code, "seekstack:availabilityZones", allowed)
    assert named in caught.value.message
    assert caught.value.fix


letters = st.lists(st.sampled_from("abcdef"), unique=True)


@given(letters, letters, st.integers(1, 4))
def test_chosen_zones_are_candidates_each_once_and_existing_ones_keep_their_place(candidates, existing, wanted):
    if len(candidates) < wanted:
        return
    chosen = choose_zones(sorted(candidates), dict(enumerate(existing)), wanted)
    assert len(set(chosen)) == len(chosen) == wanted
    assert set(chosen) <= set(candidates)
    for index, zone in enumerate(existing[:wanted]):
        assert zone not in candidates or chosen[index] == zone
