"""The configuration for the official plugin is what the SDK and the plugin expect."""

from __future__ import annotations

import inspect
import json
import re
from itertools import chain
from pathlib import Path

import pulumi
import pulumi_aws
import pytest
from botocore.session import get_session
from pulumi_aws import ProviderEndpointArgs

from infra.stack_file import read_stack_file
from sandbox.aws_endpoints import ALIASES, endpoint_names, known_names, official_config, write_official_config
from sandbox.aws_provider.types import TYPES

ENDPOINT = "http://127.0.0.1:4566"


def test_official_config_is_what_the_sdk_sends_and_the_plugin_accepts() -> None:
    config = official_config(ENDPOINT, "eu-central-1")
    accepted = {wire(name) for name in inspect.signature(pulumi_aws.Provider._internal_init).parameters}
    assert {key.removeprefix("aws:") for key in config} <= accepted
    (endpoints,) = endpoint_maps(config)
    properties = set(known_names())
    assert endpoints.keys() <= properties
    assert all(re.fullmatch(r"[a-z][a-zA-Z0-9]*", name) for name in endpoints)
    assert set(endpoints.values()) == {ENDPOINT}
    # The plugin gets the JSON text that the SDK makes of such arguments.
    arguments = ProviderEndpointArgs(**{snake(name): url for name, url in endpoints.items()})
    assert json.loads(pulumi.runtime.to_json([arguments])) == config["aws:endpoints"]


@pytest.mark.parametrize("first", sorted(ALIASES))
def test_sets_one_name_of_each_group_of_aliases(first: str) -> None:
    (endpoints,) = endpoint_maps(official_config(ENDPOINT, "eu-central-1"))
    assert [name for name in (first, *ALIASES[first]) if name in endpoints] == [first]


def test_every_alias_is_a_name_of_the_sdk_and_in_one_group_only() -> None:
    names = list(chain.from_iterable((first, *others) for first, others in ALIASES.items()))
    assert len(names) == len(set(names))
    assert set(names) <= set(known_names())


def test_leaves_no_service_of_the_sdk_at_real_aws() -> None:
    known = set(known_names())
    left_out = known - set(endpoint_names(known))
    assert left_out == set(chain.from_iterable(ALIASES.values()))


def test_falls_back_to_an_alias_where_an_sdk_lacks_the_first_name() -> None:
    assert endpoint_names(["cloudwatchlogs", "ec2"]) == ["cloudwatchlogs", "ec2"]
    assert endpoint_names(["cloudwatchlogs", "cloudwatchlog", "ec2"]) == ["cloudwatchlog", "ec2"]


def test_covers_every_service_that_our_types_use() -> None:
    (endpoints,) = endpoint_maps(official_config(ENDPOINT, "eu-central-1"))
    services = {described.service.replace("-", "") for described in TYPES.values()} | {"sts"}
    assert services <= endpoints.keys()
    assert services <= {name.replace("-", "") for name in get_session().get_available_services()}


def endpoint_maps(config: dict[str, object]) -> list[dict[str, str]]:
    found = config["aws:endpoints"]
    assert isinstance(found, list)
    return found


def wire(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


def snake(name: str) -> str:
    """The Python attribute behind a wire name."""
    return next(
        python
        for python, member in vars(ProviderEndpointArgs).items()
        if isinstance(member, property) and getattr(member.fget, "_pulumi_name", python) == name
    )


def test_a_stack_file_takes_the_configuration_and_keeps_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text("# note\nconfig:\n  aws:region: us-east-1\n  seekstack:model: 7B\n  aws:profile: mine\n")
    for endpoint in ("http://127.0.0.1:1", ENDPOINT):  # a second sandbox has another port
        write_official_config(file, endpoint, "eu-central-1")
    read = read_stack_file(file)
    assert read.errors == ()
    assert read.values == {
        **official_config(ENDPOINT, "eu-central-1"),
        "seekstack:model": "7B",
        "aws:profile": "mine",
    }
    assert file.read_text().startswith("# note\n")
