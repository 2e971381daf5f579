"""Stack configuration with which the *official* aws plugin talks to a fake AWS and to nothing else.

The endpoint names come from the installed SDK (`pulumi_aws.ProviderEndpointArgs`), because they change with its version
and one that the plugin does not know fails the whole configuration: "Invalid or unknown key"
(pulumi/pulumi-aws#4004, localstack/pulumi-local#25). They stand in one map: two fail with "Duplicate Set Element".

About fifty services have a second or third name, kept for old programs. Of each such group only one may be set: the
plugin's upstream says "Only one of the following attributes should be set … This will be an error in a future release"
(hashicorp/terraform-provider-aws, internal/provider/sdkv2/provider.go, expandEndpoints). `ALIASES` is the table of
website/docs/guides/custom-service-endpoints.html.markdown there, at commit 03e00b5f.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

__all__ = ["ALIASES", "endpoint_names", "known_names", "official_config", "write_official_config"]

# The name that the plugin looks at first -> its other names.
ALIASES: Final[dict[str, tuple[str, ...]]] = {
    "amp": ("prometheus", "prometheusservice"),
    "appautoscaling": ("applicationautoscaling",),
    "appintegrations": ("appintegrationsservice",),
    "ce": ("costexplorer",),
    "cloudcontrol": ("cloudcontrolapi",),
    "cloudhsmv2": ("cloudhsm",),
    "cognitoidp": ("cognitoidentityprovider",),
    "configservice": ("config",),
    "cur": ("costandusagereportservice",),
    "databrew": ("gluedatabrew",),
    "deploy": ("codedeploy",),
    "dms": ("databasemigration", "databasemigrationservice"),
    "ds": ("directoryservice",),
    "elasticbeanstalk": ("beanstalk",),
    "elasticsearch": ("es", "elasticsearchservice"),
    "elb": ("elasticloadbalancing",),
    "elbv2": ("elasticloadbalancingv2",),
    "events": ("eventbridge", "cloudwatchevents"),
    "evidently": ("cloudwatchevidently",),
    "grafana": ("managedgrafana", "amg"),
    "inspector2": ("inspectorv2",),
    "kafka": ("msk",),
    "lexmodels": ("lexmodelbuilding", "lexmodelbuildingservice", "lex"),
    "lexv2models": ("lexmodelsv2",),
    "location": ("locationservice",),
    "logs": ("cloudwatchlog", "cloudwatchlogs"),
    "oam": ("cloudwatchobservabilityaccessmanager",),
    "opensearch": ("opensearchservice",),
    "osis": ("opensearchingestion",),
    "rbin": ("recyclebin",),
    "rdsdata": ("rdsdataservice",),
    "redshiftdata": ("redshiftdataapiservice",),
    "resourcegroupstaggingapi": ("resourcegroupstagging",),
    "rum": ("cloudwatchrum",),
    "s3": ("s3api",),
    "serverlessrepo": ("serverlessapprepo", "serverlessapplicationrepository"),
    "servicecatalogappregistry": ("appregistry",),
    "sfn": ("stepfunctions",),
    "transcribe": ("transcribeservice",),
}


def official_config(endpoint: str, region: str) -> dict[str, object]:
    """Configuration keys and plain values; `aws:endpoints` sends every service that the SDK knows to `endpoint`.

    All skip flags are needed: without them the plugin asks real AWS about the credentials or the account
    (pulumi/pulumi#6333, pulumi/pulumi-aws#2003). The keys are no secrets: the fake accepts any.
    """
    return {
        "aws:region": region,
        "aws:accessKey": "sandbox",
        "aws:secretKey": "sandbox",
        "aws:skipCredentialsValidation": True,
        "aws:skipMetadataApiCheck": True,
        "aws:skipRequestingAccountId": True,
        "aws:skipRegionValidation": True,
        "aws:s3UsePathStyle": True,
        "aws:endpoints": [dict.fromkeys(endpoint_names(known_names()), endpoint)],
    }


def write_official_config(file: Path, endpoint: str, region: str) -> None:
    """Put `official_config` into a stack file, in place of what it says of these keys; every other line stays."""
    config = official_config(endpoint, region)
    kept = [line for line in file.read_text(encoding="utf-8").splitlines() if _key_of(line) not in config]
    added = [f"  {key}: {json.dumps(value)}" for key, value in config.items()]  # JSON on one line is YAML
    position = kept.index("config:") + 1
    file.write_text("\n".join([*kept[:position], *added, *kept[position:]]) + "\n", encoding="utf-8")


def _key_of(line: str) -> str:
    found = re.match(r"\s+(aws:\w+):", line)
    return found[1] if found else ""


def known_names() -> list[str]:
    """Every endpoint name of the installed SDK, aliases included, as it is sent (importing the SDK takes a second)."""
    from pulumi_aws import ProviderEndpointArgs

    members = vars(ProviderEndpointArgs).items()
    return [getattr(item.fget, "_pulumi_name", name) for name, item in members if isinstance(item, property)]


def endpoint_names(known: Iterable[str]) -> list[str]:
    """`known` with one name a service: the first of the group that the SDK has."""
    present = set(known)
    dropped: set[str] = set()
    for first, others in ALIASES.items():
        group = [name for name in (first, *others) if name in present]
        dropped.update(group[1:])
    return sorted(present - dropped)
