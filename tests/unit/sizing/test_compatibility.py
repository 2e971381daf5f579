"""What goes together with what, how far it can be trusted, and what to change where nothing does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.catalog.compatibility import Version, load_compatibility
from infra.catalog.facts import GpuFacts, ModelFacts
from infra.catalog.load import load
from infra.errors import ConfigurationError, ConfigurationErrors
from infra.sizing.compatibility import Code, Conflict, Resolved, Stack, Verdict, changed, resolve

CATALOG = load()
FACTS = load_compatibility()
SEED = {"python": "3.8", "torch": "2.0", "cuda": "11.7"}


def make_stack(model: str | None = None, gpu: str | None = None, **over: Any) -> Stack:
    """A stack with model and GPU by their names."""
    return Stack(model=CATALOG.model(model) if model else None, gpu=CATALOG.gpu(gpu) if gpu else None, **over)


def resolved(model: str | None = None, gpu: str | None = None, **over: Any) -> Resolved:
    outcome = resolve(make_stack(model, gpu, **over), FACTS, CATALOG)
    assert isinstance(outcome, Resolved), outcome
    return outcome


def conflict(model: str | None = None, gpu: str | None = None, **over: Any) -> Conflict:
    """A conflict whose change works, and so does each alternative."""
    stack = make_stack(model, gpu, **over)
    outcome = resolve(stack, FACTS, CATALOG)
    assert isinstance(outcome, Conflict), outcome
    for change in (outcome.change, *outcome.alternatives):
        assert isinstance(resolve(changed(stack, change, CATALOG), FACTS, CATALOG), Resolved)
    return outcome


def codes(outcome: Conflict) -> set[Code]:
    return {problem.code for problem in outcome.problems}


def test_an_open_stack_gets_the_newest_engine_and_the_long_term_driver() -> None:
    outcome = resolved("R1", "H200")
    assert (outcome.engine_version, outcome.torch, outcome.wheel, outcome.cuda) == ("0.33.0", "2.14.0", "cu130", "13.0")
    assert (outcome.driver, outcome.driver_branch, outcome.driver_branch_end_of_life) == (
        "580.95.05",
        "R580",
        "2028-06",
    )
    assert (outcome.python, outcome.python_range, outcome.transformers) == ("3.12", ">=3.11,<3.15", "5.16.1")
    assert (outcome.verdict, outcome.min_driver, outcome.min_compatible_driver) == (
        Verdict.NATIVE,
        "580.65.06",
        "580",
    )
    assert outcome.dtype == "bfloat16"
    assert outcome.warnings == ()


def test_each_part_is_explained() -> None:
    text = "\n".join(resolved("R1", driver="535.183.01").explanations)
    for words in (
        "vLLM 0.18.0: newest of the matrix that keeps what is fixed",
        "DeepSeek-R1: served from vLLM 0.6.6 on",
        "torch 2.10.0: exact pin of vLLM 0.18.0",
        "CUDA 12.8: carried by the default PyPI wheel of torch 2.10.0",
        "CUDA 12.8 GA is native from 570.26, any 12.x runs from 525",
        "R580 (LTS), fixes until 2028-06",
        "Python 3.12: vLLM 0.18.0 and torch 2.10.0 take >=3.10,<3.14",
    ):
        assert words in text


@pytest.mark.parametrize("row", FACTS.engines, ids=lambda row: str(row.version))
def test_every_release_of_the_matrix_resolves_to_its_own_facts(row: Any) -> None:
    outcome = resolved(engine_version=str(row.version))
    wheel = FACTS.torch(row.torch)
    assert (outcome.torch, outcome.cuda, outcome.transformers) == (str(row.torch), str(wheel.cuda), row.transformers)
    assert outcome.python_range == str(row.python)
    assert outcome.min_driver == str(FACTS.cuda(wheel.cuda).min_driver)
    assert outcome.min_compatible_driver == str(FACTS.cuda(wheel.cuda).min_driver_branch)
    assert outcome.verdict is Verdict.NATIVE


DRIVERS = ["418.40", "450.80.02", "515.65.01", "525.60.13", "535.183.01", "550.54.14", "570.26", "580.65.06", "620.10"]


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("row", FACTS.engines, ids=lambda row: str(row.version))
def test_every_release_on_every_kind_of_driver(row: Any, driver: str) -> None:
    cuda = FACTS.cuda(FACTS.torch(row.torch).cuda)
    numbers = tuple(int(number) for number in f"{driver}.0".split(".")[:3])
    stack = make_stack(engine_version=str(row.version), driver=driver)
    outcome = resolve(stack, FACTS, CATALOG)
    if numbers[0] < cuda.min_driver_branch:
        assert isinstance(outcome, Conflict)
        assert codes(outcome) == {Code.DRIVER}
    else:
        assert isinstance(outcome, Resolved)
        native = numbers >= cuda.min_driver.parts
        assert outcome.verdict is (Verdict.NATIVE if native else Verdict.MINOR_COMPATIBILITY)


@pytest.mark.parametrize(
    ("cuda", "driver", "verdict"),
    [
        ("12.4", "550.54.14", Verdict.NATIVE),
        ("12.4.1", "550.54.14", Verdict.MINOR_COMPATIBILITY),
        ("12.4.1", "550.54.15", Verdict.NATIVE),
        ("12.8", "570.26", Verdict.NATIVE),
        ("cu128", "570.25", Verdict.MINOR_COMPATIBILITY),
        ("12.8.1", "570.26", Verdict.MINOR_COMPATIBILITY),
        ("13.0", "580.65.06", Verdict.NATIVE),
        ("13.0.2", "580.65.06", Verdict.MINOR_COMPATIBILITY),
        ("cu130", "580", Verdict.MINOR_COMPATIBILITY),
    ],
)
def test_native_begins_with_the_driver_of_that_cuda_update(cuda: str, driver: str, verdict: Verdict) -> None:
    assert resolved(cuda=cuda, driver=driver).verdict is verdict


@pytest.mark.parametrize(
    ("driver", "engine", "wheel"),
    [("525.60.13", "0.18.0", "cu128"), ("535.183", "0.18.0", "cu128"), ("580.95.05", "0.33.0", "cu130")],
)
def test_the_driver_decides_the_newest_engine(driver: str, engine: str, wheel: str) -> None:
    outcome = resolved("7B", "A10G", driver=driver)
    assert (outcome.engine_version, outcome.wheel) == (engine, wheel)


def test_535_183_serves_a_distill_by_minor_compatibility_and_says_what_that_excludes() -> None:
    outcome = resolved("7B", "A10G", driver="535.183")
    assert outcome.verdict is Verdict.MINOR_COMPATIBILITY
    assert "no PTX compiled at run time, no GPU newer than the driver" in outcome.warnings[0]
    assert "R535 reached its end of life in 2026-06" in outcome.warnings[1]
    assert "R580 (LTS, to 2028-06)" in outcome.warnings[1]


@pytest.mark.parametrize(
    ("python", "engine"),
    [("3.8", "0.6.2"), ("3.9", "0.11.0"), ("3.10", "0.29.0"), ("3.11", "0.33.0"), ("3.14.2", "0.33.0")],
)
def test_the_python_decides_the_newest_engine(python: str, engine: str) -> None:
    assert resolved(python=python).engine_version == engine


@pytest.mark.parametrize(
    ("torch", "engine"),
    [("2.4", "0.6.2"), ("2.5.1", "0.7.3"), ("2.6", "0.8.5"), ("2.8.0", "0.11.0"), ("2.11", "0.25.0")],
)
def test_the_torch_decides_the_newest_engine(torch: str, engine: str) -> None:
    assert resolved(torch=torch).engine_version == engine


@pytest.mark.parametrize(
    ("gpu", "engine", "dtype"),
    [
        ("V100-32", "0.18.0", "float16"),
        ("T4", "0.33.0", "float16"),
        ("A100-80", "0.33.0", "bfloat16"),
        ("B300", "0.33.0", "bfloat16"),
    ],
)
def test_the_gpu_decides_the_newest_engine_and_its_16_bit_type(gpu: str, engine: str, dtype: str) -> None:
    outcome = resolved("7B", gpu)
    assert (outcome.engine_version, outcome.dtype) == (engine, dtype)


def test_a_gpu_below_8_0_is_told_that_bf16_does_not_run() -> None:
    assert "bf16 needs 8.0; quantisations that run: fp16" in resolved("7B", "T4").warnings[0]
    assert "no bf16 (compute capability 8.0)" in resolved(gpu="T4").warnings[0]


def test_fp8_weights_on_an_a100_are_a_warning_because_copies_run() -> None:
    assert "does not run as published" in resolved("R1", "A100-80").warnings[0]


def test_volta_gets_the_last_branch_that_supports_it() -> None:
    outcome = resolved("7B", "V100-32", driver="535.183")
    assert outcome.driver_branch == "R580"
    assert not any("R620" in warning for warning in outcome.warnings)


@pytest.mark.parametrize(
    ("today", "branch"),
    [(None, "R580"), (date(2028, 6, 30), "R580"), (date(2028, 7, 1), "R620"), (date(2031, 1, 1), "R580")],
)
def test_recommends_a_branch_that_has_not_ended_while_there_is_one(today: date | None, branch: str) -> None:
    outcome = resolve(Stack(), FACTS, CATALOG, today)
    assert isinstance(outcome, Resolved)
    assert outcome.driver_branch == branch


def test_before_its_end_of_life_the_branch_is_not_warned_of() -> None:
    outcome = resolve(Stack(driver="535.183.01"), FACTS, CATALOG, date(2026, 6, 30))
    assert isinstance(outcome, Resolved)
    assert not any("end of life" in warning for warning in outcome.warnings)


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"engine_version": "0.19.1"}, "0.19.1 is not in the matrix (between two of its releases); taken as 0.18.0"),
        ({"engine_version": "v0.28"}, "0.28.0 is not in the matrix (between two of its releases); taken as 0.25.0"),
        ({"engine_version": "0.40.0"}, "0.40.0 is not in the matrix (newer than 0.33.0, the newest there)"),
        ({"driver": "700.10.01"}, "driver branch R700 is not in the matrix"),
        ({"driver": "550.54.15"}, "driver branch R550 is not in the matrix"),
        ({"driver": "580"}, "names a branch; its first release was assumed"),
        ({"engine_version": "0.7.3", "python": "3.13"}, "later releases stopped below 3.13"),
    ],
)
def test_what_is_assumed_is_said(over: Mapping[str, str], words: str) -> None:
    assert any(words in warning for warning in resolved(**over).warnings)


def test_an_unheard_of_gpu_is_taken_as_the_generation_below_it() -> None:
    gpu = replace(CATALOG.gpu("RTX5090"), name="GB10", compute_capability=(12, 1))
    outcome = resolve(Stack(gpu=gpu), FACTS, CATALOG)
    assert isinstance(outcome, Resolved)
    assert outcome.warnings == ("compute capability 12.1 of GB10 is not in the matrix; taken as 12.0",)


def test_an_engine_older_than_the_matrix_is_refused() -> None:
    (problem,) = conflict(engine_version="0.5.4").problems
    assert problem.code is Code.ENGINE_VERSION
    assert problem.message == "vLLM 0.5.4 is older than 0.6.2, the oldest release of the matrix"


def test_535_183_and_v4_exclude_each_other_and_the_driver_is_what_to_change() -> None:
    outcome = conflict("V4-Flash", driver="535.183.01")
    (problem,) = outcome.problems
    assert problem.code is Code.DRIVER
    assert problem.message == (
        "driver 535.183.01 cannot run CUDA 13.0 of vLLM 0.20.0 (torch 2.11.0): CUDA 13.x needs branch 580 or later; "
        "DeepSeek-V4-Flash needs vLLM 0.20.0 or later"
    )
    assert problem.change == {"driver": "580.95.05"}
    assert problem.fix == "install driver 580.95.05 (branch R580, LTS, fixes until 2028-06)"
    assert problem.allowed.startswith("branch 580 or later; maintained: R580 (LTS, to 2028-06)")
    assert [set(change) for change in outcome.alternatives] == [{"model"}]


def test_535_154_02_is_refused_with_the_reason_and_what_to_use_now() -> None:
    (problem,) = conflict(driver="535.154.02").problems
    assert problem.code is Code.DRIVER
    assert problem.message == (
        "driver 535.154.02 is the vGPU 16.3 host package for hypervisors, not for machines that run CUDA "
        "(a vGPU guest takes 535.154.05); branch R535 reached its end of life in 2026-06"
    )
    assert problem.change == {"driver": "580.95.05"}
    assert resolved(driver="535.154.05").engine_version == "0.18.0"


def test_the_newest_vllm_on_a_v100_is_mended_by_an_older_one() -> None:
    outcome = conflict("7B", "V100-32", engine_version="0.33.0")
    (problem,) = outcome.problems
    assert problem.code is Code.COMPUTE_CAPABILITY
    assert problem.message == ("V100-32 has compute capability 7.0; vLLM 0.33.0 needs 7.5; CUDA 13 dropped Volta")
    assert problem.allowed == "vLLM 0.6.2 to 0.18.0, and later ones before 0.20.0"
    assert problem.change == {"engine_version": "0.18.0"}
    assert resolved("7B", "V100-32", engine_version="0.19.1").wheel == "cu128"


def test_the_seeds_recipe_agrees_with_itself_and_serves_nothing() -> None:
    outcome = conflict("R1", **SEED)
    assert outcome.summary == (
        "Python 3.8, torch 2.0 and CUDA 11.7 agree with each other, but no vLLM that serves DeepSeek-R1 takes torch "
        "2.0; 0.6.6, the first, needs torch 2.5.1, CUDA 12.4 and Python >=3.9"
    )
    assert codes(outcome) == {Code.TORCH, Code.CUDA, Code.PYTHON}
    assert outcome.change == {"torch": "2.14.0", "cuda": "13.0", "python": "3.12"}


def test_the_seeds_whole_recipe_names_the_driver_too() -> None:
    outcome = conflict("7B", "T4", driver="535.154.02", **SEED)
    assert codes(outcome) == {Code.TORCH, Code.CUDA, Code.DRIVER}
    assert "agree with each other, but no vLLM that serves" in outcome.summary
    assert "driver 535.154.02 is the vGPU 16.3 host package" in outcome.summary
    assert outcome.change == {"torch": "2.4.0", "cuda": "12.1", "driver": "580.95.05"}


@pytest.mark.parametrize("over", [{"torch": "2.0", "cuda": "12.1"}, {"torch": "2.0", "python": "3.7"}])
def test_a_recipe_that_disagrees_with_itself_is_not_said_to_agree(over: Mapping[str, str]) -> None:
    assert "agree with each other" not in conflict("R1", **over).summary


@pytest.mark.parametrize(
    ("model", "below", "floor"),
    [
        ("R1", "0.6.5", "0.6.6"),
        ("V3", "0.6.5", "0.6.6"),
        ("R1-0528-Qwen3-8B", "0.8.4", "0.8.5"),
        ("V3.2", "0.17.0", "0.18.0"),
        ("V4-Flash", "0.19.1", "0.20.0"),
        ("V4-Pro", "0.19.1", "0.20.0"),
        ("V4-Flash-0731", "0.24.0", "0.25.0"),
        ("V4-Pro-0813", "0.24.0", "0.25.0"),
    ],
)
def test_each_model_has_its_first_engine(model: str, below: str, floor: str) -> None:
    (problem,) = conflict(model, engine_version=below).problems
    assert problem.code is Code.ENGINE_VERSION
    assert f"needs vLLM {floor} or later" in problem.message
    assert resolved(model, engine_version=floor).engine_version == floor


def test_a_compressed_cache_needs_the_first_engine_of_its_family_whatever_the_model_says() -> None:
    model = replace(CATALOG.model("V4-Flash"), min_engine_version="0.6.0")
    outcome = resolve(Stack(engine_version="0.19.0", model=model), FACTS, CATALOG)
    assert isinstance(outcome, Conflict)


def test_before_0_7_1_the_latent_cache_is_stored_whole() -> None:
    assert any("full heads" in warning for warning in resolved("R1", engine_version="0.7.0").warnings)
    assert not any("full heads" in warning for warning in resolved("R1", engine_version="0.7.1").warnings)


@pytest.mark.parametrize("gpu", ["B200", "RTX5090"])
def test_blackwell_is_outside_minor_compatibility_of_older_drivers(gpu: str) -> None:
    (problem,) = conflict("7B", gpu, driver="560.35.03", engine_version="0.18.0").problems
    assert problem.code is Code.DRIVER
    assert problem.message == f"driver 560.35.03 is older than {gpu}, which needs branch 570 or later"
    assert resolved("7B", gpu, driver="570.26").engine_version == "0.18.0"


def test_blackwell_needs_cuda_12_8() -> None:
    (problem,) = conflict("7B", "B200", engine_version="0.9.2").problems
    assert problem.code is Code.CUDA
    assert problem.message == "B200 (Blackwell) needs CUDA 12.8 or later; vLLM 0.9.2 with torch 2.7.0 carries 12.6"
    assert resolved("7B", "B200", cuda="12.8").engine_version == "0.18.0"


def test_volta_has_no_driver_after_580() -> None:
    (problem,) = conflict("7B", "V100-32", driver="595.10").problems
    assert problem.message == "driver 595.10 no longer supports V100-32: branch 580 was the last for Volta"
    assert problem.allowed == "branch 525 to 580; maintained: R580 (LTS, to 2028-06)"


@pytest.mark.parametrize("gpu", ["Inferentia2", "Trainium1", "Ascend910B"])
def test_an_accelerator_without_cuda_is_refused(gpu: str) -> None:
    (problem,) = conflict("7B", gpu).problems
    assert problem.code is Code.COMPUTE_CAPABILITY
    assert "has no CUDA" in problem.message


@pytest.mark.parametrize(("model", "gpu"), [("V3.2", "RTXPRO6000-BSE"), ("V4-Flash", "A100-80"), ("V4-Flash", "T4")])
def test_a_gpu_without_a_kernel_for_any_form_of_the_model_is_refused(model: str, gpu: str) -> None:
    assert codes(conflict(model, gpu)) == {Code.COMPUTE_CAPABILITY}


@pytest.mark.parametrize(
    ("over", "code", "change"),
    [
        ({"engine_version": "0.33.0", "python": "3.10"}, Code.PYTHON, {"python": "3.12"}),
        ({"engine_version": "0.8.5", "python": "3.13"}, Code.PYTHON, {"python": "3.12"}),
        ({"engine_version": "0.18.0", "torch": "2.9.1"}, Code.TORCH, {"torch": "2.10.0"}),
        ({"engine_version": "0.9.2", "torch": "2.7.1"}, Code.TORCH, {"torch": "2.7.0"}),
        ({"engine_version": "0.33.0", "cuda": "cu128"}, Code.CUDA, {"cuda": "13.0"}),
        ({"cuda": "12.2"}, Code.CUDA, {"cuda": "13.0"}),
        ({"cuda": "13.3"}, Code.CUDA, {"cuda": "13.0"}),
        ({"torch": "2.15.0"}, Code.TORCH, {"torch": "2.14.0"}),
        ({"python": "3.7"}, Code.PYTHON, {"python": "3.12"}),
        ({"driver": "470.82.01"}, Code.DRIVER, {"driver": "580.95.05"}),
        ({"engine_version": "0.33.0", "driver": "535.183"}, Code.DRIVER, {"engine_version": "0.18.0"}),
    ],
)
def test_a_pair_that_disagrees_is_named_and_mended(
    over: Mapping[str, str], code: Code, change: Mapping[str, str]
) -> None:
    outcome = conflict(**over)
    assert codes(outcome) == {code}
    assert outcome.change == change


def test_the_other_side_of_a_pair_is_an_alternative() -> None:
    outcome = conflict(engine_version="0.33.0", driver="535.183")
    assert outcome.alternatives == ({"driver": "580.95.05"},)


def test_independent_problems_are_all_named_each_with_its_own_change() -> None:
    outcome = conflict("V4-Flash", "V100-32", driver="535.154.02", python="3.8", engine_version="0.18.0")
    by_key = {problem.key: problem for problem in outcome.problems}
    assert set(by_key) == {"gpu", "driver", "python", "engine_version"}
    assert {key: dict(problem.change) for key, problem in by_key.items()} == {
        key: {key: value} for key, value in outcome.change.items()
    }


def test_one_wrong_engine_can_break_several_rules_with_one_fix() -> None:
    outcome = conflict("7B", "V100-32", engine_version="0.33.0", driver="535.183", torch="2.5.1", python="3.9")
    assert codes(outcome) == {Code.TORCH, Code.COMPUTE_CAPABILITY, Code.DRIVER, Code.PYTHON}
    assert outcome.change == {"engine_version": "0.7.3"}


def test_a_gpu_is_replaced_by_the_nearest_in_memory_that_works() -> None:
    (problem,) = conflict("V4-Flash", "V100-32").problems
    assert problem.key == "gpu"
    assert problem.change == {"gpu": "H100-80"}
    assert "H200" in problem.allowed
    assert "A100-80" not in problem.allowed


@pytest.mark.parametrize(
    ("field", "key", "value"),
    [
        ("engine_version", "engineVersion", "latest"),
        ("engine_version", "engineVersion", "0"),
        ("engine_version", "engineVersion", "0.33.0 || true"),
        ("driver", "driver", "latest"),
        ("driver", "driver", "535.154.02.1"),
        ("driver", "driver", ""),
        ("cuda", "cuda", "13"),
        ("cuda", "cuda", "cu13"),
        ("python", "python", "3"),
        ("python", "python", ">=3.9"),
        ("torch", "torch", "2.5.1+cu124"),
        ("torch", "torch", "\u0662.\u0665"),
        ("torch", "torch", "9" * 5000 + ".1"),
        ("engine", "engine", "ollama"),
    ],
)
def test_a_malformed_version_names_its_key_and_form(field: str, key: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        resolve(make_stack(**{field: value}), FACTS, CATALOG)
    assert (caught.value.code, caught.value.key, caught.value.value) == ("SKS0207", key, value)
    assert caught.value.allowed
    assert caught.value.fix


@pytest.mark.parametrize("version", ["0.8.5.post1", "0.8.5rc1", "v0.8.5", "0.8.5+cu121", "0.8.5.dev3+g1a2b"])
def test_a_build_of_a_release_counts_as_the_release(version: str) -> None:
    assert resolved(engine_version=version).torch == "2.6.0"


def test_a_catalogue_without_an_answer_is_said() -> None:
    with pytest.raises(ConfigurationError, match="holds no GPU"):
        resolve(make_stack(gpu="Inferentia2"), FACTS, replace(CATALOG, gpus=()))


versions = st.builds("{}.{}.{}".format, st.integers(0, 3), st.integers(0, 40), st.integers(0, 3))


def part(*known: str, anything: st.SearchStrategy[str] = versions) -> st.SearchStrategy[str | None]:
    """Open, one of the matrix, or anything of the form."""
    return st.one_of(st.none(), st.sampled_from(known), anything)


LAST_BRANCHES = {one.compute_capability: one.last_driver_branch or 700 for one in FACTS.gpu_generations}


def is_driven(gpu: GpuFacts) -> bool:
    """No card needs a branch later than the last that drives its generation."""
    known = [one for one in LAST_BRANCHES if one <= (gpu.compute_capability or (99, 0))]
    last = LAST_BRANCHES[max(known)] if known else 700
    return gpu.min_driver_branch is None or gpu.min_driver_branch <= last


odd_gpus = st.builds(
    lambda gpu, capability, branch: replace(gpu, compute_capability=capability, min_driver_branch=branch),
    st.sampled_from(CATALOG.gpus),
    st.one_of(st.none(), st.tuples(st.integers(0, 14), st.integers(0, 9))),
    st.one_of(st.none(), st.integers(300, 700)),
).filter(is_driven)
odd_models = st.builds(
    lambda model, floor: replace(model, min_engine_version=floor),
    st.sampled_from(CATALOG.models),
    st.builds("0.{}.{}".format, st.integers(0, 40), st.integers(0, 3)),
)
stacks = st.builds(
    Stack,
    engine_version=part(*(str(row.version) for row in FACTS.engines)),
    driver=part(
        *DRIVERS,
        "535.154.02",
        "535",
        anything=st.builds("{}.{}.{:02}".format, st.integers(300, 700), st.integers(0, 300), st.integers(0, 20)),
    ),
    cuda=part("11.7", "12.1", "12.4", "12.4.1", "cu126", "12.8", "13.0", "13.0.2", "13.3"),
    python=part("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15"),
    torch=part(*(str(row.torch) for row in FACTS.engines), "2.0", "2.5", "2.14.1"),
    gpu=st.one_of(st.none(), st.sampled_from(CATALOG.gpus), odd_gpus),
    model=st.one_of(st.none(), st.sampled_from(CATALOG.models), odd_models),
)
KEYS = [field.name for field in fields(Stack) if field.name != "engine"]
few = settings(deadline=None, max_examples=150)


@few
@given(stacks)
def test_every_change_works_and_every_key_of_it_has_a_problem(stack: Stack) -> None:
    outcome = resolve(stack, FACTS, CATALOG)
    if isinstance(outcome, Resolved):
        return
    assert isinstance(resolve(changed(stack, outcome.change, CATALOG), FACTS, CATALOG), Resolved)
    assert {problem.key for problem in outcome.problems} == set(outcome.change)
    for problem in outcome.problems:
        assert problem.change == {problem.key: outcome.change[problem.key]}
        assert problem.change[problem.key] in problem.fix
        assert problem.allowed
        assert problem.message in outcome.summary or "no vLLM" in outcome.summary
    for change in outcome.alternatives:
        assert isinstance(resolve(changed(stack, change, CATALOG), FACTS, CATALOG), Resolved)


@few
@given(stacks)
def test_no_part_of_a_change_can_be_left_out(stack: Stack) -> None:
    outcome = resolve(stack, FACTS, CATALOG)
    if isinstance(outcome, Resolved):
        return
    for key in outcome.change:
        others: dict[str, Any] = {other: None for other in outcome.change if other != key}
        assert isinstance(resolve(replace(stack, **others), FACTS, CATALOG), Conflict)


@few
@given(stacks)
def test_a_choice_keeps_what_was_fixed_and_holds_when_all_of_it_is_fixed(stack: Stack) -> None:
    outcome = resolve(stack, FACTS, CATALOG)
    if isinstance(outcome, Conflict):
        return
    assert (outcome.gpu, outcome.model) == (stack.gpu, stack.model)
    for key in ("driver", "python"):
        assert getattr(stack, key) in (None, getattr(outcome, key))
    assert stack.torch is None or outcome.torch.startswith(stack.torch)
    again = resolve(outcome.stack, FACTS, CATALOG)
    assert isinstance(again, Resolved)
    assert again.stack == outcome.stack
    assert again.verdict is outcome.verdict


@few
@given(stacks, st.sampled_from(KEYS))
def test_lifting_a_constraint_never_makes_a_conflict(stack: Stack, key: str) -> None:
    if isinstance(resolve(stack, FACTS, CATALOG), Resolved):
        lifted: dict[str, Any] = {key: None}
        assert isinstance(resolve(replace(stack, **lifted), FACTS, CATALOG), Resolved)


@few
@given(
    st.fixed_dictionaries({}, optional={key: st.text(max_size=12) for key in ("engine_version", "driver", "cuda")}),
    st.fixed_dictionaries({}, optional={key: st.text(max_size=12) for key in ("python", "torch", "engine")}),
)
def test_any_text_is_answered_or_refused_as_configuration(one: dict[str, str], other: dict[str, str]) -> None:
    try:
        outcome = resolve(make_stack(**one, **other), FACTS, CATALOG)
    except ConfigurationError as error:
        assert error.code == "SKS0207"
        return
    except ConfigurationErrors as errors:
        assert {error.code for error in errors.errors} == {"SKS0207"}
        return
    assert isinstance(outcome, Resolved | Conflict)


@few
@given(st.sampled_from(CATALOG.models), st.sampled_from(CATALOG.gpus), st.integers(450, 640), st.integers(450, 640))
def test_a_newer_driver_never_gets_an_older_engine(model: ModelFacts, gpu: GpuFacts, one: int, other: int) -> None:
    older, newer = (
        resolve(Stack(model=model, gpu=gpu, driver=f"{branch}.10"), FACTS, CATALOG) for branch in sorted((one, other))
    )
    if isinstance(older, Resolved) and isinstance(newer, Resolved):
        numbers = [tuple(map(int, each.engine_version.split("."))) for each in (older, newer)]
        assert numbers[0] <= numbers[1]
    if isinstance(older, Resolved) and gpu.compute_capability != (7, 0):
        assert isinstance(newer, Resolved)


def test_every_model_on_every_gpu_is_answered() -> None:
    for model in CATALOG.models:
        for gpu in CATALOG.gpus:
            outcome = resolve(Stack(model=model, gpu=gpu), FACTS, CATALOG)
            assert isinstance(outcome, Conflict) or outcome.engine_version >= "0.18"


@pytest.mark.parametrize(("usual", "chosen"), [("3.6", "3.11"), ("3.12", "3.12"), ("3.16", "3.14")])
def test_an_open_python_is_the_usual_one_or_the_nearest_that_is_allowed(usual: str, chosen: str) -> None:
    outcome = resolve(Stack(), replace(FACTS, python_default=Version.of(usual)), CATALOG)
    assert isinstance(outcome, Resolved)
    assert outcome.python == chosen


def test_a_model_is_replaced_by_the_nearest_in_size_that_works() -> None:
    catalog = replace(CATALOG, gpus=(CATALOG.gpu("A100-80"),))
    outcome = resolve(make_stack("V4-Flash", "A100-80"), FACTS, catalog)
    assert isinstance(outcome, Conflict)
    assert outcome.change == {"model": "DeepSeek-V2"}
    assert "DeepSeek-R1" in outcome.problems[0].allowed
