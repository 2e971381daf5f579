"""Every cell of the compatibility tables, against the rows as they were read on 2026-11-24 (here as text)."""

from __future__ import annotations

import csv
from itertools import pairwise

import pytest

from infra.catalog.compatibility import CompatibilityFacts, PythonRange, Version, load_compatibility
from infra.catalog.facts import Attention
from infra.catalog.load import load
from infra.sizing.engine import FIRST_CUDA_13, Engine

FACTS = load_compatibility()
Row = dict[str, str]

TORCH = """\
torch,default_pypi_wheel_cuda,requires_python,min_driver_branch_by_minor_compat
2.0.1,11.7,>=3.8,450
2.1.2,12.1,>=3.8,525
2.4.0,12.1,>=3.8,525
2.5.1,12.4,>=3.8,525
2.6.0,12.4,>=3.9,525
2.7.1,12.6,>=3.9,525
2.8.0,12.8,>=3.9,525
2.9.0,12.8,>=3.10,525
2.9.1,12.8,>=3.10,525
2.10.0,12.8,>=3.10,525
2.11.0,13.0,>=3.10,580
2.12.1,13.0,>=3.10,580
2.14.1,13.0,>=3.10,580
"""
VLLM = """\
vllm,torch_pin,requires_python,transformers_min,min_driver_branch_default_wheel
0.6.2,2.4.0,>=3.8,4.45.0,525
0.6.6,2.5.1,>=3.9,4.45.2,525
0.7.3,2.5.1,>=3.9,4.48.2,525
0.8.5,2.6.0,">=3.9,<3.13",4.51.1,525
0.9.2,2.7.0,">=3.9,<3.13",4.51.1,525
0.10.2,2.8.0,">=3.9,<3.14",4.55.2,525
0.11.0,2.8.0,">=3.9,<3.14",4.55.2,525
0.12.0,2.9.0,">=3.10,<3.14",4.56.0,525
0.14.0,2.9.1,">=3.10,<3.14",4.56.0,525
0.18.0,2.10.0,">=3.10,<3.14",4.56.0,525
0.20.0,2.11.0,">=3.10,<3.15",4.56.0 (5.0-5.5.0 excluded),580
0.24.0,2.11.0,">=3.10,<3.15",5.5.3,580
0.25.0,2.11.0,">=3.10,<3.15",5.5.3,580
0.29.0,2.13.0,">=3.10,<3.15",5.10.4,580
0.33.0,2.14.0,">=3.11,<3.15",5.16.1,580
"""
CUDA = """\
cuda_toolkit,min_linux_driver,minor_compat_floor
11.7 GA,515.43.04,450
11.8 GA,520.61.05,450
12.0 GA,525.60.13,525
12.1,530.30.02,525
12.2 GA,535.54.03,525
12.2 U2,535.104.05,525
12.3 GA,545.23.06,525
12.4 GA,550.54.14,525
12.4 U1,550.54.15,525
12.5 GA,555.42.02,525
12.6 GA,560.28.03,525
12.8 GA,570.26,525
12.8 U1,570.124.06,525
12.9 GA,575.51.03,525
12.9 U1,575.57.08,525
13.0 GA,580.65.06,580
13.0 U2,580.95.05,580
13.3 GA,610.43.02,580
"""
BRANCHES = """\
branch,designation,end_of_life,max_cuda_major_without_compat_package
R535,LTS,2026-06,12
R580,LTS,2028-06,13
R595,production,2027-03,13
R610,new feature,2026-08,13
R620,LTS,2029-09,13
"""
CARDS = """\
gpu,compute_capability,min_driver_branch,min_cuda
T4,7.5,410,10.0
V100-32,7.0,384,9.0
A10G,8.6,460,11.1
L4,8.9,525,11.8
L40S,8.9,535,11.8
A100-40,8.0,450,11.0
A100-80,8.0,450,11.0
H100-80,9.0,525,11.8
H200,9.0,550,12.4
H20-96,9.0,535,12.2
B200,10.0,570,12.8
B300,10.3,580,12.9
RTX3090,8.6,455,11.1
RTX4090,8.9,520,11.8
RTX5090,12.0,570,12.8
RTX6000Ada,8.9,525,11.8
RTXPRO6000-BSE,12.0,575,12.9
RTXPRO4500,12.0,575,12.9
"""


