"""Pulumi.yaml declares the keys of infra/config_keys.py: same names, types, defaults and descriptions."""

import yaml

from infra.config_keys import KEYS, REQUIRED
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
