"""Which call a request is, and refusals that botocore's own parsers understand."""

from __future__ import annotations

import io
from typing import Any

import pytest
from botocore.parsers import create_parser
from botocore.session import get_session

from sandbox.fake_aws_protocol import NOT_MODELLED, ApiCall, identify, refuse


def request(
    service: str, *, body: str = "", path: str = "/", method: str = "POST", target: str = "", query: str = ""
) -> dict[str, Any]:
    scope = f"20261124/eu-central-1/{service}/aws4_request"
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential=key/{scope}, SignedHeaders=host, Signature=0",
        "wsgi.input": io.BytesIO(body.encode()),
    }
    if body:
        environ["CONTENT_TYPE"] = "application/x-www-form-urlencoded; charset=utf-8"
    if target:
        environ["HTTP_X_AMZ_TARGET"] = target
    return environ


CALLS = [
    (request("ec2", body="Action=CreateVpc&Version=2016-11-15"), ("ec2", "CreateVpc", "ec2")),
    (request("elasticloadbalancing", body="Action=CreateListener"), ("elbv2", "CreateListener", "query")),
    (request("kms", target="TrentService.CreateKey"), ("kms", "CreateKey", "json")),
    (
        request("monitoring", target="GraniteServiceVersion20100801.PutMetricAlarm"),
        ("cloudwatch", "PutMetricAlarm", "json"),
    ),
    (request("eks", path="/clusters/c/addons"), ("eks", "CreateAddon", "rest-json")),
    (request("eks", path="/clusters/c/addons/a", method="DELETE"), ("eks", "DeleteAddon", "rest-json")),
    (request("s3", path="/bucket", method="PUT"), ("s3", "CreateBucket", "rest-xml")),
    (request("s3", path="/bucket", method="PUT", query="versioning"), ("s3", "PutBucketVersioning", "rest-xml")),
    (request("s3", path="/bucket/a/key", method="PUT"), ("s3", "PutObject", "rest-xml")),
]


@pytest.mark.parametrize(("environ", "expected"), CALLS, ids=[expected[1] for _, expected in CALLS])
def test_names_service_operation_and_dialect(environ: dict[str, Any], expected: tuple[str, str, str]) -> None:
    call = identify(environ).resolved(environ)
    assert (call.service, call.operation, call.protocol) == expected
    assert call.region == "eu-central-1"


def test_leaves_a_form_body_for_the_next_reader() -> None:
    environ = request("ec2", body="Action=CreateVpc")
    identify(environ)
    assert environ["wsgi.input"].read() == b"Action=CreateVpc"


def test_names_an_unknown_rest_path_by_method_and_path() -> None:
    environ = request("eks", path="/no/such/thing", method="GET")
    assert identify(environ).resolved(environ).operation == "GET /no/such/thing"


def test_names_a_service_that_botocore_does_not_know_by_its_signing_name() -> None:
    environ = request("nosuchservice", path="/x", method="GET")
    assert identify(environ).resolved(environ).service == "nosuchservice"


def test_takes_an_unsigned_request_for_s3() -> None:
    call = identify({"REQUEST_METHOD": "GET", "PATH_INFO": "/b", "wsgi.input": io.BytesIO()})
    assert (call.service, call.region) == ("s3", "us-east-1")


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("ec2", "CreatePlacementGroup"),
        ("autoscaling", "StartInstanceRefresh"),
        ("kms", "CreateKey"),
        ("eks", "CreateAddon"),
        ("s3", "PutBucketAcl"),
        ("route53", "CreateHostedZone"),
    ],
)
def test_refuses_so_that_botocore_reads_code_and_message(service: str, operation: str) -> None:
    protocol = get_session().get_service_model(service).resolved_protocol
    answer = refuse(ApiCall(service, operation, "us-east-1", protocol))
    response = {"status_code": answer.code, "headers": dict(answer.headers), "body": answer.body}
    error = create_parser(protocol).parse(response, None)["Error"]
    assert error["Code"] == NOT_MODELLED
    assert error["Message"] == f"not modelled by the sandbox: {service}.{operation}"
    assert answer.code < 500  # SDKs try a 5xx again
