"""Pulumi.yaml declares the keys of infra/config_keys.py: same names, types, defaults and descriptions."""

import inspect

import botocore.loaders
import pulumi_aws
import pulumi_kubernetes
import pytest
import yaml

from infra.catalog.load import load
from infra.config_keys import KEYS, PROVIDER_KEYS, REQUIRED
from infra.sdk_names import snake_case
from infra.stack_file import PROJECT
from tests.contract.support_files import text_of

DECLARED = yaml.safe_load(text_of("Pulumi.yaml"))


def test_pulumi_yaml_declares_exactly_the_keys_there_are():
    assert list(DECLARED["config"]) == [f"{PROJECT}:{key.name}" for key in KEYS]


def test_types_descriptions_and_defaults_are_the_same():
    for key in KEYS:
        declared = DECLARED["config"][f"{PROJECT}:{key.name}"]
        default = key.unset if key.default is None or key.default is REQUIRED else key.default
        assert declared["type"] == key.kind, key.name
        assert declared["description"] == key.description, key.name
        assert declared["default"] == (list(default) if isinstance(default, tuple) else default), key.name


def test_every_default_is_readable_or_says_not_configured():
    for key in KEYS:
        default = DECLARED["config"][f"{PROJECT}:{key.name}"]["default"]
        if not key.is_unset(default):
            key.read(default)


def test_every_key_says_what_it_is_for_and_what_it_takes():
    for key in KEYS:
        assert len(key.description) > 15
        assert key.allowed


def test_the_program_is_found_where_pulumi_yaml_says():
    assert DECLARED["main"] == "infra"
    assert DECLARED["runtime"]["name"] == "python"


@pytest.mark.parametrize(
    ("namespace", "provider"),
    [("aws", pulumi_aws.Provider), ("kubernetes", pulumi_kubernetes.Provider)],
)
def test_the_keys_of_a_provider_are_those_that_its_sdk_declares(namespace, provider):
    parameters = inspect.signature(provider._internal_init).parameters
    declared = {name for name in parameters if name not in ("__self__", "resource_name", "opts", "__props__")}
    assert {snake_case(key) for key in PROVIDER_KEYS[namespace].split()} == declared


def test_the_regions_are_those_that_botocore_knows():
    partitions = botocore.loaders.Loader().load_data("endpoints")["partitions"]
    assert set(load().regions) >= {name for partition in partitions for name in partition["regions"]}