def rows(text: str) -> list[Row]:
    return list(csv.DictReader(text.splitlines()))


def first_cell(row: Row) -> str:
    return next(iter(row.values()))


@pytest.mark.parametrize("row", rows(TORCH), ids=first_cell)
def test_every_cell_of_the_torch_table(row: Row) -> None:
    wheel = FACTS.torch(Version.of(row["torch"]))
    assert {
        "torch": str(wheel.version),
        "default_pypi_wheel_cuda": str(wheel.cuda),
        "requires_python": str(wheel.python),
        "min_driver_branch_by_minor_compat": str(FACTS.cuda(wheel.cuda).min_driver_branch),
    } == row


@pytest.mark.parametrize("row", rows(VLLM), ids=first_cell)
def test_every_cell_of_the_vllm_table(row: Row) -> None:
    release = FACTS.engine(Version.of(row["vllm"]))
    assert {
        "vllm": str(release.version),
        "torch_pin": str(release.torch),
        "requires_python": str(release.python),
        "transformers_min": release.transformers,
        "min_driver_branch_default_wheel": str(FACTS.cuda(FACTS.torch(release.torch).cuda).min_driver_branch),
    } == row


@pytest.mark.parametrize("row", rows(CUDA), ids=first_cell)
def test_every_cell_of_the_cuda_table(row: Row) -> None:
    cuda = FACTS.cuda(Version.of(row["cuda_toolkit"]))
    assert {
        "cuda_toolkit": str(cuda.version),
        "min_linux_driver": str(cuda.min_driver),
        "minor_compat_floor": str(cuda.min_driver_branch),
    } == row


@pytest.mark.parametrize("row", rows(BRANCHES), ids=first_cell)
def test_every_cell_of_the_driver_table(row: Row) -> None:
    branch = FACTS.driver_branch(Version.of(row["branch"]))
    assert branch is not None
    assert {
        "branch": branch.name,
        "designation": branch.designation,
        "end_of_life": branch.end_of_life,
        "max_cuda_major_without_compat_package": str(branch.max_cuda_major),
    } == row


def test_no_table_holds_more_or_fewer_rows() -> None:
    tables = (FACTS.torches, FACTS.engines, FACTS.cudas, FACTS.driver_branches)
    assert [len(table) for table in tables] == [len(rows(text)) for text in (TORCH, VLLM, CUDA, BRANCHES)]


@pytest.mark.parametrize("row", rows(CARDS), ids=first_cell)
def test_a_generation_starts_with_its_oldest_card(row: Row) -> None:
    gpu = load().gpu(row["gpu"])
    assert gpu.compute_capability is not None
    assert gpu.min_driver_branch == int(row["min_driver_branch"])
    same = [other for other in rows(CARDS) if other["compute_capability"] == row["compute_capability"]]
    generation = FACTS.gpu_generation(gpu.compute_capability)
    assert generation.compute_capability == gpu.compute_capability
    assert generation.first_driver_branch == min(int(other["min_driver_branch"]) for other in same)
    assert generation.first_cuda == min(Version.of(other["min_cuda"]) for other in same)


@pytest.mark.parametrize(
    ("torch", "cuda"),
    [
        ("2.0.0", "11.7"),
        ("2.1.0", "12.1"),
        ("2.3.1", "12.1"),
        ("2.4.1", "12.1"),
        ("2.5.0", "12.4"),
        ("2.6.0", "12.4"),
        ("2.7.0", "12.6"),
        ("2.8.0", "12.8"),
        ("2.10.1", "12.8"),
        ("2.11.0", "13.0"),
        ("2.13.0", "13.0"),
        ("2.14.0", "13.0"),
    ],
)
def test_a_torch_release_between_two_rows_has_the_wheel_of_its_minor_release(torch: str, cuda: str) -> None:
    assert str(FACTS.torch(Version.of(torch)).cuda) == cuda


