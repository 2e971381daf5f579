"""Settings are parsed in one go: all errors of one run, each with key, value, what is allowed and a fix."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.catalog.load import load
from infra.config_keys import KEYS, read_boolean, read_integer, read_mapping
from infra.errors import ConfigurationErrors, Location
from infra.settings import Target, parse

CATALOG = load()
VALID = {"model": "7B", "intranetCidrs": ["10.0.0.0/8"]}
DIGEST = "registry.intranet.example/engine@sha256:" + "a" * 64
KUBERNETES = {**VALID, "target": "kubernetes", "gpu": "A10G", "gpus": 1, "image": DIGEST}


def settings(region="us-east-1", **over):
    return parse({**VALID, **over}, CATALOG, region=region)


def errors(config, region="us-east-1"):
    with pytest.raises(ConfigurationErrors) as caught:
        parse(config, CATALOG, region=region, locate=lambda key: Location("Pulumi.dev.yaml", 7))
    return caught.value.errors


def test_defaults_are_those_of_the_key_table():
    parsed = settings()
    assert (parsed.target, parsed.port, parsed.context_tokens) == (Target.EC2, 8000, 8192)
    assert parsed.protect_weights is True
    assert parsed.quantization is parsed.instance_type is parsed.ami_id is None


def test_aliases_become_the_catalogues_own_names():
    assert settings(model="13B").model == "deepseek-ai/DeepSeek-R1-Distill-Qwen-14B"


def test_the_engines_text_form_gives_the_same_settings_as_yaml():
    from_yaml = settings(contextTokens=4096, protectWeights=False, tags={"a": "b"}, ownCidrs=["198.51.100.0/24"])
    from_engine = parse(
        {
            "model": "7B",
            "intranetCidrs": json.dumps(["10.0.0.0/8"]),
            "contextTokens": "4096",
            "protectWeights": "false",
            "tags": '{"a":"b"}',
            "ownCidrs": '["198.51.100.0/24"]',
        },
        CATALOG,
        region="us-east-1",
    )
    assert from_engine == from_yaml


def test_the_engines_defaults_count_as_not_configured():
    unset = {key.name: "" if key.unset == "" else key.unset for key in KEYS if key.unset is not None}
    assert settings(**{name: value for name, value in unset.items() if name not in VALID}) == settings()


def test_all_errors_come_in_one_run():
    found = errors(
        {
            "modle": "7B",
            "model": "7C",
            "target": "ec3",
            "intranetCidrs": ["10.0.0.0/8", "0.0.0.0/0", "10.0.0.1/8"],
            "contextTokens": "many",
            "port": 80,
            "protectWeights": "perhaps",
            "vpcCidr": "10.0.0.0/8",
            "instanceType": "g4dn.xlrge",
        }
    )
    assert sorted(error.key.removeprefix("seekstack:") for error in found) == sorted(
        ["modle", "model", "target", "intranetCidrs[1]", "intranetCidrs[2]", "contextTokens", "port",
         "protectWeights", "vpcCidr", "instanceType"]
    )  # fmt: skip
    for error in found:
        assert error.code.startswith("SKS01") or error.code.startswith("SKS02")
        assert error.location == Location("Pulumi.dev.yaml", 7)
        assert error.allowed
        assert error.fix


def test_a_misspelt_key_is_named_with_its_near_match_beside_the_missing_one():
    found = {error.code: error.message for error in errors({"modle": "7B", "intranetCidrs": ["10.0.0.0/8"]})}
    assert "did you mean seekstack:model?" in found["SKS0102"]
    assert "seekstack:model: is missing" in found["SKS0101"]


def test_a_misspelt_instance_type_names_the_near_match():
    (error,) = errors({**VALID, "instanceType": "g4dn.xlrge"})
    assert "g4dn.xlarge" in f"{error.message} {error.allowed} {error.fix}"


@pytest.mark.parametrize(("text", "name"), [("fp8", "fp8"), ("BFloat16", "bf16"), ("auto", None)])
def test_the_format_of_the_cache_becomes_the_name_we_use(text, name):
    assert settings(kvCacheDtype=text).kv_cache_dtype == name
    assert settings().kv_cache_dtype is None


def test_an_unknown_format_of_the_cache_names_the_near_match():
    (error,) = errors({**VALID, "kvCacheDtype": "fp9"})
    assert (error.code, error.key, error.value) == ("SKS0104", "seekstack:kvCacheDtype", "fp9")
    assert "did you mean fp8?" in error.fix
    assert "fp8_e4m3" in error.allowed


@pytest.mark.parametrize("model", ["7C", "", "gpt-4", "deepseek"])
def test_an_unknown_model_is_refused(model):
    (error,) = errors({**VALID, "model": model})
    assert error.key == "seekstack:model"


def test_the_ec2_target_needs_a_region():
    (error,) = errors(VALID, region=None)
    assert error.key == "aws:region"


@pytest.mark.parametrize(
    ("region", "near"),
    [
        ("mars-1", ""),
        ("us-esat-1", "us-east-1"),
        ("su-east-1", "us-east-1"),
        ("eu-central1", "eu-central-1"),
        ("us-east-1a", "us-east-1"),
        ("US-EAST-1", "us-east-1"),
    ],
)
def test_a_region_that_is_none_is_refused_with_the_near_match_beside_all_other_errors(region, near):
    other, error = errors({**VALID, "model": "7C"}, region=region)
    assert other.key == "seekstack:model"
    assert (error.code, error.key, error.value) == ("SKS0104", "aws:region", region)
    assert near in error.message
    assert "eu-west-1" in error.allowed


@pytest.mark.parametrize("region", ["us-east-3", "ca-east-1", "nz-south-1"])
def test_a_region_that_may_be_newer_than_the_catalogue_is_accepted_with_a_warning(region):
    parsed = settings(region=region)
    assert parsed.region == region
    assert region in parsed.warnings[0]


@pytest.mark.parametrize("region", CATALOG.regions)
def test_a_known_region_is_accepted_without_a_word(region):
    assert settings(region=region).warnings == ()


@pytest.mark.parametrize("region", [7.5, True, ["us-east-1"]])
def test_a_region_that_is_no_text_is_refused_once(region):
    (error,) = errors(VALID, region=region)
    assert (error.key, error.value) == ("aws:region", region)


@pytest.mark.parametrize(
    ("key", "near"),
    [("aws:regoin", "aws:region"), ("aws:skipRegionValidaton", "aws:skipRegionValidation"),
     ("kubernetes:contxt", "kubernetes:context")],
)  # fmt: skip
def test_a_misspelt_key_of_a_provider_is_named_with_its_near_match(key, near):
    with pytest.raises(ConfigurationErrors) as caught:
        parse(VALID, CATALOG, region="us-east-1", provider_keys=["aws:region", key])
    (error,) = caught.value.errors
    assert (error.code, error.key) == ("SKS0102", key)
    assert f"did you mean {near}?" in error.message


@pytest.mark.parametrize(
    "key", ["aws:somethingNew", "kubernetes:burst", "pulumi:tags", "gcp:project", "aws:maxRetries"]
)
def test_a_key_of_a_provider_that_is_like_no_known_one_is_accepted(key):
    assert parse(VALID, CATALOG, region="us-east-1", provider_keys=[key]).region == "us-east-1"


def test_an_entry_has_its_own_key_line_and_command():
    lines = {"seekstack:intranetCidrs": 7, "seekstack:intranetCidrs[0]": 8, "seekstack:intranetCidrs[2]": 10}
    lines |= {"seekstack:tags": 11, 'seekstack:tags["a.b"]': 13}
    config = {**VALID, "intranetCidrs": ["0.0.0.0/0", "10.0.0.0/8", "x"], "tags": {"team": "a", "a.b": []}}
    with pytest.raises(ConfigurationErrors) as caught:
        parse(config, CATALOG, region="us-east-1", locate=lambda key: Location("f", lines.get(key)))
    found = [(error.key, error.location.line, error.value) for error in caught.value.errors]
    assert found == [
        ("seekstack:intranetCidrs[0]", 8, "0.0.0.0/0"),
        ("seekstack:intranetCidrs[2]", 10, "x"),
        ('seekstack:tags["a.b"]', 13, []),
    ]
    assert "pulumi config set --path 'seekstack:intranetCidrs[2]' 10.0.0.0/8" in caught.value.errors[1].fix


def test_the_errors_stand_in_the_order_of_the_file_and_then_what_is_missing():
    lines = {"seekstack:vpcCidr": 1, "seekstack:port": 2, "seekstack:modle": 3}
    config = {"modle": "7B", "port": 1, "vpcCidr": "x"}
    with pytest.raises(ConfigurationErrors) as caught:
        parse(config, CATALOG, locate=lambda key: Location("f", lines.get(key)))
    names = [error.key.partition(":")[2] for error in caught.value.errors]
    assert names == ["vpcCidr", "port", "modle", "model", "intranetCidrs", "region"]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_an_encrypted_value_is_refused_whatever_it_holds_and_is_not_shown(key):
    with pytest.raises(ConfigurationErrors) as caught:
        parse({**KUBERNETES, key.name: "canary"}, CATALOG, region="us-east-1", secrets={f"seekstack:{key.name}"})
    (error,) = caught.value.errors
    assert (error.code, error.key) == ("SKS0103", f"seekstack:{key.name}")
    assert "is encrypted" in error.message
    assert "canary" not in json.dumps(caught.value.to_json())


def test_an_encrypted_entry_or_region_is_refused_and_a_providers_own_secret_is_not():
    secrets = {"seekstack:intranetCidrs[1]", "seekstack:tags.team", "aws:region", "aws:secretKey"}
    config = {**VALID, "intranetCidrs": ["10.0.0.0/8", {"secure": "v1:x"}], "tags": {"team": {"secure": "v1:x"}}}
    with pytest.raises(ConfigurationErrors) as caught:
        parse(config, CATALOG, region={"secure": "v1:x"}, secrets=secrets)
    assert {error.key for error in caught.value.errors} == secrets - {"aws:secretKey"}


def test_the_kubernetes_target_needs_gpu_count_and_image_but_no_region():
    found = errors({**VALID, "target": "kubernetes"}, region=None)
    assert {error.key for error in found} == {"seekstack:gpu", "seekstack:gpus", "seekstack:image"}
    assert parse(KUBERNETES, CATALOG).region is None


def test_a_restart_schedule_needs_an_image_that_has_kubectl():
    (error,) = errors({**KUBERNETES, "restartSchedule": "0 4 * * *"})
    assert error.key == "seekstack:restartImage"


NO_DIGEST = ["vllm/vllm-openai:latest", "vllm/vllm-openai", "x@sha256:12", "a b@sha256:" + "a" * 64]


@pytest.mark.parametrize("image", NO_DIGEST)
def test_an_image_without_digest_is_refused(image):
    (error,) = errors({**KUBERNETES, "image": image})
    assert error.key == "seekstack:image"


@pytest.mark.parametrize("cidr", ["10.0.0.0/15", "10.0.0.0/25", "fd00::/20", "8.8.0.0/16", "10.0.0.0", "x"])
def test_a_vpc_that_is_not_private_or_has_no_room_is_refused(cidr):
    (error,) = errors({**VALID, "vpcCidr": cidr})
    assert error.key == "seekstack:vpcCidr"


def test_values_of_the_wrong_type_are_named_by_type():
    found = errors({"model": ["7B"], "intranetCidrs": "10.0.0.0/8", "tags": [1], "contextTokens": True, "vpcCidr": {}})
    assert len(found) == 5
    assert any("must be a list, not '10.0.0.0/8'" in error.message for error in found)


@given(st.integers(-(2**70), 2**70) | st.text() | st.booleans() | st.none() | st.floats())
def test_an_integer_is_never_out_of_its_range(raw):
    try:
        assert 1 <= read_integer(1, 10)(raw) <= 10
    except ValueError:
        pass


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner)))
def test_readers_raise_nothing_but_value_error(raw):
    for read in (read_boolean, read_mapping, *(key.read for key in KEYS)):
        try:
            read(raw)
        except ValueError:
            pass


@given(st.dictionaries(st.sampled_from([key.name for key in KEYS]), st.text() | st.integers() | st.lists(st.text())))
def test_parse_ends_in_settings_or_in_configuration_errors(config):
    try:
        parsed = parse(config, CATALOG, region="us-east-1")
    except ConfigurationErrors as refused:
        assert refused.errors
        assert json.dumps(refused.to_json())
    else:
        assert all(not network.is_global for network in parsed.intranet_cidrs if network.version == 4)


def test_no_configuration_expresses_a_world_open_door():
    for cidr in ("0.0.0.0/0", "::/0", "0.0.0.0/1", "128.0.0.0/1"):
        found = errors({**VALID, "intranetCidrs": [cidr], "ownCidrs": [cidr]})
        assert {error.key for error in found} == {"seekstack:intranetCidrs[0]", "seekstack:ownCidrs[0]"}
