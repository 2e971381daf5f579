"""The EC2 stack as the engine would see it, in preview and in update."""

from ipaddress import IPv4Network

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from infra.components.network import allocate_subnets
from infra.errors import ResourceError
from infra.targets import ec2
from infra.targets.looking_up import looking_up
from tests.ec2_factories import COMPUTED, IMAGE, INVOKES, declare
from tests.factories import make_plan, make_settings
from tests.support import record


@pytest.mark.parametrize("preview", [True, False], ids=["preview", "update"])
def test_every_resource_hangs_below_its_component_and_uses_the_one_provider(preview):
    recording = declare(preview=preview)
    for resource in recording.registrations:
        if resource.custom and not resource.type.startswith("pulumi:providers:"):
            assert "seekstack:aws:" in resource.parent, resource.name
            assert "pulumi:providers:aws::aws" in resource.provider, resource.name


@pytest.mark.parametrize(
    "over",
    [
        {},
        {"model": "32B"},
        {"availabilityZones": 3},
        {"protectWeights": False},
        {"natForStaging": True},
        {"routes": [{"cidr": "10.0.0.0/8", "target": "tgw-0123456789abcdef0"}]},
    ],
)
def test_preview_lists_exactly_what_update_creates(over):
    assert declare(preview=True, **over).urns == declare(**over).urns


def test_logical_names_hold_no_size_type_region_or_model():
    assert declare(model="1.5B").urns == declare(model="32B", concurrency=8, vpcCidr="172.16.0.0/16").urns


