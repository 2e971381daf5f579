"""What must hold for every model, GPU and workload."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from infra.catalog.facts import Attention, GpuFacts, ModelFacts, QuantizationFacts
from infra.catalog.load import load
from infra.sizing import kv_cache, layout, memory, storage, weights
from infra.sizing.engine import Engine
from infra.sizing.fit import Fit, Workload, fit
from infra.sizing.refusal import Miss, Reason
from infra.units import gib

CATALOG = load()
MEMORY_REASONS = {Reason.WEIGHTS, Reason.KV_CACHE}

models = st.sampled_from([model for model in CATALOG.models if model.attention is not Attention.COMPRESSED])
all_models = st.sampled_from(CATALOG.models)
gpus = st.sampled_from(CATALOG.gpus)
quantizations = st.sampled_from(CATALOG.quantizations)
ranks = st.sampled_from([1, 2, 4, 8])
engines = st.sampled_from([Engine.parse(text) for text in ("0.6.6", "0.7.3", "0.12.0", "0.33.0")])
workloads = st.builds(Workload, st.integers(16, 163_840), st.integers(1, 64), st.floats(0.5, 0.99), engines)


@settings(deadline=None)
@given(all_models, quantizations, gpus, ranks, workloads)
def test_parts_never_exceed_what_the_gpu_has(
    model: ModelFacts, quantization: QuantizationFacts, gpu: GpuFacts, tp: int, workload: Workload
) -> None:
    outcome = fit(model, quantization, gpu, tp, workload)
    if isinstance(outcome, Fit):
        budget = outcome.budget
        parts = (
            budget.weights_bytes,
            budget.non_torch_bytes,
            budget.activation_bytes,
            budget.cuda_graphs_bytes,
            budget.kv_cache_bytes,
        )
        assert all(part > 0 for part in parts)
        assert sum(parts) <= budget.usable_bytes
        assert outcome.kv_tokens * outcome.kv_bytes_per_token <= budget.kv_cache_bytes
        assert workload.context_tokens <= outcome.max_context


@settings(deadline=None)
@given(models, quantizations, gpus, ranks, workloads, st.integers(0, 40_000), st.integers(0, 8))
def test_a_larger_workload_never_fits_where_a_smaller_one_does_not(
    model: ModelFacts,
    quantization: QuantizationFacts,
    gpu: GpuFacts,
    tp: int,
    workload: Workload,
    more_context: int,
    more_requests: int,
) -> None:
    larger = replace(
        workload,
        context_tokens=workload.context_tokens + more_context,
        concurrency=workload.concurrency + more_requests,
    )
    small, large = fit(model, quantization, gpu, tp, workload), fit(model, quantization, gpu, tp, larger)
    if isinstance(large, Fit):
        assert isinstance(small, Fit)
        assert small.kv_tokens >= large.kv_tokens


@settings(deadline=None)
@given(models, quantizations, gpus, ranks, workloads, st.integers(1, 200 * 2**30))
def test_more_memory_never_turns_a_fit_into_a_refusal(
    model: ModelFacts, quantization: QuantizationFacts, gpu: GpuFacts, tp: int, workload: Workload, extra: int
) -> None:
    small = fit(model, quantization, gpu, tp, workload)
    large = fit(model, quantization, replace(gpu, usable_bytes=gpu.usable_bytes + extra), tp, workload)
    if isinstance(small, Fit):
        assert isinstance(large, Fit)
        assert large.kv_tokens >= small.kv_tokens


@settings(deadline=None)
@given(models, quantizations, workloads, ranks, st.integers(gib(8), gib(300)), st.integers(0, gib(8)))
def test_cache_grows_with_the_gpu_for_every_size(
    model: ModelFacts, quantization: QuantizationFacts, workload: Workload, tp: int, usable: int, extra: int
) -> None:
    def cache(size: int) -> int:
        return memory.divide(
            model,
            replace(CATALOG.gpu("H200"), usable_bytes=size),
            workload.engine,
            weights_bytes=weights.gpu_weights_bytes(model, quantization, tp),
            tensor_parallel=tp,
            utilization=workload.utilization,
            context_tokens=workload.context_tokens,
        ).kv_cache_bytes

    assert cache(usable) <= cache(usable + extra)


@settings(deadline=None)
@given(all_models, quantizations, gpus, st.integers(1, 64), workloads)
def test_nothing_in_the_catalogue_makes_it_crash(
    model: ModelFacts, quantization: QuantizationFacts, gpu: GpuFacts, tp: int, workload: Workload
) -> None:
    outcome = fit(model, quantization, gpu, tp, workload)
    assert isinstance(outcome, Fit) or outcome.message


@settings(deadline=None)
@given(models, quantizations, ranks)
def test_more_ranks_never_hold_more_weights_each(model: ModelFacts, quantization: QuantizationFacts, tp: int) -> None:
    one, many = (weights.gpu_weights_bytes(model, quantization, n) for n in (1, tp))
    assert one / tp <= many <= one


@settings(deadline=None)
@given(models, st.sampled_from([1, 2, 4, 8, 16]), engines)
def test_cache_of_all_ranks_together_is_at_least_that_of_one(model: ModelFacts, tp: int, engine: Engine) -> None:
    one, many = (kv_cache.bytes_per_token(model, n, engine) for n in (1, tp))
    assert many <= one <= many * tp


@settings(deadline=None)
@given(all_models, quantizations, st.integers(1, 16))
def test_every_split_offered_passes_the_rules(model: ModelFacts, quantization: QuantizationFacts, count: int) -> None:
    sizes = layout.splits(model, quantization, count)
    assert sizes[0] == 1
    assert all(layout.check_tensor_parallel(model, quantization, n) is None for n in sizes)


@settings(deadline=None)
@given(st.integers(0, 10**13), st.integers(1, 10**6), st.sampled_from([16, 64]))
def test_capacity_is_whole_blocks_and_never_above_the_room(room: int, token: int, block: int) -> None:
    tokens = kv_cache.capacity_tokens(room, token, block)
    assert tokens % block == 0
    assert tokens * token <= room < (tokens + block) * token


@settings(deadline=None)
@given(st.integers(1, 10**12), st.integers(10, 3600), st.one_of(st.none(), st.floats(80, 12_000)))
def test_volume_rules_of_gp3_hold_for_every_size(size: int, target: int, ebs: float | None) -> None:
    store = storage.volume(size, target, ebs)
    assert store.size_gib * 2**30 >= size
    assert 125 <= store.throughput_mib_per_second <= 2000
    assert 3000 <= store.iops <= 500 * store.size_gib
    assert storage.load_seconds(size, store, ebs) >= 1
    assert storage.startup_budget_seconds(storage.load_seconds(size, store, ebs)) % 30 == 0


@settings(deadline=None)
@given(models, gpus, ranks, workloads)
def test_a_refusal_for_memory_says_how_much_is_missing(
    model: ModelFacts, gpu: GpuFacts, tp: int, workload: Workload
) -> None:
    outcome = fit(model, CATALOG.quantization(model.native_dtype), gpu, tp, workload)
    if isinstance(outcome, Miss) and outcome.reason in MEMORY_REASONS:
        assert any(word in outcome.message for word in ("GiB", "tokens"))
