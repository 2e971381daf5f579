"""Provider configuration, and the wall around loopback."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.aws_provider.clients import Clients, Configuration, parse_configuration
from sandbox.plugin import PluginError

LOCAL = "http://127.0.0.1:5000"


def parse(inputs: dict[str, Any], **environment: str) -> Configuration:
    return parse_configuration({"region": "eu-central-1"} | inputs, environment)


@pytest.mark.parametrize("encode", [json.dumps, lambda value: value])
def test_reads_endpoints_and_tags_as_the_sdk_sends_them_and_plain(encode: Any) -> None:
    found = parse({"endpoints": encode([{"ec2": LOCAL}, {"s3": LOCAL}]), "defaultTags": encode({"tags": {"a": "1"}})})
    assert found.endpoint("ec2") == LOCAL
    assert found.default_tags == {"a": "1"}


def test_takes_endpoint_and_region_from_the_environment() -> None:
    found = parse_configuration({}, {"AWS_ENDPOINT_URL": LOCAL, "AWS_REGION": "us-east-1"})
    assert (found.endpoint("anything"), found.region) == (LOCAL, "us-east-1")


def test_a_service_without_endpoint_is_refused_and_names_the_official_plugin() -> None:
    with pytest.raises(PluginError, match=r"no endpoint for the service 'iam'.*pulumi plugin install resource aws"):
        parse({"endpoints": [{"ec2": LOCAL}]}).endpoint("iam")


def test_refuses_to_run_without_any_endpoint() -> None:
    with pytest.raises(PluginError, match="never talks to real AWS"):
        parse({})


def test_refuses_to_run_without_a_region() -> None:
    with pytest.raises(PluginError, match="no region"):
        parse_configuration({}, {"AWS_ENDPOINT_URL": LOCAL})


@pytest.mark.parametrize(
    "url",
    [
        "https://ec2.eu-central-1.amazonaws.com",
        "http://127.0.0.1.example.com",
        "http://localhost@example.com",
        "http://localhost.example.com:80",
        "http://10.0.0.1",
        "http://0.0.0.0:5000",
        "127.0.0.1:5000",
        "",
    ],
)
def test_refuses_what_is_not_on_this_machine(url: str) -> None:
    with pytest.raises(PluginError, match=r"not on this machine|no endpoint"):
        parse({"endpoints": [{"ec2": url}]})


@given(st.ip_addresses())
def test_only_loopback_addresses_pass(address: Any) -> None:
    host = f"[{address}]" if address.version == 6 else str(address)
    try:
        parse({"endpoints": [{"ec2": f"http://{host}:1"}]})
    except PluginError:
        assert not address.is_loopback
    else:
        assert address.is_loopback


def test_secrets_are_not_in_the_repr() -> None:
    assert "canary" not in repr(parse({"secretKey": "canary", "accessKey": "canary"}, AWS_ENDPOINT_URL=LOCAL))


def test_a_client_is_made_once_for_a_service_and_region() -> None:
    clients = Clients(parse({}, AWS_ENDPOINT_URL=LOCAL))
    assert clients.client("sts") is clients.client("sts", "eu-central-1")
    assert clients.client("sts") is not clients.client("sts", "us-east-1")


@pytest.mark.parametrize(
    ("region", "partition"), [("cn-north-1", "aws-cn"), ("eu-west-1", "aws"), ("us-gov-west-1", "aws-us-gov")]
)
def test_knows_the_partition_of_a_region(region: str, partition: str) -> None:
    assert Clients(parse({}, AWS_ENDPOINT_URL=LOCAL)).partition(region)[0] == partition
