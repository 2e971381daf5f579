"""What a person may configure, parsed once: a mapping in, frozen `Settings` out, or every error at once."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from ipaddress import IPv4Network
from typing import Any

from infra.catalog.cache_dtypes import read_cache_dtype
from infra.catalog.load import Catalog
from infra.config_keys import KEYS, PROVIDER_KEYS, REQUIRED, ConfigKey, entry_path, read_text
from infra.errors import ConfigurationError, ConfigurationErrors, Location
from infra.network_settings import NetworkSettings, network_settings, refuse_collisions
from infra.private_network import Network, parse_own_network, parse_private_network

__all__ = ["Settings", "Target", "in_order", "parse"]

Locate = Callable[[str], Location | None]
"""Where a configuration key, or an entry of it (`seekstack:intranetCidrs[0]`), stands, for messages."""
REGION = "aws:region"
SECRET_PATH = re.compile(r"(?:seekstack:)?(aws:region|\w+)(.*)")
PROVIDER_CUTOFF = 0.8
"""How alike a provider's key must be to a known one to count as misspelt: `regoin` is 0.83 like `region`."""

PRIVATE = "networks inside 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, fc00::/7 or ownCidrs"


class Target(StrEnum):
    """Where the model server runs."""

    EC2 = "ec2"
    KUBERNETES = "kubernetes"


@dataclass(frozen=True, slots=True)
class Settings:
    """One environment: the checked content of `Pulumi.<stack>.yaml`."""

    model: str
    target: Target
    region: str | None
    """AWS region; always there for the EC2 target."""
    quantization: str | None
    """Catalogue name of a quantisation; None lets the plan choose the best that fits."""
    kv_cache_dtype: str | None
    """Format of the KV cache; None leaves it to the engine."""
    context_tokens: int
    concurrency: int
    instance_type: str | None
    """A fixed EC2 type; None lets the plan choose the cheapest that fits."""
    gpu: str | None
    """Kubernetes target: catalogue name of the GPU the nodes have."""
    gpus: int | None
    """Kubernetes target: GPUs one node has."""
    vpc_cidr: IPv4Network
    intranet_cidrs: tuple[Network, ...]
    """The only sources that reach the model server."""
    availability_zones: int
    network: NetworkSettings
    load_target_seconds: int
    """How long reading the weights from the volume may take; sizes IOPS and throughput."""
    port: int
    image: str | None
    """Engine image by digest; always there for the Kubernetes target."""
    restart_image: str | None
    """Image with kubectl by digest; always there where `restart_schedule` is."""
    restart_schedule: str | None
    namespace: str
    replicas: int
    weights_host_path: str
    protect_weights: bool
    """Refuse to delete the weight volume (Pulumi `protect`)."""
    ami_id: str | None
    tags: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...] = ()
    """What is accepted and may still be wrong, one sentence each."""


def parse(
    config: Mapping[str, object],
    catalog: Catalog,
    *,
    region: object = None,
    provider_keys: Collection[str] = (),
    secrets: Collection[str] = (),
    locate: Locate = lambda _: None,
) -> Settings:
    """The settings in `config` (keys without their `seekstack:` prefix; values as YAML or as the engine's text).

    `region` is what `aws:region` says; `provider_keys` are the full keys of other namespaces, `secrets` the full keys
    and entries that are encrypted. Raises ConfigurationErrors with one error for each wrong, missing or misspelt key,
    by line.
    """
    reader = _Reader(config, catalog, secrets, locate)
    reader.refuse_unknown_keys(provider_keys)
    reader.refuse_secrets()
    values = {key.name: reader.read(key) for key in KEYS}
    settings = _settings(reader, values, region)
    if reader.errors:
        raise ConfigurationErrors(in_order(reader.errors))
    return settings


def in_order(errors: Collection[ConfigurationError]) -> list[ConfigurationError]:
    """As a person reads the file: by line, then what has none because it is missing."""
    return sorted(errors, key=lambda error: (error.location.line if error.location else None) or math.inf)


