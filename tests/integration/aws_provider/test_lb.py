"""Load balancers, target groups and listeners."""

from __future__ import annotations

from typing import Any

from tests.integration.aws_provider.support_world import REGION, Live, World

BALANCER = "aws:lb/loadBalancer:LoadBalancer"
TARGETS = "aws:lb/targetGroup:TargetGroup"
LISTENER = "aws:lb/listener:Listener"


class Network:
    """A VPC with two subnets and a group, made by somebody else."""

    def __init__(self, world: World) -> None:
        ec2 = world.client("ec2")
        self.vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.subnets = [
            ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"][
                "SubnetId"
            ]
            for n, zone in enumerate("ab")
        ]
        self.groups = [
            ec2.create_security_group(VpcId=self.vpc, GroupName=name, Description=name)["GroupId"] for name in "xy"
        ]


def a_balancer(world: World, network: Network, **inputs: Any) -> Live:
    basic = {"internal": True, "subnets": network.subnets, "securityGroups": network.groups[:1]}
    return world.up(BALANCER, "api", **(basic | inputs))


def test_a_load_balancer_lives_from_create_to_delete(world: World) -> None:
    network = Network(world)
    balancer = a_balancer(world, network, idleTimeout=600, tags={"a": "1"})
    assert balancer.id == balancer.outputs["arn"]
    assert balancer.outputs["arnSuffix"].startswith("app/api-")
    assert balancer.outputs["internal"] is True
    assert balancer.outputs["vpcId"] == network.vpc
    assert sorted(balancer.outputs["subnets"]) == sorted(network.subnets)
    assert balancer.outputs["dnsName"]
    assert balancer.outputs["idleTimeout"] == 600
    assert balancer.update(
        idleTimeout=900, dropInvalidHeaderFields=True, securityGroups=network.groups, tags={"b": "2"}
    ) == {
        "idleTimeout": "update",
        "dropInvalidHeaderFields": "update",
        "securityGroups[1]": "update",
        "tags.a": "update",
        "tags.b": "update",
    }
    assert balancer.plan(internal=False) == {"internal": "replace"}
    assert balancer.plan(name="other") == {"name": "replace"}
    inputs, _ = balancer.imported()
    assert (inputs["internal"], inputs["idleTimeout"]) == (True, 900)
    world.client("elbv2").modify_load_balancer_attributes(
        LoadBalancerArn=balancer.id, Attributes=[{"Key": "idle_timeout.timeout_seconds", "Value": "60"}]
    )
    assert balancer.refresh()
    assert balancer.plan() == {"idleTimeout": "update"}
    balancer.update()
    balancer.delete()
    assert "elbv2:load-balancer" not in world.left()


def test_access_logs_go_on_and_off(world: World) -> None:
    world.client("s3").create_bucket(Bucket="lb-logs", CreateBucketConfiguration={"LocationConstraint": REGION})
    balancer = a_balancer(world, Network(world), accessLogs={"bucket": "lb-logs", "prefix": "api", "enabled": True})
    assert balancer.outputs["accessLogs"] == {"bucket": "lb-logs", "prefix": "api", "enabled": True}
    balancer.update(accessLogs=None)
    assert "accessLogs" not in balancer.outputs


def test_a_network_load_balancer_has_other_attributes(world: World) -> None:
    network = Network(world)
    balancer = a_balancer(
        world, network, loadBalancerType="network", securityGroups=None, enableCrossZoneLoadBalancing=True
    )
    assert balancer.outputs["loadBalancerType"] == "network"
    assert balancer.update(enableCrossZoneLoadBalancing=None) == {"enableCrossZoneLoadBalancing": "update"}
    balancer.delete()


def test_a_target_group_lives_from_create_to_delete(world: World) -> None:
    network = Network(world)
    group = world.up(
        TARGETS,
        "api",
        port=8000,
        protocol="HTTP",
        vpcId=network.vpc,
        deregistrationDelay=30,
        healthCheck={"path": "/health", "matcher": "200-299"},
        tags={"a": "1"},
    )
    assert group.id == group.outputs["arn"]
    assert group.outputs["arnSuffix"].startswith("targetgroup/api-")
    assert group.outputs["healthCheck"]["path"] == "/health"
    assert group.outputs["healthCheck"]["healthyThreshold"] == 3  # the SDK's default, not AWS's
    assert group.outputs["deregistrationDelay"] == 30
    assert group.update(healthCheck={"path": "/ready", "matcher": "200-299", "interval": 15}, slowStart=60) == {
        "healthCheck.path": "update",
        "healthCheck.interval": "update",
        "slowStart": "update",
    }
    assert group.plan(port=8001) == {"port": "replace"}
    assert group.plan(vpcId="vpc-0") == {"vpcId": "replace"}
    assert group.imported()[0]["healthCheck"]["path"] == "/ready"
    world.client("elbv2").modify_target_group(TargetGroupArn=group.id, HealthCheckPath="/else")
    assert group.refresh()
    assert group.plan() == {"healthCheck.path": "update"}
    group.update()
    group.delete()
    assert "elbv2:target-group" not in world.left()


