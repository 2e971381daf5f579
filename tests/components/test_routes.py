"""Ways to private networks, each through the argument that its kind of gateway takes."""

import pytest

from tests.ec2_factories import declare


@pytest.mark.parametrize(
    ("target", "argument"),
    [
        ("vgw-0123456789abcdef0", "gatewayId"),
        ("tgw-0123456789abcdef0", "transitGatewayId"),
        ("pcx-0123456789abcdef0", "vpcPeeringConnectionId"),
    ],
)
def test_a_route_leads_from_the_private_subnets_to_its_gateway(target, argument):
    recording = declare(routes=[{"cidr": "192.168.0.0/16", "target": target}])
    inputs = recording.one("aws:ec2/route:Route", "network-route-0").inputs
    assert inputs == {
        "routeTableId": "network-routes-id", "destinationCidrBlock": "192.168.0.0/16", argument: target
    }  # fmt: skip