def _settings(reader: _Reader, values: dict[str, Any], region: object) -> Settings:
    target = reader.target(values["target"])
    own = reader.networks(
        "ownCidrs", values["ownCidrs"], parse_own_network, "a public range, /16 (IPv6: /32) or narrower"
    )
    vpc_cidr = reader.vpc(values["vpcCidr"])
    settings = Settings(
        model=reader.known("model", values["model"], reader.catalog.model, lambda found: found.id),
        target=target,
        region=reader.region(region),
        quantization=reader.known("quantization", values["quantization"], reader.catalog.quantization, str),
        kv_cache_dtype=reader.known("kvCacheDtype", values["kvCacheDtype"], read_cache_dtype, str),
        context_tokens=values["contextTokens"],
        concurrency=values["concurrency"],
        instance_type=reader.known(
            "instanceType", values["instanceType"], reader.catalog.instance, lambda found: found.instance_type
        ),
        gpu=reader.known("gpu", values["gpu"], reader.catalog.gpu, lambda found: found.name),
        gpus=values["gpus"],
        vpc_cidr=vpc_cidr,
        intranet_cidrs=reader.networks(
            "intranetCidrs", values["intranetCidrs"], lambda text: parse_private_network(text, own), PRIVATE
        ),
        availability_zones=values["availabilityZones"],
        network=network_settings(reader, values, own, vpc_cidr),
        load_target_seconds=values["loadTargetSeconds"],
        port=values["port"],
        image=values["image"],
        restart_image=values["restartImage"],
        restart_schedule=values["restartSchedule"],
        namespace=values["namespace"],
        replicas=values["replicas"],
        weights_host_path=values["weightsHostPath"],
        protect_weights=values["protectWeights"],
        ami_id=values["amiId"],
        tags=tuple(sorted(reader.texts("tags", values["tags"] or {}).items())),
        warnings=tuple(reader.warnings),
    )
    reader.require_for_target(settings, region)
    makes_vpc = target is Target.EC2 and settings.network.vpc_id is None
    if makes_vpc and not any(error.key == "seekstack:vpcCidr" for error in reader.errors):
        refuse_collisions(reader, vpc_cidr, settings.intranet_cidrs, values["intranetCidrs"] or ())
    return settings


