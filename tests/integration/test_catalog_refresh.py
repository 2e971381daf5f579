"""The shipped instance tables against EC2's data as moto has it: another reading of the same API, by way of boto3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from infra.catalog import refresh_write
from infra.catalog.facts import CpuInstanceFacts, InstanceFacts
from infra.catalog.load import cpu_instances, shipped
from infra.catalog.refresh_markets import spot_prices
from infra.catalog.refresh_rules import LEFT_OUT, OVERRIDES, accelerator, gpu_name, memory_agrees
from infra.cli.main import main
from infra.units import BYTES_PER_MIB

moto = pytest.importorskip("moto", reason="uv sync --extra sandbox")

CATALOG = shipped()
FILES = ("instances.yaml", "cpu_instances.yaml")


def refuse(_: object) -> None:
    """moto has no capacity blocks; an account without the right gets this answer."""
    from moto.ec2.exceptions import EC2ClientError

    raise EC2ClientError("UnauthorizedOperation", "You are not authorized to perform this operation.")


@pytest.fixture(autouse=True)
def fake_aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """moto inside this process; it answers for every region, and has no pricing service."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setattr("moto.ec2.responses.EC2Response.describe_capacity_block_offerings", refuse, raising=False)
    with moto.mock_aws():
        yield


@cache
def described() -> dict[str, dict[str, Any]]:
    """Every type moto knows (5 s); read by the tests, changed by none."""
    import boto3

    pages = boto3.client("ec2", region_name="us-east-1").get_paginator("describe_instance_types").paginate()
    return {answer["InstanceType"]: answer for page in pages for answer in page["InstanceTypes"]}


def host_facts(instance: InstanceFacts | CpuInstanceFacts, answer: dict[str, Any]) -> dict[str, tuple[object, object]]:
    """What we hold of the machine around the accelerators, beside what EC2 answers."""
    baseline = answer["EbsInfo"]["EbsOptimizedInfo"]["BaselineBandwidthInMbps"]
    architectures = answer["ProcessorInfo"]["SupportedArchitectures"]
    return {
        "vcpus": (instance.vcpus, answer["VCpuInfo"]["DefaultVCpus"]),
        "memory": (instance.host_memory_bytes, answer["MemoryInfo"]["SizeInMiB"] * BYTES_PER_MIB),
        "cpu": (instance.cpu_architecture in architectures, True),
        "network": (instance.network, answer["NetworkInfo"]["NetworkPerformance"]),
        "ebs": (round(instance.ebs_baseline_mib_per_second, 6), round(baseline * 1e6 / 8 / BYTES_PER_MIB, 6)),
    }


def test_every_fact_of_every_type_agrees_or_is_a_documented_exception() -> None:
    answers = described()
    differing = []
    for instance in CATALOG.instances:
        answer = answers[instance.instance_type]
        facts = host_facts(instance, answer)
        facts["nvme"] = (instance.local_nvme_gb, answer.get("InstanceStorageInfo", {}).get("TotalSizeInGB", 0))
        card = answer["NetworkInfo"]["NetworkCards"][answer["NetworkInfo"]["DefaultNetworkCardIndex"]]
        facts["network baseline"] = (instance.network_gbit_baseline, card["BaselineBandwidthInGbps"])
        facts["efa"] = (instance.efa, answer["NetworkInfo"]["EfaSupported"])
        found = accelerator(answer)
        assert found is not None
        facts["gpu"] = (instance.gpu, gpu_name(found))
        facts["gpus"] = (instance.gpus, found.count)
        facts["partition"] = (instance.partition, found.partition)
        facts["markets"] = ({str(one) for one in instance.markets}, set(answer["SupportedUsageClasses"]))
        facts["gpu memory"] = (memory_agrees(found, CATALOG.gpu(instance.gpu)), True)
        differing += [(instance.instance_type, name, *pair) for name, pair in facts.items() if pair[0] != pair[1]]
    assert differing == []


