"""An inventory file: hosts out, or every error at once, each with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.catalog.load import shipped
from infra.errors import ConfigurationErrors, Location
from infra.inventory import parse_inventory, read_inventory
from infra.units import gib

CATALOG = shipped()
GOOD = "- {name: a, gpu: l40s, gpus: 4, host_memory_gib: 256, disk_gib: 900, driver: 580.95.05, network_gbit: 100}\n"


def errors(text: str) -> list[tuple[str | None, int | None]]:
    with pytest.raises(ConfigurationErrors) as caught:
        parse_inventory(text, "hosts.yaml", CATALOG)
    for error in caught.value.errors:
        assert error.code == "SKS0110"
        assert error.allowed
        assert error.fix
    return [(error.key, error.location.line if error.location else None) for error in caught.value.errors]


def test_reads_a_host_with_the_catalogues_name_of_its_gpu() -> None:
    (host,) = parse_inventory(GOOD, "hosts.yaml", CATALOG)
    assert (host.name, host.gpu.name, host.gpus) == ("a", "L40S", 4)
    assert (host.host_memory_bytes, host.disk_bytes, host.network_gbit) == (gib(256), gib(900), 100)
    assert host.driver == "580.95.05"


def test_reads_json_and_a_list_under_hosts() -> None:
    json_text = '[{"name": "a", "gpu": "T4", "gpus": 1}, {"name": "b", "gpu": "T4", "gpus": 2}]'
    assert [host.name for host in parse_inventory(json_text, "hosts.json", CATALOG)] == ["a", "b"]
    assert parse_inventory("hosts:\n- {name: a, gpu: T4, gpus: 1}\n", "hosts.yaml", CATALOG)


def test_a_driver_without_quotes_keeps_its_text() -> None:
    (host,) = parse_inventory("- {name: a, gpu: T4, gpus: 1, driver: 550.10}", "hosts.yaml", CATALOG)
    assert host.driver == "550.10"


def test_names_every_error_with_its_line() -> None:
    text = "- {name: a, gpu: L41, gpus: 0}\n- name: a\n  gpu: T4\n  gpu_count: 3\n- 5\n- {name: c, gpu: T4}\n"
    assert errors(text) == [
        ("gpus", 1),
        ("gpu", 1),
        ("gpu_count", 4),
        ("name", 2),
        ("host", 5),
        ("gpus", 6),
    ]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("", "inventory"),
        ("[]", "inventory"),
        ("name: a", "inventory"),
        ("- [", "inventory"),
        ("[" * 2000, "inventory"),
        ("- {name: a, gpu: T4, gpus: 1, disk_gib: -5}", "disk_gib"),
        ("- {name: a, gpu: T4, gpus: 1, disk_gib: .nan}", "disk_gib"),
        ("- {name: a, gpu: T4, gpus: 1, driver: newest}", "driver"),
        ("- {name: a, gpu: T4, gpus: [1]}", "gpus"),
        ("- {name: a, gpu: T4, gpus: 1_0}", "gpus"),
        ("- {name: a, gpu: T4, gpus: \uff12}", "gpus"),
        ("- {name: a, gpu: T4, gpus: 1, disk_gib: 1_000}", "disk_gib"),
        ("- {name: a, gpu: T4, gpus: 1, network_gbit: \uff110}", "network_gbit"),
        ("- {name: a b, gpu: T4, gpus: 1}", "name"),
        ("- {name: a, gpu: T4, gpus: 1, gpus: 2}", "gpus"),
        ("- &a {name: a, gpu: T4, gpus: 1}\n- *a", "name"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(text: str, key: str) -> None:
    assert [name for name, _ in errors(text)] == [key]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationErrors) as caught:
        read_inventory(tmp_path / "none.yaml", CATALOG)
    assert caught.value.errors[0].location == Location("none.yaml")


def test_a_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "hosts.yaml"
    file.write_text(GOOD, encoding="utf-8")
    assert read_inventory(file, CATALOG)[0].name == "a"