def of_the_server(recording):
    """Rules that let somebody in to the model server."""
    rules = recording.of_type("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    return [rule for rule in rules if rule.inputs["securityGroupId"] == "network-server-id"]


def test_only_the_intranet_reaches_the_model_and_only_its_port():
    recording = declare(port=9000)
    rules = of_the_server(recording)
    assert [rule.inputs["cidrIpv4"] for rule in rules] == ["10.0.0.0/8", "192.168.0.0/16"]
    assert {(rule.inputs["fromPort"], rule.inputs["toPort"]) for rule in rules} == {(9000, 9000)}


def test_an_ipv6_intranet_gets_an_ipv6_rule():
    (rule,) = of_the_server(declare(intranetCidrs=["fd00::/48"]))
    assert rule.inputs["cidrIpv6"] == "fd00::/48"
    assert "cidrIpv4" not in rule.inputs


PUBLIC = {
    "aws:ec2/internetGateway:InternetGateway",
    "aws:ec2/eip:Eip",
    "aws:ec2/natGateway:NatGateway",
}
WORLD = ("0.0.0.0/0", "::/0")


@given(
    st.lists(
        st.sampled_from(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fd00::/8", "10.1.2.0/24"]),
        min_size=1,
        unique=True,
    ),
    st.sampled_from(["1.5B", "7B", "14B"]),
    st.integers(1, 3),
    st.booleans(),
    st.booleans(),
)
@hypothesis_settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_configuration_gives_a_server_a_public_address_or_a_door_to_the_world(cidrs, model, zones, nat, endpoints):
    """A NAT gateway for staging is the one public address there can be, and the way it opens leads out only."""
    recording = declare(
        intranetCidrs=cidrs, model=model, availabilityZones=zones, natForStaging=nat, vpcEndpoints=endpoints
    )
    public = {resource.name for resource in recording.registrations if resource.type in PUBLIC}
    assert public == ({"staging-internet", "staging-address", "staging-nat"} if nat else set())
    world = set()
    for resource in recording.registrations:
        assert resource.inputs.get("mapPublicIpOnLaunch") in (None, False)
        assert resource.inputs.get("associatePublicIpAddress") in (None, False)
        keys = ("cidrIpv4", "cidrIpv6", "cidrBlock", "destinationCidrBlock")
        if any(resource.inputs.get(key) in WORLD for key in keys):
            world.add(resource.name)
            assert "Ingress" not in resource.type
    assert world == ({"staging-way-out", "staging-to-internet", "staging-to-hub"} if nat else set())
    assert recording.one("aws:ec2/instance:Instance").inputs["subnetId"] == "network-private-0-id"


def test_the_volume_is_encrypted_gp3_in_the_servers_zone_and_protected_by_default():
    recording = declare()
    volume = recording.one("aws:ebs/volume:Volume")
    subnet = recording.one("aws:ec2/subnet:Subnet", "network-private-0")
    assert (volume.inputs["encrypted"], volume.inputs["type"], volume.protect) == (True, "gp3", True)
    assert volume.inputs["availabilityZone"] == subnet.inputs["availabilityZone"] == "us-east-1a"


def test_volume_size_and_speed_come_from_the_plan():
    plan = make_plan(make_settings(model="14B", loadTargetSeconds=60))
    volume = declare(model="14B", loadTargetSeconds=60).one("aws:ebs/volume:Volume")
    assert volume.inputs["size"] == plan.volume.size_gib
    assert volume.inputs["throughput"] == plan.volume.throughput_mib_per_second
    assert volume.inputs["iops"] == plan.volume.iops


def test_weights_may_go_where_the_stack_says_so():
    assert declare(protectWeights=False).one("aws:ebs/volume:Volume").protect is False


def test_the_instance_takes_imdsv2_only_and_an_encrypted_root():
    template = declare().one("aws:ec2/launchTemplate:LaunchTemplate").inputs
    assert template["metadataOptions"]["httpTokens"] == "required"
    assert template["metadataOptions"]["httpPutResponseHopLimit"] == 1
    assert template["blockDeviceMappings"][0]["ebs"]["encrypted"] == "true"
    assert template["imageId"] == IMAGE
    assert template["instanceType"] == make_plan().instance.instance_type


def test_an_image_of_ones_own_is_not_looked_up():
    settings = make_settings(amiId="ami-0123456789abcdef0")
    recording = record(
        lambda: ec2.deploy(settings, make_plan(settings), {}).exports(),
        computed=COMPUTED,
        invokes={name: answer for name, answer in INVOKES.items() if "ssm" not in name},
    )
    assert recording.one("aws:ec2/launchTemplate:LaunchTemplate").inputs["imageId"] == "ami-0123456789abcdef0"


@pytest.mark.parametrize("preview", [True, False], ids=["preview", "update"])
@pytest.mark.parametrize(("existing", "size"), [((), 20), ((20,), 20), ((77,), 77), ((19,), 20), ((30, 77, 5), 77)])
def test_the_volume_is_never_asked_to_be_smaller_than_it_is(preview, existing, size):
    assert declare(preview=preview, existing=existing).one("aws:ebs/volume:Volume").inputs["size"] == size


def test_the_existing_volume_is_found_by_the_tags_and_zone_that_the_stack_gives_it():
    asked = {}

    def answer(args):
        asked.update(args)
        return {"ids": [], "id": "x"}

    settings = make_settings(tags={"team": "search"})
    recording = record(
        lambda: ec2.deploy(settings, make_plan(settings), {}).exports(),
        computed=COMPUTED,
        invokes={**INVOKES, "aws:ebs/getEbsVolumes:getEbsVolumes": answer},
    )
    volume = recording.one("aws:ebs/volume:Volume").inputs
    assert asked["tags"].items() <= volume["tags"].items()
    assert "team" not in asked["tags"], "a changed tag must not hide the volume"
    filters = {found["name"]: found["values"] for found in asked["filters"]}
    assert filters["availability-zone"] == [volume["availabilityZone"]]


def test_a_look_up_that_is_refused_is_one_line_of_ours_and_a_bug_stays_a_bug():
    told = "invoke of aws:x:y failed: invocation of aws:x:y returned an error: UnauthorizedOperation: you\n may not"
    with pytest.raises(ResourceError) as caught, looking_up():
        raise Exception(told)
    assert (caught.value.code, caught.value.message) == ("SKS0402", "UnauthorizedOperation: you may not")
    with pytest.raises(KeyError), looking_up():
        raise KeyError("names")


def test_outputs_name_the_endpoint_the_plan_and_what_was_made():
    outputs = declare(port=9000).result
    assert outputs["endpoint"] == "http://10.80.0.4:9000/v1"
    assert outputs["volumeId"] == "weights-volume-id"
    assert outputs["model"] == "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B"
    assert outputs["monthlyCostUsd"] > 0


def test_tags_reach_every_taggable_resource():
    recording = declare(tags={"team": "search"})
    tagged = [resource for resource in recording.registrations if "tags" in resource.inputs]
    assert len(tagged) >= 8
    assert all(resource.inputs["tags"]["team"] == "search" for resource in tagged)


@given(st.integers(16, 24), st.integers(1, 4))
def test_subnets_are_equal_disjoint_and_inside(prefix, count):
    cidr = IPv4Network(("10.0.0.0", prefix))
    subnets = allocate_subnets(cidr, count)
    assert len(subnets) == count
    assert len({subnet.prefixlen for subnet in subnets}) == 1
    assert all(subnet.subnet_of(cidr) for subnet in subnets)
    assert not any(a.overlaps(b) for i, a in enumerate(subnets) for b in subnets[i + 1 :])
    assert count == 1 or sum(subnet.num_addresses for subnet in subnets) > cidr.num_addresses // 2


def test_subnets_narrower_than_aws_takes_are_refused():
    with pytest.raises(ValueError, match="no room"):
        allocate_subnets(IPv4Network("10.0.0.0/28"), 2)
