"""Errors as a person sees them."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from sandbox.aws_provider.convert import UnknownMemberError
from sandbox.aws_provider.errors import culprit, explain, gap, is_not_found
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


def test_a_missing_object_in_s3_is_no_gap() -> None:
    assert gap(refusal("404", "Not Found", 404), "s3", "head_bucket") is None


def test_an_input_that_aws_has_no_member_for_is_named() -> None:
    assert "does not support this input here (property disks.colour)" in text_of(UnknownMemberError("disks.colour"))


@pytest.mark.parametrize(
    ("code", "is_missing"), [("InvalidVpcID.NotFound", True), ("NoSuchEntity", True), ("DependencyViolation", False)]
)
def test_knows_the_codes_of_what_does_not_exist(code: str, is_missing: bool) -> None:
    assert is_not_found(refusal(code, ""), VPC) == is_missing