class _Reader:
    """Reads keys one by one and keeps every error instead of stopping at the first."""

    def __init__(
        self,
        config: Mapping[str, object],
        catalog: Catalog,
        secrets: Collection[str],
        locate: Locate,
    ) -> None:
        self.config = config
        self.catalog = catalog
        self.secrets = secrets
        self.locate = locate
        self.errors: list[ConfigurationError] = []
        self.warnings: list[str] = []

    def refuse(
        self,
        code: str,
        key: str,
        message: str,
        *,
        entry: str = "",
        value: object = None,
        allowed: str | None = None,
        fix: str | None = None,
    ) -> None:
        """Note an error of `key`, or of its `entry` (`[0]`, `.team`); `value` where it is not the key's own."""
        value = self.config.get(key) if value is None and not entry else value
        name = key.removeprefix("seekstack:")
        full_key = key if ":" in key else f"seekstack:{key}"
        known = next((known for known in KEYS if known.name == name), None)
        command = known.command(self.config.get(name), entry) if known else f"pulumi config set {full_key} <value>"
        self.errors.append(
            ConfigurationError(
                f"{full_key}{entry}: {message}",
                code=code,
                key=full_key + entry,
                location=self._place(full_key, entry),
                value=None if full_key + entry in self.secrets else value,
                allowed=allowed,
                fix=fix or f"edit {full_key}{entry}, or: {command}",
            )
        )

    def _place(self, key: str, entry: str) -> Location | None:
        """Where the entry stands; where its key does for one whose line is not known."""
        place = self.locate(key + entry)
        return place if place and place.line else self.locate(key)

    def refuse_unknown_keys(self, provider_keys: Collection[str]) -> None:
        names = self._known_names()
        for unknown in sorted(set(self.config) - set(names)):
            near = get_close_matches(unknown, names, n=1, cutoff=0.6)
            meant = f"; did you mean seekstack:{near[0]}?" if near else ""
            fix = f"rename it to seekstack:{near[0]}" if near else f"remove it: pulumi config rm seekstack:{unknown}"
            self.refuse("SKS0102", unknown, f"is not a key of seekstack{meant}", allowed=", ".join(names), fix=fix)
        for key in sorted(provider_keys):
            namespace, _, name = key.partition(":")
            known = PROVIDER_KEYS.get(namespace, "").split()
            near = [] if name in known else get_close_matches(name, known, cutoff=PROVIDER_CUTOFF)
            if near:
                self.refuse(
                    "SKS0102",
                    key,
                    f"is not a key of the {namespace} provider; did you mean {namespace}:{near[0]}?",
                    allowed=f"what the {namespace} provider takes, such as {', '.join(near)}",
                    fix=f"rename it to {namespace}:{near[0]}",
                )

    def refuse_secrets(self) -> None:
        """No key may be a secret: each value stands in previews, resources, outputs and state as plain text."""
        for path in sorted(self.secrets):
            found = SECRET_PATH.fullmatch(path)
            if found and (found[1] == REGION or found[1] in self._known_names()):
                self.refuse(
                    "SKS0103",
                    found[1],
                    "is encrypted, but it would stand in previews, resources and state as plain text",
                    entry=found[2],
                    allowed="a plain value",
                )

    @staticmethod
    def _known_names() -> list[str]:
        return [key.name for key in KEYS]

    def is_secret(self, key: str, entry: str = "") -> bool:
        """Whether the value is encrypted: it is refused as such, and nothing is said of what it holds."""
        return f"seekstack:{key}{entry}" in self.secrets

    def read(self, key: ConfigKey) -> Any:
        if self.is_secret(key.name):
            return None if key.default is REQUIRED else key.default
        raw = self.config.get(key.name)
        if key.is_unset(raw):
            if key.default is REQUIRED:
                self.refuse(
                    "SKS0101",
                    key.name,
                    "is missing",
                    allowed=key.allowed,
                    fix=f"add it, or: {key.command()}",
                )
                return None
            return key.default
        try:
            return key.read(raw)
        except ValueError as error:
            self.refuse("SKS0103", key.name, str(error), allowed=key.allowed)
            return None

    def target(self, name: str | None) -> Target:
        if name is not None and name not in list(Target):
            near = get_close_matches(name, list(Target), n=1)
            self.refuse(
                "SKS0104",
                "target",
                f"'{name}' is not a target" + (f"; did you mean {near[0]}?" if near else ""),
                allowed=", ".join(Target),
            )
        return Target(name) if name in list(Target) else Target.EC2

    def known(self, key: str, name: str | None, find: Callable[[str], Any], show: Callable[[Any], str]) -> Any:
        """The catalogue's own name for `name`; an unknown one is refused with the near match."""
        if name is None:
            return None
        try:
            return show(find(name))
        except ConfigurationError as error:
            message = error.message.removeprefix(f"{error.key}: ")
            self.refuse("SKS0104", key, message, allowed=error.allowed, fix=error.fix)
            return None

    def networks(
        self, key: str, raw: list[object] | None, parse_one: Callable[[object], Network], allowed: str
    ) -> tuple[Network, ...]:
        found: list[Network] = []
        for index, element in enumerate(raw or ()):
            if self.is_secret(key, entry := f"[{index}]"):
                continue
            try:
                found.append(parse_one(element))
            except ValueError as error:
                self.refuse("SKS0105", key, str(error), entry=entry, value=element, allowed=allowed)
        return tuple(dict.fromkeys(found))

    def texts(self, key: str, raw: Mapping[str, object]) -> dict[str, str]:
        """A mapping's entries as text."""
        found: dict[str, str] = {}
        for name, value in raw.items():
            if self.is_secret(key, entry := entry_path("", name)):
                continue
            try:
                found[read_text(name)] = read_text(value)
            except ValueError as error:
                self.refuse("SKS0103", key, str(error), entry=entry, value=value, allowed="text")
        return found

    def region(self, raw: object) -> str | None:
        """The AWS region; one that the catalogue does not know is refused, or warned of where it may be a new one."""
        if raw in (None, "") or REGION in self.secrets:
            return None
        try:
            name = read_text(raw)
            warning = self.catalog.region(name)
        except ConfigurationError as error:
            message = error.message.removeprefix("region: ")
            self.refuse(error.code, REGION, message, value=raw, allowed=error.allowed, fix=error.fix)
            return None
        except ValueError as error:
            self.refuse("SKS0103", REGION, str(error), value=raw, allowed="an AWS region such as us-east-1")
            return None
        self.warnings += [warning] if warning else []
        return name

    def vpc(self, raw: str | None) -> IPv4Network:
        allowed = "a private IPv4 network from /16 to /24"
        try:
            network = parse_private_network(raw) if raw is not None else None
            if network is not None and not (isinstance(network, IPv4Network) and 16 <= network.prefixlen <= 24):
                raise ValueError(f"{network} cannot be a VPC with room for private subnets")
        except ValueError as error:
            self.refuse("SKS0105", "vpcCidr", str(error), allowed=allowed)
            network = None
        return network if isinstance(network, IPv4Network) else IPv4Network("10.80.0.0/16")

    def require_for_target(self, settings: Settings, region: object) -> None:
        """Keys that one target needs and the other does not."""
        if settings.target is Target.EC2 and region in (None, ""):
            self.refuse(
                "SKS0101",
                REGION,
                "is missing: the ec2 target needs a region",
                allowed="an AWS region such as us-east-1",
                fix="add it, or: pulumi config set aws:region us-east-1",
            )
        if settings.target is Target.KUBERNETES:
            for key in ("gpu", "gpus", "image"):
                self._require(key, "the kubernetes target needs it")
        if settings.restart_schedule:
            self._require("restartImage", "restartSchedule needs it")

    def _require(self, key: str, why: str) -> None:
        known = next(known for known in KEYS if known.name == key)
        if known.is_unset(self.config.get(key)):
            self.refuse(
                "SKS0101",
                key,
                f"is missing: {why}",
                allowed=known.allowed,
                fix=known.command(),
            )
