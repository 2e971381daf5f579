"""Budgets of each engine and release: defaults, what changed with a version, and what the others divide differently."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infra.catalog.load import load
from infra.sizing import budgets, memory, weights
from infra.sizing.engine import Engine, Family, Generation
from infra.sizing.fit import Fit, Workload, fit
from infra.sizing.refusal import Miss, Reason
from infra.units import gib, to_gib

CATALOG = load()
EIGHT, R1 = CATALOG.model("8B"), CATALOG.model("R1")
H100, H200 = CATALOG.gpu("H100"), CATALOG.gpu("H200")


def workload(engine: Engine, context: int = 8192, utilization: float = 0.9, **over: object) -> Workload:
    return replace(Workload(context, 1, utilization, engine, reproduce=True), **over)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "version", "generation"),
    [
        ("0.25-0.26 (V1)", (0, 26, 0), Generation.V1),
        ("0.7.4dev (V0)", (0, 7, 4), Generation.V0),
        ("0.8 (V0)", (0, 8, 0), Generation.V0),
        ("0.8 (V1)", (0, 8, 0), Generation.V1),
        ("0.7.0 (no MLA)", (0, 7, 0), Generation.V0),
        ("0.6 neuron", (0, 6, 0), Generation.V0),
        ("v0.5.12.post1", (0, 5, 12), Generation.V0),
        ("CPU backend", (0, 33, 0), Generation.V1),
        ("2026-07", (0, 33, 0), Generation.V1),
        ("", (0, 33, 0), Generation.V1),
    ],
)
def test_reads_the_releases_that_logs_and_issues_name(
    text: str, version: tuple[int, int, int], generation: Generation
) -> None:
    engine = Engine.read(Family.VLLM, text)
    assert (engine.version, engine.generation) == (version, generation)


@pytest.mark.parametrize(("text", "utilization"), [("0.6.6", 0.90), ("0.19.0", 0.90), ("0.25.0", 0.92)])
def test_default_utilization_of_vllm_rose_with_its_releases(text: str, utilization: float) -> None:
    assert budgets.default_utilization(Engine.parse(text), H100, 1) == utilization


def test_sglang_keeps_room_for_its_prefill_chunk_and_its_graphs() -> None:
    sglang = Engine.read(Family.SGLANG, "")
    fractions = [budgets.default_utilization(sglang, CATALOG.gpu(name), 8) for name in ("L4", "L40S", "H100", "H200")]
    assert fractions == pytest.approx([0.79, 0.83, 0.82, 0.90], abs=0.02)


def test_sglang_refuses_v4_pro_at_the_fraction_that_the_issue_names() -> None:
    """InferenceX 2128: refused at 0.88; the smallest fraction accepted is 0.9113."""
    sglang = Engine.read(Family.SGLANG, "2026-07")
    v4, native = CATALOG.model("V4-Pro"), CATALOG.quantization("fp4_fp8")
    low, high = (fit(v4, native, H200, 8, workload(sglang, 8192, fraction)) for fraction in (0.88, 0.93))
    assert isinstance(low, Miss)
    assert low.reason is Reason.WEIGHTS
    assert isinstance(high, Fit)


def test_lmdeploy_refuses_v3_on_eight_h800_and_takes_eight_h20() -> None:
    lmdeploy = Engine.read(Family.LMDEPLOY, "")
    v3, fp8 = CATALOG.model("V3"), CATALOG.quantization("fp8")
    share = budgets.default_utilization(lmdeploy, H100, 8)
    assert isinstance(fit(v3, fp8, CATALOG.gpu("H800"), 8, workload(lmdeploy, 8192, share)), Miss)
    assert isinstance(fit(v3, fp8, CATALOG.gpu("H20-96"), 8, workload(lmdeploy, 8192, share)), Fit)


@pytest.mark.parametrize(
    ("gpu", "context"), [("RTX5060Ti-16", 4096), ("RTX4090", 32_768), ("L40S", 32_768), ("H100", 131_072)]
)
def test_ollama_takes_a_context_by_the_size_of_the_gpu(gpu: str, context: int) -> None:
    ollama = Engine.read(Family.OLLAMA, "")
    assert budgets.default_context(ollama, CATALOG.gpu(gpu), CATALOG.model("32B")) == context


def test_other_engines_insist_on_less() -> None:
    assert budgets.default_context(Engine.read(Family.LLAMA_CPP, ""), H100, EIGHT) == 4096
    assert budgets.default_context(Engine.read(Family.SGLANG, ""), H100, EIGHT) is None
    assert budgets.default_context(Engine.parse("0.33.0"), H100, EIGHT) == 131_072


@pytest.mark.parametrize(
    ("context", "gib_measured"),
    [(8192, 1.19), (20_000, 2.07)],
)
def test_v0_profiles_the_whole_context_up_to_32_thousand_tokens(context: int, gib_measured: float) -> None:
    """1.19 GiB is the sampler (8B on H100); 2.07 the prefill of 20,000 tokens (vLLM 10517)."""
    ours = memory.activation_bytes(EIGHT, H100, Engine.parse("0.6.6"), tensor_parallel=1, context_tokens=context)
    assert to_gib(ours) == pytest.approx(gib_measured, abs=0.02)


def test_v0_prefills_in_chunks_above_32_thousand_tokens_and_planning_does_not_count_on_it() -> None:
    chunked, planned = (
        memory.activation_bytes(
            EIGHT, H100, Engine.parse("0.7.3"), tensor_parallel=1, context_tokens=100_000, chunked=chunked
        )
        for chunked in (True, False)
    )
    assert to_gib(chunked) == pytest.approx(1.19, abs=0.02)
    assert to_gib(planned) == pytest.approx(3.38, abs=0.02)


def test_only_the_rank_that_samples_holds_the_samplers_peak_in_v0() -> None:
    """14B on 2x 4090: one rank reported 8.69 GiB of cache, the other 7.46 (vLLM 13061)."""
    fourteen, rtx = CATALOG.model("14B"), CATALOG.gpu("RTX4090")
    driver, worker = (
        memory.divide(
            fourteen,
            rtx,
            Engine.parse("0.7.2"),
            weights_bytes=gib(13.95),
            tensor_parallel=2,
            utilization=0.98,
            context_tokens=131_072,
            chunked=True,
            driver=driver,
            graphs_bytes=0,
        ).kv_cache_bytes
        for driver in (True, False)
    )
    assert to_gib(driver) == pytest.approx(7.46, abs=0.05)
    assert to_gib(worker) == pytest.approx(8.69, abs=0.06)


@pytest.mark.parametrize(
    ("gpu", "ranks", "release", "gib_measured"),
    [
        ("H100", 1, "0.11.0", 0.15),
        ("H100", 2, "0.11.0", 0.55),
        ("A100-40", 8, "0.7.1", 2.1),
        ("RTX3090", 16, "0.8.0", 0.25),
        ("L40S", 2, "0.7.0", 0.25),
        ("H100", 1, "0.19.0", 0.25),
        ("H100", 4, "0.19.0", 2.1),
        ("Trainium1", 32, "0.6.5", 0.25),
    ],
)
def test_communication_buffers_follow_the_link_and_the_release(
    gpu: str, ranks: int, release: str, gib_measured: float
) -> None:
    assert to_gib(memory.non_torch_bytes(ranks, CATALOG.gpu(gpu), Engine.parse(release))) == pytest.approx(gib_measured)


def test_every_a100_profiles_as_a_small_gpu() -> None:
    v1 = Engine.parse("0.11.0")
    assert memory.default_sequences(CATALOG.gpu("A100-80"), v1) == 256
    assert memory.batch_defaults(CATALOG.gpu("A100-80")) == (2048, 8192)
    early, unnamed = (Engine.read(Family.VLLM, text) for text in ("0.8.3 (V1)", "0.8.3"))
    assert memory.default_sequences(CATALOG.gpu("RTX4090"), early) == 1024
    assert memory.default_sequences(CATALOG.gpu("RTX4090"), unnamed) == 256
    assert memory.batch_defaults(H100) == (8192, 16384)
    assert memory.batch_defaults(None) == (2048, 8192)


def test_from_0_21_the_graphs_come_out_of_the_budget() -> None:
    before, after = (
        memory.activation_bytes(EIGHT, H100, Engine.parse(text), tensor_parallel=1, context_tokens=8192)
        for text in ("0.20.0", "0.21.0")
    )
    assert after - before == memory.CUDA_GRAPHS


def test_refuses_where_only_the_graphs_have_no_room_and_says_so() -> None:
    """gpustack 1897: the cache was allocated and the warm-up ran out of memory."""
    engine = Engine.parse("0.8.5")
    held = weights.gpu_weights_bytes(EIGHT, CATALOG.quantization("bf16"), 1, engine=engine)
    tight = replace(CATALOG.gpu("L4"), usable_bytes=held + gib(2.9))
    outcome = fit(EIGHT, CATALOG.quantization("bf16"), tight, 1, workload(engine, 8192, 0.99))
    assert isinstance(outcome, Miss)
    assert (outcome.reason, outcome.reason.code) == (Reason.GRAPH_RESERVE, "SKS0316")
    assert outcome.key == "gpuMemoryUtilization"


def test_replicas_of_a_mixture_gather_the_tokens_of_all_ranks() -> None:
    """V3.2 as TP1 x DP8 crashed on H200, TP2 x DP4 ran (LMCache 2521)."""
    v32, fp8, engine = CATALOG.model("V3.2"), CATALOG.quantization("fp8"), Engine.parse("0.14.0")
    work = workload(engine, 163_840, 0.92, kv_dtype="bf16")
    eight, four = (fit(v32, fp8, H200, tp, work, data_parallel=dp) for tp, dp in ((1, 8), (2, 4)))
    assert isinstance(eight, Miss)
    assert eight.reason is Reason.KV_CACHE
    assert isinstance(four, Fit)
    assert (four.tensor_parallel, four.data_parallel) == (2, 4)


def test_a_pipeline_has_no_more_stages_than_layers() -> None:
    outcome = fit(EIGHT, CATALOG.quantization("bf16"), H100, 1, workload(Engine.parse("0.33.0")), pipeline_parallel=33)
    assert isinstance(outcome, Miss)
    assert outcome.reason is Reason.GPU_COUNT


@pytest.mark.parametrize("vendor", ["AMD", "AWS", "Intel", "Huawei"])
def test_accelerators_without_cuda_run_a_build_of_their_own(vendor: str) -> None:
    gpu = next(one for one in CATALOG.gpus if one.vendor == vendor)
    own, cuda = Engine.read(Family.VLLM, "0.19.0", vendor), Engine.parse("0.19.0")
    small, bf16 = CATALOG.model("1.5B"), CATALOG.quantization("bf16")
    assert isinstance(fit(small, bf16, gpu, 1, workload(own)), Fit)
    refused = fit(small, bf16, gpu, 1, workload(cuda))
    assert isinstance(refused, Miss)
    assert refused.reason is Reason.KERNEL
