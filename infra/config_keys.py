"""The configuration keys of a stack: name, type, default, meaning. A test holds `Pulumi.yaml` to the same."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "KEYS",
    "PROVIDER_KEYS",
    "REQUIRED",
    "ConfigKey",
    "Written",
    "entry_path",
    "read_boolean",
    "read_integer",
    "read_list",
    "read_mapping",
    "read_text",
]

REQUIRED = object()
"""Default of a key that must be given."""


class Written(str):
    """Text as a stack file holds it: where a list is wanted it is no list, whatever it says (the engine's view too)."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class ConfigKey:
    """One key below `seekstack:`. `read` turns the raw value into its type or raises ValueError."""

    name: str
    kind: str
    read: Callable[[object], Any]
    allowed: str
    description: str
    default: object = None
    unset: object = None
    """What `Pulumi.yaml` gives as default where there is none: the engine refuses a declared key without one, by itself
    and before our program could report all errors in one run."""

    def is_unset(self, raw: object) -> bool:
        """Whether `raw` says "not configured": missing, or the `unset` value as YAML or as the engine's text."""
        return raw is None or (self.unset is not None and str(raw) == str(self.unset))

    def command(self, raw: object = None, entry: str = "") -> str:
        """The command that sets this key; in a list or mapping, its `entry` (`[0]`, `.team`).

        Without --path a list or mapping would become text, after which the engine refuses every command.
        """
        full, example = f"seekstack:{self.name}", EXAMPLES.get(self.name, "<value>")
        if self.kind not in ENTRIES:
            return f"pulumi config set {full} {example}"
        path = full + (entry or FIRST_ENTRIES.get(self.name, ENTRIES[self.kind]))
        is_other = isinstance(raw, Mapping if self.kind == "array" else list)
        first = f"pulumi config rm {full}, then: " if is_other else ""
        return f"{first}pulumi config set --path '{path}' {example}"


def read_text(raw: object) -> str:
    """Text as it stands; a bare YAML number counts as text (`model: 7` is a name)."""
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        raise ValueError(f"must be text, not {_type_name(raw)}")
    text = str(raw)
    if not text.strip():
        raise ValueError("must not be empty")
    return text


def read_integer(low: int, high: int) -> Callable[[object], int]:
    """A whole number from `low` to `high`; the engine hands numbers over as text, so digits count."""

    def read(raw: object) -> int:
        if isinstance(raw, str) and re.fullmatch(r"[+-]?\d{1,15}", raw):
            raw = int(raw)
        if isinstance(raw, bool) or not isinstance(raw, int):
            raise ValueError(f"must be a whole number, not {_shown(raw)}")
        if not low <= raw <= high:
            raise ValueError(f"{raw} is out of range")
        return raw

    return read


def read_boolean(raw: object) -> bool:
    """true or false, as YAML or as the engine's text."""
    if isinstance(raw, bool):
        return raw
    if raw in ("true", "false"):
        return raw == "true"
    raise ValueError(f"must be true or false, not {_shown(raw)}")


def read_list(raw: object) -> list[object]:
    """A list, as YAML or as the engine's JSON text."""
    decoded = _decoded(raw)
    if not isinstance(decoded, list):
        raise ValueError(f"must be a list, not {_shown(raw)}")
    return decoded


def read_mapping(raw: object) -> dict[str, object]:
    """A mapping, as YAML or as the engine's JSON text."""
    decoded = _decoded(raw)
    if not isinstance(decoded, Mapping):
        raise ValueError(f"must be a mapping, not {_shown(raw)}")
    return {str(key): value for key, value in decoded.items()}


def entry_path(path: str, key: str) -> str:
    """The path of a mapping's entry, as `pulumi config set --path` takes it: `tags.team`, `tags["a.b"]`."""
    if re.fullmatch(r"[\w:/-]+", key):
        return f"{path}.{key}"
    quoted = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'{path}["{quoted}"]'


def read_pattern(pattern: str, what: str) -> Callable[[object], str]:
    """Text that matches `pattern` as a whole."""

    def read(raw: object) -> str:
        text = read_text(raw)
        if not re.fullmatch(pattern, text):
            raise ValueError(f"'{text}' is not {what}")
        return text

    return read


def _decoded(raw: object) -> object:
    if not isinstance(raw, str) or isinstance(raw, Written):
        return raw
    try:
        return json.loads(raw)
    except ValueError:
        return raw


def _type_name(raw: object) -> str:
    names = {bool: "true/false", list: "a list", dict: "a mapping", type(None): "nothing"}
    return names.get(type(raw), type(raw).__name__)


def _shown(raw: object) -> str:
    return f"'{raw}'" if isinstance(raw, str) else _type_name(raw) if not isinstance(raw, int | float) else str(raw)


ENTRIES = {"array": "[0]", "object": ".team"}
"""The first entry of each kind of collection, for commands."""
FIRST_ENTRIES = {"routes": "[0].cidr"}
"""Where an entry is more than one value."""
EXAMPLES = {"intranetCidrs": "10.0.0.0/8", "routes": "10.0.0.0/8", "subnetIds": "<subnet id>", "vpcId": "<VPC id>"}

PROVIDER_KEYS: Mapping[str, str] = {
    "aws": (
        "accessKey allowedAccountIds assumeRoleWithWebIdentity assumeRoles customCaBundle defaultTags "
        "ec2MetadataServiceEndpoint ec2MetadataServiceEndpointMode endpoints forbiddenAccountIds httpProxy httpsProxy "
        "ignoreTags insecure maxRetries noProxy profile region retryMode s3UsEast1RegionalEndpoint s3UsePathStyle "
        "secretKey sharedConfigFiles sharedCredentialsFiles skipCredentialsValidation skipMetadataApiCheck "
        "skipRegionValidation skipRequestingAccountId stsRegion tagPolicyCompliance token "
        "tokenBucketRateLimiterCapacity useDualstackEndpoint useFipsEndpoint userAgents"
    ),
    "kubernetes": (
        "alwaysRender cluster clusterIdentifier context deleteUnreachable enableConfigMapMutable enablePatchForce "
        "enableSecretMutable enableServerSideApply helmReleaseSettings kubeClientSettings kubeconfig namespace "
        "renderYamlToDirectory skipUpdateUnreachable suppressDeprecationWarnings suppressHelmHookWarnings "
        "upsertExistingObjects"
    ),
}
"""Keys of the providers' own namespaces: inputs of `Provider` in pulumi_aws 7.51 and pulumi_kubernetes 4 (2026-11-24).
Only for near matches: a key that is like none of them may be newer than this list and is accepted."""

DNS_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
CRON_FIELD = r"[\d*,/-]+"

KEYS: tuple[ConfigKey, ...] = (
    ConfigKey(
        "model",
        "string",
        read_text,
        "a model or alias of `seekstack models`",
        "Model to serve: a name of `seekstack models`, or an alias such as 1.5B, 7B, 13B, 30B",
        REQUIRED,
        unset="",
    ),
    ConfigKey(
        "target",
        "string",
        read_text,
        "ec2 or kubernetes",
        "Where it runs: ec2 (one GPU instance in its own VPC) or kubernetes (an existing cluster)",
        "ec2",
    ),
    ConfigKey(
        "quantization",
        "string",
        read_text,
        "a quantisation of the catalogue",
        "Number format of the weights; auto: the best that fits",
        unset="auto",
    ),
    ConfigKey(
        "kvCacheDtype",
        "string",
        read_text,
        "a format of the KV cache, such as fp8",
        "Number format of the KV cache; auto: the engine's own choice",
        unset="auto",
    ),
    ConfigKey(
        "contextTokens",
        "integer",
        read_integer(256, 1_048_576),
        "256 to 1048576",
        "Longest request, prompt and answer together, in tokens",
        8192,
    ),
    ConfigKey(
        "concurrency",
        "integer",
        read_integer(1, 4096),
        "1 to 4096",
        "Requests of full length that must fit into the KV cache at once",
        1,
    ),
    ConfigKey(
        "instanceType",
        "string",
        read_text,
        "an EC2 type of `seekstack instances`",
        "EC2 instance type; auto: the cheapest that fits",
        unset="auto",
    ),
    ConfigKey(
        "gpu", "string", read_text, "a GPU of `seekstack gpus`", "Kubernetes: the GPU that the nodes have", unset=""
    ),
    ConfigKey("gpus", "integer", read_integer(1, 16), "1 to 16", "Kubernetes: GPUs that one node has", unset=0),
    ConfigKey(
        "vpcCidr",
        "string",
        read_text,
        "a private IPv4 network from /16 to /24",
        "EC2: address range of the new VPC",
        "10.80.0.0/16",
    ),
    ConfigKey(
        "intranetCidrs",
        "array",
        read_list,
        "a list of private networks",
        "The only networks that reach the model server: RFC 1918, RFC 6598, fc00::/7, or inside ownCidrs",
        REQUIRED,
        unset=[],
    ),
    ConfigKey(
        "ownCidrs",
        "array",
        read_list,
        "a list of networks, /16 (IPv6: /32) or narrower",
        "Public ranges that your organisation uses inside, so that intranetCidrs may name them",
        (),
    ),
    ConfigKey("availabilityZones", "integer", read_integer(1, 4), "1 to 4", "EC2: zones that get a private subnet", 2),
    ConfigKey(
        "vpcEndpoints",
        "boolean",
        read_boolean,
        "true or false",
        "EC2: private doors to AWS services, paid by zone and hour; false leaves S3 alone, which is free",
        True,
    ),
    ConfigKey(
        "vpcId",
        "string",
        read_pattern(r"vpc-[0-9a-f]{8,17}", "a VPC id"),
        "a VPC id such as vpc-0123456789abcdef0",
        "EC2: an existing VPC, with subnetIds; left out, the stack makes one",
        unset="",
    ),
    ConfigKey(
        "subnetIds",
        "array",
        read_list,
        "a list of subnet ids",
        "EC2: private subnets of vpcId, one a zone; the servers and their weights stand in the first",
        (),
    ),
    ConfigKey(
        "routes",
        "array",
        read_list,
        "a list of {cidr, target}; a target is a vgw-, tgw- or pcx- id",
        "EC2: ways from the new VPC to private networks, by VPN gateway, transit gateway or peering",
        (),
    ),
    ConfigKey(
        "natForStaging",
        "boolean",
        read_boolean,
        "true or false",
        "EC2: a NAT gateway, to stage weights from a hub on the internet; set it back to false after staging",
        False,
    ),
    ConfigKey(
        "loadTargetSeconds",
        "integer",
        read_integer(10, 7200),
        "10 to 7200",
        "Time in which the weights are to be read from the volume; sizes its IOPS and throughput",
        300,
    ),
    ConfigKey("port", "integer", read_integer(1024, 65535), "1024 to 65535", "Port of the OpenAI-compatible API", 8000),
    ConfigKey(
        "image",
        "string",
        read_pattern(r"[^\s@]+@sha256:[0-9a-f]{64}", "an image by digest"),
        "name@sha256:<64 hex digits>",
        "Kubernetes: engine image by digest",
        unset="",
    ),
    ConfigKey(
        "restartImage",
        "string",
        read_pattern(r"[^\s@]+@sha256:[0-9a-f]{64}", "an image by digest"),
        "name@sha256:<64 hex digits>",
        "Kubernetes: image with kubectl, by digest, for the scheduled restart",
        unset="",
    ),
    ConfigKey(
        "restartSchedule",
        "string",
        read_pattern(rf"{CRON_FIELD}( {CRON_FIELD}){{4}}", "five cron fields"),
        "five cron fields, such as '0 */12 * * *'",
        "Kubernetes: cron line of the rolling restart; left out, there is none",
        unset="",
    ),
    ConfigKey(
        "namespace",
        "string",
        read_pattern(DNS_LABEL, "a DNS label"),
        "a DNS label",
        "Kubernetes: namespace, created by the stack",
        "seekstack",
    ),
    ConfigKey("replicas", "integer", read_integer(1, 64), "1 to 64", "Kubernetes: model servers", 1),
    ConfigKey(
        "weightsHostPath",
        "string",
        read_pattern(r"/[^\0]+", "an absolute path"),
        "an absolute path",
        "Kubernetes: folder on the node that holds the staged weights",
        "/var/lib/seekstack/weights",
    ),
    ConfigKey(
        "protectWeights",
        "boolean",
        read_boolean,
        "true or false",
        "Refuse to delete the weight volume until this is false",
        True,
    ),
    ConfigKey(
        "amiId",
        "string",
        read_pattern(r"ami-[0-9a-f]{8,17}", "an AMI id"),
        "an AMI id such as ami-0123456789abcdef0",
        "EC2: machine image; auto: the current image with the NVIDIA driver",
        unset="auto",
    ),
    ConfigKey(
        "tags",
        "object",
        read_mapping,
        "a mapping of text to text",
        "Tags for every cloud resource, labels for none",
        {},
    ),
)
