"""Which AWS call an HTTP request is, and a refusal in the same protocol.

AWS speaks five dialects (botocore's service models name them): ec2 and query (a form with Action), json (X-Amz-Target),
rest-json and rest-xml (method and path). Signature version 4 carries service and region in the Authorization header.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from sandbox.fake_aws_ledger import Answer

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

__all__ = ["NOT_MODELLED", "ApiCall", "identify", "refuse"]

NOT_MODELLED = "NotModelledBySandbox"
DEFAULT_REGION = "us-east-1"
SCOPE = re.compile(r"Credential=[^/,]+/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
# Signing names that differ from boto3's service names.
BOTO_NAMES = {
    "elasticloadbalancing": "elbv2",
    "elasticfilesystem": "efs",
    "monitoring": "cloudwatch",
    "servicequotas": "service-quotas",
    "states": "stepfunctions",
}


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One call: boto3's service name, the operation ("" until `resolved`), the region and the dialect."""

    service: str
    operation: str
    region: str
    protocol: str

    def resolved(self, environ: WSGIEnvironment) -> ApiCall:
        """The same with an operation for the REST dialects, looked up in botocore's model (slow: refusals only)."""
        if self.operation:
            return self
        model = _model(self.service)
        protocol = str(model.get("metadata", {}).get("protocol", self.protocol))
        found = _operation(
            model, environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", "")
        )
        return replace(
            self, operation=found or f"{environ['REQUEST_METHOD']} {environ.get('PATH_INFO', '')}", protocol=protocol
        )


def identify(environ: WSGIEnvironment) -> ApiCall:
    """Read service, region and, where the dialect names it, the operation from a request whose body was buffered."""
    scope = SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    signed = scope["service"] if scope else "s3"
    region = scope["region"] if scope else DEFAULT_REGION
    service = BOTO_NAMES.get(signed, signed)
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target:
        return ApiCall(service, target.rpartition(".")[2], region, "json")
    action = _action(environ)
    if action:
        return ApiCall(service, action, region, "ec2" if service == "ec2" else "query")
    return ApiCall(service, "", region, "rest-xml" if service == "s3" else "rest-json")


def refuse(call: ApiCall) -> Answer:
    """The error `NotModelledBySandbox` in the caller's dialect; status 400, because SDKs retry a 5xx."""
    message = f"not modelled by the sandbox: {call.service}.{call.operation}"
    if call.protocol in {"json", "rest-json"}:
        body = json.dumps({"__type": NOT_MODELLED, "message": message})
        answer = Answer.text("400 Bad Request", body, "application/x-amz-json-1.1")
        return replace(answer, headers=(*answer.headers, ("x-amzn-ErrorType", NOT_MODELLED)))
    return Answer.text("400 Bad Request", _xml(call, escape(message)), "text/xml")


def _xml(call: ApiCall, message: str) -> str:
    error = f"<Code>{NOT_MODELLED}</Code><Message>{message}</Message>"
    if call.protocol == "ec2":
        return f"<Response><Errors><Error>{error}</Error></Errors><RequestID>seekstack</RequestID></Response>"
    if call.service == "s3":
        return f"<Error>{error}<RequestId>seekstack</RequestId></Error>"
    return f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error><RequestId>seekstack</RequestId></ErrorResponse>"


def _action(environ: WSGIEnvironment) -> str | None:
    text = environ.get("QUERY_STRING", "")
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        stream = environ["wsgi.input"]
        text = stream.read().decode("utf-8", "replace")
        stream.seek(0)
    found = parse_qs(text).get("Action")
    return found[0] if found else None


@cache
def _model(service: str) -> dict[str, Any]:
    import botocore.loaders
    from botocore.exceptions import DataNotFoundError

    try:
        model: dict[str, Any] = botocore.loaders.Loader().load_service_model(service, "service-2")
    except DataNotFoundError:
        return {}
    return model


def _operation(model: dict[str, Any], method: str, path: str, query: str) -> str | None:
    """The operation whose method and URI template fit best: the longest fixed text; the shortest name among equals.

    S3 tells PutObject from UploadPart and CopyObject by headers and query members only; the plain one is meant then.
    """
    best: tuple[int, int, str] | None = None
    for name, operation in model.get("operations", {}).items():
        http = operation["http"]
        template, _, fixed = http["requestUri"].partition("?")
        parts = re.split(r"\{([^}]+)\}", template)
        pattern = "".join(
            re.escape(part) if index % 2 == 0 else (".+" if part.endswith("+") else "[^/]+")
            for index, part in enumerate(parts)
        )
        fits = http["method"] == method and re.fullmatch(pattern + "/?", path)
        if fits and (not fixed or fixed in query.split("&") or f"{fixed}=" in query.split("&")):
            weight = len(re.sub(r"\{[^}]*\}", "", http["requestUri"]))
            best = max(best or (-1, 0, ""), (weight, -len(name), name))
    return best[2] if best else None