@pytest.mark.parametrize(
    ("engine", "row"),
    [("0.6.3", "0.6.2"), ("0.7.0", "0.6.6"), ("0.8.5", "0.8.5"), ("0.19.1", "0.18.0"), ("0.28.0", "0.25.0")],
)
def test_an_engine_release_between_two_rows_is_the_last_at_or_below_it(engine: str, row: str) -> None:
    assert str(FACTS.engine(Version.of(engine)).version) == row


def test_each_table_ascends() -> None:
    for versions in (
        [row.version for row in FACTS.engines],
        [row.version for row in FACTS.torches],
        [row.version for row in FACTS.cudas],
    ):
        assert all(earlier < later for earlier, later in pairwise(versions))
    numbers = [branch.number for branch in FACTS.driver_branches]
    capabilities = [row.compute_capability for row in FACTS.gpu_generations]
    assert numbers == sorted(numbers)
    assert capabilities == sorted(capabilities)


def test_a_branch_runs_no_cuda_above_the_newest_it_has_a_floor_for() -> None:
    for branch in FACTS.driver_branches:
        runs = {cuda.version.major for cuda in FACTS.cudas if cuda.min_driver_branch <= branch.number}
        assert max(runs) == branch.max_cuda_major


def test_every_driver_a_toolkit_was_made_with_is_of_a_branch_that_runs_it() -> None:
    assert all(cuda.min_driver.major >= cuda.min_driver_branch for cuda in FACTS.cudas)


def test_535_154_02_is_a_host_package_and_its_guest_driver_is_not() -> None:
    host = FACTS.vgpu_host_driver(Version.of("535.154.02"))
    assert host is not None
    assert (host.release, str(host.guest)) == ("vGPU 16.3", "535.154.05")
    assert not any(FACTS.vgpu_host_driver(entry.guest) for entry in FACTS.vgpu_host_drivers)


def test_no_driver_of_a_toolkit_is_a_host_package() -> None:
    assert not any(FACTS.vgpu_host_driver(cuda.min_driver) for cuda in FACTS.cudas)


def test_the_engine_that_drops_volta_is_the_first_with_the_cuda_that_drops_it() -> None:
    volta = FACTS.gpu_generation((7, 0))
    majors = {row.version.parts: FACTS.torch(row.torch).cuda.major for row in FACTS.engines}
    assert volta.last_cuda_major is not None
    assert min(version for version, major in majors.items() if major > volta.last_cuda_major) == FIRST_CUDA_13
    assert Engine(FIRST_CUDA_13).min_compute_capability > volta.compute_capability


def test_attention_floors_agree_with_the_models() -> None:
    floors = {kind: str(floor) for kind, floor in FACTS.attention_floors.items()}
    assert floors == {Attention.SPARSE_LATENT: "0.18.0", Attention.COMPRESSED: "0.20.0"}


def test_every_row_names_its_source_and_the_day_it_was_read() -> None:
    tables = (
        FACTS.engines,
        FACTS.torches,
        FACTS.cudas,
        FACTS.driver_branches,
        FACTS.vgpu_host_drivers,
        FACTS.gpu_generations,
    )
    origins = [(row.source, row.date) for table in tables for row in table]
    assert all(len(source) > 20 for source, _ in origins)
    assert {day for _, day in origins} == {FACTS.date} == {"2026-11-24"}


def test_loads_once_a_process() -> None:
    assert load_compatibility() is FACTS
    assert isinstance(FACTS, CompatibilityFacts)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        (">=3.9", ["3.9", "3.9.20", "3.14"], ["3.8", "2.7"]),
        (">=3.10,<3.14", ["3.10", "3.13.9"], ["3.9", "3.14", "3.14.1"]),
    ],
)
def test_a_python_range_holds_its_lower_bound_and_not_its_upper(
    text: str, inside: list[str], outside: list[str]
) -> None:
    allowed = PythonRange.of(text)
    assert [one for one in inside + outside if Version.of(one) in allowed] == inside


def test_two_python_ranges_meet_in_the_narrower() -> None:
    assert str(PythonRange.of(">=3.9,<3.13") & PythonRange.of(">=3.10")) == ">=3.10,<3.13"


def test_a_range_in_another_form_is_not_guessed() -> None:
    with pytest.raises(ValueError, match="not a range"):
        PythonRange.of("~=3.9")
