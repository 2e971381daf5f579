"""What is chosen for SGLang and llama.cpp equals trying every machine; a larger workload never takes less."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.catalog.facts import Attention, CpuInstanceFacts, GpuFacts, ModelFacts, QuantizationFacts
from infra.catalog.load import cpu_instances
from infra.errors import ConfigurationError
from infra.sizing import budgets, storage, weights
from infra.sizing.cpu import as_accelerator
from infra.sizing.engine import NEWEST_OF, SERVING, Engine, Family
from infra.sizing.fit import Fit, Workload, fit
from infra.sizing.formats import format_named
from infra.sizing.plan import PlanRequest, plan
from infra.sizing.refusal import Refusal
from tests.unit.sizing.support_plan import CATALOG

MODELS = ("1.5B", "7B", "32B", "70B", "V2-Lite", "R1")
CONTEXTS = (2048, 32_768, 131_072)
KINDS = {Family.SGLANG: ("bf16", "fp8", "awq", "q4_k_m"), Family.LLAMA_CPP: ("bf16", "q8_0", "q4_k_m", "iq2_xxs")}
ENGINES = {family: Engine(version, family) for family, version in NEWEST_OF.items()}


def priced() -> tuple[CpuInstanceFacts, ...]:
    """The types without accelerator at 4 cents a vCPU, so that some are cheaper than any GPU and some are not."""
    return tuple(
        replace(one, usd_per_hour=0.04 * one.vcpus, price_date="2026-11-24", offered_in=("us-east-1",))
        for one in cpu_instances()
    )


PROCESSORS = priced()


def fits_on(
    model: ModelFacts, stored: QuantizationFacts, gpu: GpuFacts, gpus: int, family: Family, context: int
) -> bool:
    """Whether any number of those GPUs serves it: stages for llama.cpp, tensor ranks for SGLang."""
    engine = ENGINES[family]
    for count in range(1, gpus + 1):
        ranks, stages = (1, count) if family is Family.LLAMA_CPP else (count, 1)
        utilization = budgets.default_utilization(engine, gpu, count)
        workload = Workload(context, 1, utilization, engine)
        if isinstance(fit(model, stored, gpu, ranks, workload, pipeline_parallel=stages), Fit):
            return True
    return False


def cheapest(model: ModelFacts, stored: QuantizationFacts, family: Family, context: int) -> float | None:
    """The lowest price of all machines tried one by one; the host's memory is counted as the plan counts it."""
    prices: list[float] = []
    files = weights.checkpoint_bytes(model, stored)
    for one in CATALOG.instances:
        if one.usd_per_hour is None or (one.cpu_architecture != "x86_64" and family is Family.SGLANG):
            continue
        if storage.check_host(one.instance_type, files, 1, one.host_memory_bytes):
            continue
        if fits_on(model, stored, CATALOG.gpu(one.gpu), one.gpus, family, context):
            prices.append(one.usd_per_hour)
    processors = PROCESSORS if family is Family.LLAMA_CPP else ()
    prices += [
        processor.usd_per_hour or 0.0
        for processor in processors
        if fits_on(model, stored, as_accelerator(processor), 1, family, context)
    ]
    return min(prices, default=None)


@pytest.mark.parametrize("family", [Family.SGLANG, Family.LLAMA_CPP])
@pytest.mark.parametrize("name", MODELS)
def test_cheapest_equals_brute_force(family: Family, name: str) -> None:
    model = CATALOG.model(name)
    for context, kind in itertools.product(CONTEXTS, KINDS[family]):
        expected = cheapest(model, format_named(kind, model, CATALOG, family), family, context)
        request = PlanRequest(name, engine=family, quantization=kind, context_tokens=context)
        try:
            outcome = plan(request, CATALOG, processors=PROCESSORS)
        except Refusal:
            assert expected is None, (context, kind)
            continue
        assert outcome.usd_per_hour == expected, (context, kind)


def test_a_processor_is_chosen_for_a_small_model_and_a_gpu_for_a_large_one() -> None:
    small, large = (
        plan(PlanRequest(name, engine=Family.LLAMA_CPP, quantization="q8_0"), CATALOG, processors=PROCESSORS)
        for name in ("1.5B", "R1")
    )
    assert (small.gpus, large.gpus > 0) == (0, True)


families = st.sampled_from(SERVING)
machines = st.sampled_from([*CATALOG.gpus, *(as_accelerator(one) for one in cpu_instances())])
kinds = st.sampled_from(("bf16", "fp16", "fp8", "awq", "q8_0", "q4_k_m"))
counts = st.sampled_from((1, 2, 4, 8))


def sized(model: ModelFacts, kind: str, gpu: GpuFacts, count: int, family: Family, context: int, users: int) -> Any:
    engine = ENGINES[family]
    ranks, stages = (1, count) if family is Family.LLAMA_CPP else (count, 1)
    utilization = budgets.planned_utilization(None, engine, gpu, count)
    stored = format_named(kind, model, CATALOG, family)
    return fit(model, stored, gpu, ranks, Workload(context, users, utilization, engine), pipeline_parallel=stages)


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from(CATALOG.models), kinds, machines, counts, families,
    st.integers(16, 100_000), st.integers(1, 32), st.integers(0, 40_000), st.integers(0, 8),
)  # fmt: skip
def test_more_context_or_more_requests_never_need_less(
    model: ModelFacts, kind: str, gpu: GpuFacts, count: int, family: Family,
    context: int, users: int, more_context: int, more_users: int,
) -> None:  # fmt: skip
    larger = sized(model, kind, gpu, count, family, context + more_context, users + more_users)
    if not isinstance(larger, Fit):
        return
    smaller = sized(model, kind, gpu, count, family, context, users)
    assert isinstance(smaller, Fit)
    if model.attention is not Attention.COMPRESSED:  # whose figure is requests of full length times that length
        assert larger.kv_tokens <= smaller.kv_tokens
    needed = (context + more_context) * (users + more_users)
    assert larger.kv_tokens >= needed


@settings(deadline=None, max_examples=60)
@given(
    families,
    st.sampled_from([one.instance_type for one in (*CATALOG.instances, *cpu_instances())]),
    st.sampled_from(CATALOG.models),
    st.sampled_from((None, "bf16", "q4_k_m", "fp8")),
)
def test_no_type_breaks_a_plan(family: Family, instance: str, model: ModelFacts, quantization: str | None) -> None:
    """Fractional GPUs, arm64, Neuron and types without GPU answer with a plan or with a reason."""
    request = PlanRequest(
        model.id, engine=family, instance_type=instance, quantization=quantization, context_tokens=2048
    )
    try:
        outcome = plan(request, CATALOG)
    except Refusal as error:
        assert error.reason
    except ConfigurationError as error:
        assert error.code == "SKS0203"
    else:
        assert outcome.where == instance