def test_every_fact_of_the_types_without_accelerator_agrees() -> None:
    answers = described()
    for instance in cpu_instances():
        answer = answers[instance.instance_type]
        facts = host_facts(instance, answer)
        facts["cores"] = (instance.cores, answer["VCpuInfo"]["DefaultCores"])
        facts["vendor"] = (instance.cpu_vendor, answer["ProcessorInfo"]["Manufacturer"])
        assert all(ours == theirs for ours, theirs in facts.values()), (instance.instance_type, facts)
        assert accelerator(answer) is None


def test_the_exceptions_are_still_what_ec2_answers() -> None:
    """An override that no answer needs any more should go."""
    answers = described().values()
    for rule in OVERRIDES:
        family = [one for one in answers if one["InstanceType"].split(".")[0] == rule.family]
        raw = {
            "gpus": lambda one: one["GpuInfo"]["Gpus"][0]["Count"],
            "accelerator_mib": lambda one: one["NeuronInfo"]["NeuronDevices"][0]["MemoryInfo"]["SizeInMiB"],
            "cpu": lambda one: one["ProcessorInfo"]["SupportedArchitectures"][0],
        }[rule.fact]
        assert family
        assert {raw(one) for one in family} == {rule.answered}


def test_every_accelerated_type_is_held_or_left_out_with_a_reason() -> None:
    held = {instance.instance_type for instance in CATALOG.instances}
    accelerated = {name for name, answer in described().items() if accelerator(answer)}
    assert {name for name in accelerated - held if name.split(".")[0] not in LEFT_OUT} == set()
    assert len(held) == 74


def test_the_command_finds_no_difference_and_says_that_prices_are_old(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["instances", "refresh", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    nothing: dict[str, list[object]] = {"added": [], "removed": [], "changed": [], "prices": []}
    assert (document["instances"], document["cpu_instances"]) == (nothing, nothing)
    assert "prices are the old ones" in document["notes"][0]
    assert "spot prices are left as they are: AWS has none of the last 90 days" in document["notes"][1]
    assert "UnauthorizedOperation" in document["notes"][2]
    assert (document["region"], document["applied"]) == ("us-east-1", False)
    assert {rule["family"] for rule in document["overrides"]} == {"g6f", "gr6f", "trn2", "g5g"}


def test_spot_prices_are_read_as_moto_sends_them() -> None:
    """Its one price is of January 2006; asked on that day it is the price of every zone and type."""
    import boto3

    client = boto3.client("ec2", region_name="us-east-1")
    day = datetime(2006, 1, 3, tzinfo=UTC)
    found, notes = spot_prices(client, "us-east-1", ["g6.xlarge", "p5e.48xlarge"], day)
    assert (found, notes) == ({"g6.xlarge": 0.00001}, ())  # p5e is not in us-east-1


def test_the_table_shows_what_another_region_does_not_offer(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["instances", "refresh", "--region", "eu-west-1", "--no-prices"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "p5e.48xlarge offered not offered" not in lines  # not in us-east-1 either
    assert any(line.endswith("removed offered not offered") for line in lines)
    assert "nothing written (--apply writes)" in lines


def test_apply_rewrites_the_files_and_a_second_run_finds_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    originals = {name: refresh_write.table_path(name, writable=False) for name in FILES}
    for name, path in originals.items():
        text = path.read_text(encoding="utf-8").replace("vcpus: 4,", "vcpus: 5,", 1)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(refresh_write, "table_path", lambda name, writable: tmp_path / name)
    assert main(["instances", "refresh", "--apply", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [one["field"] for one in document["instances"]["changed"]] == ["vcpus"]
    today = datetime.now(UTC).date().isoformat()
    for name, path in originals.items():
        table, before = refresh_write.read_table(tmp_path / name), refresh_write.read_table(path)
        marks = ("source", "date")
        assert [{k: v for k, v in row.items() if k not in marks} for row in table.rows] == [
            {k: v for k, v in row.items() if k not in marks} for row in before.rows
        ]
        assert {row["date"] for row in table.rows} == {today}
    assert main(["instances", "refresh", "--apply"]) == 0
    assert "0 differences" in " ".join(capsys.readouterr().out.split())
    assert refresh_write.write_table(refresh_write.read_table(tmp_path / FILES[0])) == (tmp_path / FILES[0]).read_text()
