"""Errors as a person sees them."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError

from sandbox.aws_provider.convert import UnknownMemberError
from sandbox.aws_provider.errors import culprit, explain, gap, is_not_found, no_answer
from sandbox.aws_provider.types import TYPES

VPC = TYPES["aws:ec2/vpc:Vpc"]


def refusal(code: str, message: str, status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}, "CreateVpc"
    )


def text_of(error: Exception, inputs: dict[str, Any] | None = None) -> str:
    return str(
        explain(error, action="creating", urn="urn:x", service="ec2", operation="create_vpc", inputs=inputs or {})
    )


def test_says_code_message_property_and_urn() -> None:
    found = text_of(refusal("InvalidVpc.Range", "The CIDR '10.0.0.0/7' is\n invalid."), {"cidrBlock": "10.0.0.0/7"})
    assert found == "creating urn:x: InvalidVpc.Range: The CIDR '10.0.0.0/7' is invalid. (property cidrBlock)"


@pytest.mark.parametrize(
    ("message", "inputs", "property_path"),
    [
        ("Value (ami-1234) for parameter ImageId is invalid", {"ami": "ami-1234", "imageId": "x"}, "ami"),
        ("Invalid value for parameter InstanceType", {"instanceType": "g99.mega"}, "instanceType"),
        ("To overwrite this value, set something", {"value": "secret"}, None),
        ("rule 10.0.0.0/8 exists", {"ingress": [{"cidrBlocks": ["10.0.0.0/8"]}]}, "ingress[0].cidrBlocks[0]"),
        ("10.0.0.0/80 is no CIDR", {"cidrBlock": "10.0.0.0/8"}, None),
        ("in eu-central-1 nothing works", {"region": "eu-central-1"}, None),
    ],
)
def test_finds_the_property_by_its_value_or_its_name(
    message: str, inputs: dict[str, Any], property_path: str | None
) -> None:
    assert culprit(message, inputs) == property_path


@pytest.mark.parametrize(
    "error",
    [
        ResponseParserError("invalid XML received"),
        refusal("NotModelledBySandbox", "not modelled by the sandbox: ec2.CreateVpc"),
        refusal("500", "<!doctype html><title>500", 500),
        refusal("404", "Not Found", 404),
    ],
)
def test_a_gap_of_the_fake_is_named_as_such(error: Exception) -> None:
    assert "not modelled by the sandbox: ec2.create_vpc" in text_of(error)


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="http://127.0.0.1:9/bucket?list", error="refused"),
        ConnectTimeoutError(endpoint_url="http://127.0.0.1:9/"),
        ConnectionClosedError(endpoint_url="http://127.0.0.1:9/"),
        ReadTimeoutError(endpoint_url="http://127.0.0.1:9/"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_fake_that_does_not_answer_is_one_line_with_its_address_and_the_fix(error: Exception) -> None:
    found = text_of(error)
    assert found.startswith(
        f"creating urn:x: the fake AWS at http://127.0.0.1:9 does not answer ({type(error).__name__})."
    )
    assert 'eval "$(seekstack sandbox env)"' in found
    assert "\n" not in found


def test_a_broken_connection_without_an_address_counts_as_no_answer_and_a_refusal_does_not() -> None:
    assert no_answer(ConnectionResetError()) is not None
    assert no_answer(HTTPClientError(error="IncompleteRead")) is not None
    assert no_answer(refusal("Throttling", "slower")) is None


@pytest.mark.parametrize("action", ["importing", "reading"])
def test_an_id_that_cannot_be_taken_apart_is_named_as_the_cause(action: str) -> None:
    error = ValueError("not enough values to unpack (expected 2, got 1)")
    found = str(explain(error, action=action, urn="urn:x", service="ec2", operation="create_route", inputs={}))
    assert found.startswith(f"{action} urn:x: the id does not have the form that this type is imported by")


def test_a_missing_object_in_s3_is_no_gap() -> None:
    assert gap(refusal("404", "Not Found", 404), "s3", "head_bucket") is None


def test_an_input_that_aws_has_no_member_for_is_named() -> None:
    assert "does not support this input here (property disks.colour)" in text_of(UnknownMemberError("disks.colour"))


@pytest.mark.parametrize(
    ("code", "is_missing"), [("InvalidVpcID.NotFound", True), ("NoSuchEntity", True), ("DependencyViolation", False)]
)
def test_knows_the_codes_of_what_does_not_exist(code: str, is_missing: bool) -> None:
    assert is_not_found(refusal(code, ""), VPC) == is_missing
