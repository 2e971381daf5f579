"""What holds on every engine: more context never needs less, a larger GPU never refuses for memory, nothing crashes."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from infra.catalog.facts import GpuFacts, ModelFacts, QuantizationFacts
from infra.catalog.load import load
from infra.sizing import budgets, layout, weights
from infra.sizing.engine import Engine, Family
from infra.sizing.fit import Fit, Workload, fit
from infra.sizing.refusal import Reason

CATALOG = load()
MEMORY_REASONS = {Reason.WEIGHTS, Reason.KV_CACHE, Reason.GRAPH_RESERVE}

models, gpus = st.sampled_from(CATALOG.models), st.sampled_from(CATALOG.gpus)
quantizations = st.sampled_from(CATALOG.quantizations)
layouts = st.tuples(st.sampled_from([1, 2, 4, 8]), st.sampled_from([1, 2, 4]), st.sampled_from([1, 2, 8]))
releases = st.sampled_from(["0.5.1", "0.7.0", "0.7.3", "0.8.5", "0.11.0", "0.19.0", "0.26.0", "0.33.0"])
engines = st.builds(Engine.read, st.sampled_from(Family), releases, st.sampled_from(["NVIDIA", "AMD", "AWS", "Intel"]))
contexts, shares = st.integers(16, 200_000), st.floats(0.3, 1.0)
kv_dtypes = st.sampled_from(["auto", "bf16", "fp8", "fp8_ds_mla", "q4_0", "?"])


@settings(deadline=None)
@given(models, quantizations, gpus, layouts, engines, contexts, shares, kv_dtypes, st.booleans())
def test_no_combination_crashes(
    model: ModelFacts,
    quantization: QuantizationFacts,
    gpu: GpuFacts,
    sizes: tuple[int, int, int],
    engine: Engine,
    context: int,
    share: float,
    kv_dtype: str,
    reproduce: bool,
) -> None:
    tensor, stages, replicas = sizes
    work = Workload(context, 1, share, engine, kv_dtype, reproduce)
    outcome = fit(model, quantization, gpu, tensor, work, pipeline_parallel=stages, data_parallel=replicas)
    if isinstance(outcome, Fit):
        budget = outcome.budget
        assert outcome.kv_tokens >= context
        assert budget.weights_bytes + budget.non_torch_bytes + budget.kv_cache_bytes <= budget.usable_bytes
    else:
        assert outcome.message
        assert outcome.key


@settings(deadline=None)
@given(models, quantizations, gpus, layouts, engines, contexts, st.integers(0, 50_000), shares)
def test_more_context_never_needs_less_on_any_engine(
    model: ModelFacts,
    quantization: QuantizationFacts,
    gpu: GpuFacts,
    sizes: tuple[int, int, int],
    engine: Engine,
    context: int,
    more: int,
    share: float,
) -> None:
    tensor, stages, replicas = sizes
    short, long = (
        fit(
            model,
            quantization,
            gpu,
            tensor,
            Workload(size, 1, share, engine),
            pipeline_parallel=stages,
            data_parallel=replicas,
        )
        for size in (context, context + more)
    )
    assert isinstance(short, Fit) or not isinstance(long, Fit)


@settings(deadline=None)
@given(models, quantizations, gpus, layouts, engines, contexts, st.integers(0, 200 * 2**30), shares, st.booleans())
def test_a_bigger_gpu_of_the_same_kind_never_refuses_for_memory(
    model: ModelFacts,
    quantization: QuantizationFacts,
    gpu: GpuFacts,
    sizes: tuple[int, int, int],
    engine: Engine,
    context: int,
    extra: int,
    share: float,
    reproduce: bool,
) -> None:
    tensor, stages, replicas = sizes
    work = Workload(context, 1, share, engine, reproduce=reproduce)
    small, large = (
        fit(model, quantization, one, tensor, work, pipeline_parallel=stages, data_parallel=replicas)
        for one in (gpu, replace(gpu, usable_bytes=gpu.usable_bytes + extra))
    )
    if isinstance(small, Fit):
        assert isinstance(large, Fit) or large.reason not in MEMORY_REASONS


@settings(deadline=None)
@given(models, quantizations, layouts, engines, gpus)
def test_weights_never_grow_with_ranks_stages_or_replicas(
    model: ModelFacts, quantization: QuantizationFacts, sizes: tuple[int, int, int], engine: Engine, gpu: GpuFacts
) -> None:
    tensor, stages, replicas = sizes

    def held(tensor: int, stages: int, replicas: int) -> int:
        return weights.gpu_weights_bytes(
            model,
            quantization,
            tensor,
            pipeline_parallel=stages,
            data_parallel=replicas,
            engine=engine,
            gpu=gpu,
        )

    one, many = held(1, 1, 1), held(tensor, stages, replicas)
    assert one / (tensor * stages * replicas) * 0.99 <= many <= one


@settings(deadline=None)
@given(models, quantizations, st.integers(1, 64), st.integers(1, 8))
def test_a_spread_uses_every_gpu_and_keeps_the_rules(
    model: ModelFacts, quantization: QuantizationFacts, each: int, nodes: int
) -> None:
    ranks, stages = layout.spread(model, quantization, each * nodes, nodes)
    assert ranks * stages == each * nodes
    assert layout.check_tensor_parallel(model, quantization, ranks) is None


@given(engines, gpus, st.sampled_from([1, 2, 8, 32]))
def test_every_engine_has_a_default_share_of_the_gpu(engine: Engine, gpu: GpuFacts, ranks: int) -> None:
    assert 0.2 < budgets.default_utilization(engine, gpu, ranks) <= 1
