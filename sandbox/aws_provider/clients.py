"""The provider's configuration, and boto3 clients that can only reach a fake AWS on loopback.

One boto3 session a process, one client a service and region, made when first used (an EC2 client costs 0.2 s, most of
it reading the service model). Requests carry a replay token where the caller set one; see `recovery`.
"""

from __future__ import annotations

import ipaddress
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

from sandbox.plugin import PluginError

__all__ = ["Clients", "Configuration", "check_loopback", "parse_configuration"]

TOKEN_HEADER: Final = "X-Seekstack-Token"  # noqa: S105 a header name
CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 60
CONNECTIONS: Final = 32
# Names of `aws:endpoints` that differ from boto3's.
ENDPOINT_ALIASES: Final = {
    "autoscaling": ("autoscaling",),
    "elbv2": ("elbv2", "elb", "elasticloadbalancingv2"),
    "logs": ("logs", "cloudwatchlog", "cloudwatchlogs"),
    "events": ("events", "eventbridge", "cloudwatchevents"),
}

OFFICIAL: Final = (
    "The bundled sandbox plugin never talks to real AWS. For real AWS install the official plugin: "
    "pulumi plugin install resource aws 7.51.1"
)


@dataclass(frozen=True, slots=True)
class Configuration:
    """The provider inputs that matter here; the secrets never appear in its repr."""

    region: str
    endpoints: Mapping[str, str]
    access_key: str = field(repr=False, default="sandbox")
    secret_key: str = field(repr=False, default="sandbox")
    default_tags: Mapping[str, str] = field(default_factory=dict)
    allowed_account_ids: tuple[str, ...] = ()
    forbidden_account_ids: tuple[str, ...] = ()

    def endpoint(self, service: str) -> str:
        """Where `service` is served, or a refusal: nothing may fall back to real AWS."""
        for name in ENDPOINT_ALIASES.get(service, (service,)):
            if name in self.endpoints:
                return self.endpoints[name]
        try:
            return self.endpoints["*"]
        except KeyError:
            message = f"aws: no endpoint for the service '{service}' in aws:endpoints. {OFFICIAL}"
            raise PluginError(message) from None


def parse_configuration(inputs: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> Configuration:
    """Read provider inputs as the SDK sends them (lists and maps arrive as JSON text); refuse what is not loopback."""
    region = inputs.get("region") or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    if not region:
        raise PluginError("aws: no region. Set `aws:region` in the stack's configuration (or AWS_REGION).")
    endpoints = _endpoints(_decoded(inputs.get("endpoints")) or [], environment)
    tags = (_decoded(inputs.get("defaultTags")) or {}).get("tags") or {}
    return Configuration(
        region=str(region),
        endpoints=endpoints,
        access_key=str(inputs.get("accessKey") or environment.get("AWS_ACCESS_KEY_ID") or "sandbox"),
        secret_key=str(inputs.get("secretKey") or environment.get("AWS_SECRET_ACCESS_KEY") or "sandbox"),
        default_tags={str(key): str(value) for key, value in tags.items()},
        allowed_account_ids=tuple(map(str, _decoded(inputs.get("allowedAccountIds")) or ())),
        forbidden_account_ids=tuple(map(str, _decoded(inputs.get("forbiddenAccountIds")) or ())),
    )


def _decoded(value: Any) -> Any:
    """The SDK sends everything that is not text as JSON text; stack configuration may send it plain."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        return json.loads(value)
    return value


def _endpoints(entries: Any, environment: Mapping[str, str]) -> dict[str, str]:
    merged = {name: url for entry in entries for name, url in entry.items() if url}
    if environment.get("AWS_ENDPOINT_URL"):
        merged.setdefault("*", environment["AWS_ENDPOINT_URL"])
    if not merged:
        raise PluginError(f"aws: no endpoint configured (aws:endpoints or AWS_ENDPOINT_URL). {OFFICIAL}")
    for name, url in merged.items():
        check_loopback(name, url)
    return merged


def check_loopback(name: str, url: str) -> None:
    """Refuse every endpoint that is not on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        inside = ipaddress.ip_address(host).is_loopback
    except ValueError:
        inside = host == "localhost"
    if not inside:
        raise PluginError(f"aws: the endpoint of '{name}', {url}, is not on this machine. {OFFICIAL}")


@cache
def _regions() -> frozenset[str]:
    import botocore.loaders

    partitions = botocore.loaders.Loader().load_data("endpoints")["partitions"]
    return frozenset(region for partition in partitions for region in partition["regions"])


class Clients:
    """boto3 clients by service and region, shared by all threads."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self._clients: dict[tuple[str, str], Any] = {}
        self._session: Any = None
        self._making = threading.Lock()
        self._thread = threading.local()
        self._account: str | None = None

    def client(self, service: str, region: str | None = None) -> Any:
        """The client for a service; made once."""
        place = region or self.configuration.region
        made = self._clients.get((service, place))
        if made is None:
            with self._making:
                made = self._clients.get((service, place)) or self._make(service, place)
                self._clients[service, place] = made
        return made

    def _make(self, service: str, region: str) -> Any:
        import boto3
        from botocore.config import Config

        if self._session is None:
            self._session = boto3.session.Session(
                aws_access_key_id=self.configuration.access_key,
                aws_secret_access_key=self.configuration.secret_key,
                region_name=region,
            )
        client = self._session.client(
            service,
            region_name=region,
            endpoint_url=self.configuration.endpoint(service),
            config=Config(
                retries={"total_max_attempts": 1},
                connect_timeout=CONNECT_SECONDS,
                read_timeout=READ_SECONDS,
                max_pool_connections=CONNECTIONS,
                proxies={},  # HTTP_PROXY must not see loopback traffic
                s3={"addressing_style": "path"},
            ),
        )
        client.meta.events.register("before-call.*.*", self._add_token)
        return client

    def _add_token(self, params: dict[str, Any], **_: Any) -> None:
        token = getattr(self._thread, "token", None)
        if token:
            params["headers"][TOKEN_HEADER] = token

    @contextmanager
    def token(self, token: str | None) -> Iterator[None]:
        """Send the replay token with every call of this thread in the block."""
        self._thread.token = token
        try:
            yield
        finally:
            self._thread.token = None

    @property
    def account(self) -> str:
        """The account behind the credentials, asked once."""
        if self._account is None:
            self._account = str(self.client("sts").get_caller_identity()["Account"])
        return self._account

    def check_region(self, region: str) -> None:
        """Refuse a region that the fake has none of: moto answers for the regions of botocore, and fails for others."""
        if region not in _regions():
            raise PluginError(
                f"aws: the sandbox has no region '{region}': it has those that the installed botocore knows. "
                "Set aws:region to one of them"
            )

    def check_account(self) -> None:
        """Honour allowedAccountIds and forbiddenAccountIds as the official plugin does.

        The account is asked for in any case, so that a fake that does not answer is told before the first resource.
        """
        self.check_region(self.configuration.region)
        allowed, forbidden = self.configuration.allowed_account_ids, self.configuration.forbidden_account_ids
        account = self.account
        if (allowed and account not in allowed) or account in forbidden:
            raise PluginError(f"aws: AWS Account ID not allowed: {account}")

    def partition(self, region: str) -> tuple[str, str]:
        """(partition, DNS suffix) of a region, from its name as AWS builds them."""
        if region.startswith("cn-"):
            return "aws-cn", "amazonaws.com.cn"
        return ("aws-us-gov" if region.startswith("us-gov-") else "aws"), "amazonaws.com"