def test_stickiness_is_sent_as_attributes(world: World) -> None:
    group = world.up(
        TARGETS,
        "api",
        port=80,
        protocol="HTTP",
        vpcId=Network(world).vpc,
        stickiness={"type": "lb_cookie", "cookieDuration": 60},
    )
    assert group.outputs["stickiness"]["cookieDuration"] == 60
    assert group.outputs["stickiness"]["enabled"] is True
    planned = group.update(stickiness={"type": "lb_cookie", "cookieDuration": 60, "enabled": False})
    assert planned == {"stickiness.enabled": "update"}
    assert group.outputs["stickiness"]["enabled"] is False


def test_a_listener_lives_from_create_to_delete(world: World) -> None:
    network = Network(world)
    balancer = a_balancer(world, network)
    first, second = (
        world.up(TARGETS, name, port=80, protocol="HTTP", vpcId=network.vpc) for name in ("first", "second")
    )
    forward = {"type": "forward", "targetGroupArn": first.id}
    listener = world.up(
        LISTENER, "http", loadBalancerArn=balancer.id, port=80, protocol="HTTP", defaultActions=[forward]
    )
    assert listener.outputs["loadBalancerArn"] == balancer.id
    planned = listener.update(port=8080, defaultActions=[{**forward, "targetGroupArn": second.id}])
    assert planned.keys() >= {"port"}
    assert set(planned.values()) == {"update"}
    assert listener.plan(loadBalancerArn=balancer.id + "x") == {"loadBalancerArn": "replace"}
    assert listener.imported()[0]["port"] == 8080
    world.client("elbv2").modify_listener(
        ListenerArn=listener.id, DefaultActions=[{"Type": "forward", "TargetGroupArn": first.id}]
    )
    assert listener.refresh()
    assert list(listener.plan()) != []
    listener.delete()
    for live in (first, second, balancer):
        live.delete()
    assert not any(kind.startswith("elbv2:") for kind in world.left())


def test_a_listener_may_weigh_several_groups_redirect_or_answer_by_itself(world: World) -> None:
    network = Network(world)
    balancer = a_balancer(world, network)
    groups = [world.up(TARGETS, f"g{n}", port=80, protocol="HTTP", vpcId=network.vpc).id for n in range(2)]
    weighted = {"targetGroups": [{"arn": arn, "weight": n + 1} for n, arn in enumerate(groups)]}
    redirect = {"port": "443", "protocol": "HTTPS", "statusCode": "HTTP_301"}
    answer = {"contentType": "text/plain", "messageBody": "no", "statusCode": "404"}
    listener = world.up(
        LISTENER,
        "http",
        loadBalancerArn=balancer.id,
        port=80,
        protocol="HTTP",
        defaultActions=[{"type": "forward", "forward": weighted}],
    )
    listener.update(defaultActions=[{"type": "redirect", "redirect": redirect}])
    listener.update(defaultActions=[{"type": "fixed-response", "fixedResponse": answer}])
    assert listener.outputs["defaultActions"][0]["fixedResponse"]["statusCode"] == "404"


def test_what_is_deleted_behind_our_back_is_gone(world: World) -> None:
    network = Network(world)
    balancer = a_balancer(world, network)
    group = world.up(TARGETS, "g", port=80, protocol="HTTP", vpcId=network.vpc)
    action = {"type": "forward", "targetGroupArn": group.id}
    listener = world.up(
        LISTENER, "http", loadBalancerArn=balancer.id, port=80, protocol="HTTP", defaultActions=[action]
    )
    elbv2 = world.client("elbv2")
    elbv2.delete_load_balancer(LoadBalancerArn=balancer.id)
    elbv2.delete_target_group(TargetGroupArn=group.id)
    assert not any(live.refresh() for live in (balancer, group, listener))
