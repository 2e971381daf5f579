"""Several nodes: each gets the flags by which one server comes of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.catalog.compatibility import load_compatibility
from infra.sizing.choice import Choice, Option, Search
from infra.sizing.engine import Engine, Family
from infra.sizing.explain import explain
from infra.sizing.launch import Cluster, Launch, Method, launch_of
from infra.sizing.nodes import cluster_of, launch_on
from infra.sizing.plan import Plan
from infra.sizing.prepared import prepare
from infra.sizing.refusal import Reason
from infra.sizing.request import PlanRequest
from infra.sizing.software import SoftwareOnGpus
from tests.unit.sizing.support_plan import CATALOG, make_host, make_plan, refusal

HEAD = "--master-addr=$SEEKSTACK_HEAD_ADDRESS"
RPC = ("--data-parallel-address=$SEEKSTACK_HEAD_ADDRESS", "--data-parallel-rpc-port=29550")
NEWEST, OLDEST = "0.33.0", "0.6.5"


def make_cluster(*stages: tuple[int, ...], version: str = NEWEST, **over: Any) -> Cluster:
    facts: dict[str, Any] = {"tensor_parallel": 8, "is_mixture": False, "engine": Engine.parse(version)}
    return Cluster(stages, **{**facts, **over})


def launched(outcome: Plan) -> Launch:
    assert outcome.launch is not None
    return outcome.launch


def added(launch: Launch, base: tuple[str, ...]) -> list[tuple[str, ...]]:
    """What each node adds to the arguments of a single one."""
    return [tuple(text for text in node.arguments if text not in base) for node in launch.nodes]


def test_a_single_node_needs_none() -> None:
    outcome = make_plan("7B")
    assert outcome.launch is None
    engine: Any = outcome.to_json()["engine"]
    assert (engine["launch_method"], engine["launch"], engine["ports"]) == (None, [], [])
    assert not any(line.startswith("node ") for line in explain(outcome))


def test_two_stages_on_two_nodes_are_joined_by_multiprocessing() -> None:
    outcome = make_plan("R1", quantization="bf16", nodes=2)
    launch = launched(outcome)
    assert launch.method is Method.MULTIPROCESSING
    rank = [("--nnodes=2", f"--node-rank={node}", HEAD, "--master-port=29501") for node in (0, 1)]
    assert added(launch, outcome.engine_arguments) == [rank[0], (*rank[1], "--headless")]
    assert [(node.role, node.head, node.setup) for node in launch.nodes] == [("head", 0, ()), ("worker", 0, ())]
    for node in launch.nodes:
        assert set(outcome.engine_arguments) <= set(node.arguments)
        assert "--tensor-parallel-size=8" in node.arguments  # inside a node


def test_nodes_with_efa_use_it_on_the_network_between_them() -> None:
    with_efa = launched(make_plan("R1", quantization="bf16", nodes=2))
    assert dict(with_efa.nodes[1].environment) == {
        "VLLM_HOST_IP": "$SEEKSTACK_NODE_ADDRESS",
        "NCCL_SOCKET_IFNAME": "$SEEKSTACK_INTERFACE",
        "GLOO_SOCKET_IFNAME": "$SEEKSTACK_INTERFACE",
        "FI_PROVIDER": "efa",
    }
    assert [str(port) for port in with_efa.ports] == ["tcp 29501", "tcp 32768-60999", "all traffic"]
    assert any("aws-ofi-nccl" in note for note in with_efa.notes)
    without = launched(make_plan("70B", instance_type="g6e.4xlarge", nodes=4))
    assert "FI_PROVIDER" not in dict(without.nodes[0].environment)
    assert [str(port) for port in without.ports] == ["tcp 29501", "tcp 32768-60999"]


def test_a_copy_on_each_of_two_nodes_shares_the_requests_of_one_head() -> None:
    outcome = make_plan("7B", instance_type="g6.xlarge", nodes=2, data_parallel=2)
    launch = launched(outcome)
    assert launch.method is Method.DATA_PARALLEL
    assert added(launch, outcome.engine_arguments) == [
        ("--data-parallel-size-local=1", *RPC),
        ("--data-parallel-size-local=1", "--data-parallel-start-rank=1", *RPC, "--headless"),
    ]
    assert [str(port) for port in launch.ports] == ["tcp 29550", "tcp 32768-60999"]
    assert launch.notes == ()


def test_stages_of_each_copy_inside_a_node_need_no_rank_of_it() -> None:
    """dp 2 x pp 2 x tp 2 on two nodes of four GPUs: whole copies, so only the copies are spread."""
    outcome = make_plan(
        "70B", instance_type="g6e.12xlarge", nodes=2, tensor_parallel=2, pipeline_parallel=2, data_parallel=2
    )
    launch = launched(outcome)
    assert (outcome.nodes, launch.method) == (2, Method.DATA_PARALLEL)
    assert "--pipeline-parallel-size=2" in launch.nodes[1].arguments
    assert not any("--nnodes" in text for text in launch.nodes[1].arguments)


def test_copies_of_a_mixture_that_span_nodes_are_one_server() -> None:
    """dp 2 x pp 2 x tp 8 on four nodes."""
    outcome = make_plan(
        "R1", instance_type="p5.48xlarge", nodes=4, tensor_parallel=8, pipeline_parallel=2, data_parallel=2
    )
    launch = launched(outcome)
    assert launch.method is Method.MULTIPROCESSING
    last = added(launch, outcome.engine_arguments)[3]
    assert last == ("--nnodes=4", "--node-rank=3", HEAD, "--master-port=29501", *RPC, "--headless")
    assert {"--data-parallel-size=2", "--enable-expert-parallel"} <= set(launch.nodes[3].arguments)
    assert {node.head for node in launch.nodes} == {0}
    assert "tcp 29550" in map(str, launch.ports)


def test_copies_of_a_dense_model_that_span_nodes_are_servers_of_their_own() -> None:
    outcome = make_plan(
        "70B", instance_type="g6e.12xlarge", nodes=4, tensor_parallel=2, pipeline_parallel=4, data_parallel=2
    )
    launch = launched(outcome)
    assert launch.method is Method.INDEPENDENT
    assert [(node.head, node.role) for node in launch.nodes] == [(0, "head"), (0, "worker"), (2, "head"), (2, "worker")]
    assert "--node-rank=1" in launch.nodes[3].arguments
    assert not any("data-parallel" in text for node in launch.nodes for text in node.arguments)
    assert any("2 servers, one for each copy" in note for note in outcome.warnings)


def test_a_copy_that_lies_inside_a_node_beside_one_that_does_not_has_no_ranks() -> None:
    launch = launch_of(make_cluster((0, 0), (1, 2)), ("--data-parallel-size=2", "--x"))
    assert launch.nodes[0].arguments == ("--x",)
    assert launch.nodes[1].arguments == ("--x", "--nnodes=2", "--node-rank=0", HEAD, "--master-port=29501")


def test_unequal_shares_of_a_copy_need_ray_and_an_image_that_has_it() -> None:
    outcome = make_plan("R1", instance_type="p5.48xlarge", nodes=3, tensor_parallel=4, pipeline_parallel=5)
    launch = launched(outcome)
    assert launch.method is Method.RAY
    head, *workers = launch.nodes
    assert head.setup == (
        *("ray", "start", "--head", "--port=6379", "--node-ip-address=$SEEKSTACK_NODE_ADDRESS", "--num-gpus=8"),
    )
    assert head.arguments[-1] == "--distributed-executor-backend=ray"
    assert [node.arguments for node in workers] == [(), ()]
    assert workers[1].setup[2:] == (
        *("--address=$SEEKSTACK_HEAD_ADDRESS:6379", "--node-ip-address=$SEEKSTACK_NODE_ADDRESS"),
        *("--num-gpus=4", "--block"),
    )
    assert "tcp 10002-19999" in map(str, launch.ports)
    assert any("needs Ray: the image of vLLM 0.33.0 has none" in note for note in outcome.warnings)
    assert any("node 0 answers requests: `ray start --head" in line for line in explain(outcome))


@pytest.mark.parametrize("version", [OLDEST, "0.17.0"])
def test_releases_before_0_18_use_the_ray_of_their_image(version: str) -> None:
    launch = launch_of(make_cluster((0, 1), version=version), ("--x",))
    assert (launch.method, launch.notes) == (Method.RAY, ())


def test_a_mixture_with_unequal_shares_leaves_its_copies_to_ray() -> None:
    for stages in (((0, 0), (1, 2)), ((0, 0, 1), (1, 2, 2))):
        launch = launch_of(make_cluster(*stages, is_mixture=True), ("--x",))
        assert launch.method is Method.RAY
        assert launch.nodes[0].arguments == ("--x", "--data-parallel-backend=ray")
        assert ("VLLM_RAY_DP_PACK_STRATEGY", "span") in launch.nodes[0].environment


@pytest.mark.parametrize(
    ("cluster", "words"),
    [
        (make_cluster((0,), (1,), version=OLDEST), "vLLM 0.6.5 does not spread copies over nodes: take 0.9.0 or later"),
        (make_cluster((0, 0, 1), (1, 2, 2)), "make each fit one node"),
        (make_cluster((0, 1), (2, 3), version="0.17.0"), "make each fit one node"),
        (make_cluster((0, 1), (2, 3), version="0.11.0", is_mixture=True), "make each fit one node"),
    ],
)
def test_a_layout_that_no_flag_starts_says_what_would_do(cluster: Cluster, words: str) -> None:
    launch = launch_of(cluster, ("--x",))
    assert (launch.method, launch.nodes, launch.ports) == (None, (), ())
    (note,) = launch.notes
    assert words in note


def test_copies_that_no_release_starts_are_refused_and_not_planned() -> None:
    missed = refusal("7B", instance_type="g5.xlarge", nodes=2, data_parallel=2, engine_version="0.8.5")
    assert missed.reason is Reason.GPU_COUNT
    assert missed.sentence == "vLLM 0.8.5 does not spread copies over nodes: take 0.9.0 or later"
    assert make_plan("7B", instance_type="g5.xlarge", nodes=2, data_parallel=2, engine_version="0.9.0").launch


def test_hosts_whose_free_groups_no_release_can_use_are_refused() -> None:
    hosts = (make_host("a", gpus=3), make_host("b", gpus=3))
    missed = refusal("7B", hosts=hosts, nodes=2, pipeline_parallel=2, data_parallel=3, tensor_parallel=1)
    assert "does not start these copies as they lie over the nodes" in missed.sentence


def test_hosts_are_named_in_the_order_of_the_placement() -> None:
    hosts = (make_host("b", gpus=1), make_host("a", gpus=1))
    outcome = make_plan("32B", hosts=hosts, nodes=2, quantization="bf16", pipeline_parallel=2)
    launch = launched(outcome)
    assert [node.host for node in launch.nodes] == [share.host for share in outcome.placement]
    assert any(line.startswith(f"node 1 ({launch.nodes[1].host}) works for node 0") for line in explain(outcome))


def make_option() -> Option:
    """R1 as bf16 on two machines."""
    request, model = PlanRequest("R1", quantization="bf16", nodes=2), CATALOG.model("R1")
    software = SoftwareOnGpus(model, request, prepare(CATALOG, load_compatibility()))
    found = Search(model, request, software, {}).choose()
    assert isinstance(found, Choice)
    return found.best


def test_another_engine_has_flags_of_its_own() -> None:
    option = make_option()
    assert launch_on(option.arrangement, option.fit, option.engine, ()) is not None
    assert launch_on(option.arrangement, option.fit, replace(option.engine, family=Family.SGLANG), ()) is None


def test_nodes_are_filled_as_evenly_as_they_can_be() -> None:
    option = make_option()
    five = replace(option.arrangement, pipeline_parallel=5, machines=3)
    assert cluster_of(five, option.fit, option.engine).stages == ((0, 0, 1, 1, 2),)


@given(
    st.integers(1, 4), st.integers(1, 4), st.integers(2, 6), st.booleans(), st.sampled_from([OLDEST, "0.10.0", NEWEST])
)
def test_every_stage_is_run_once_by_nodes_that_know_their_head(
    copies: int, stages: int, machines: int, mixture: bool, version: str
) -> None:
    units = [unit % machines for unit in sorted(range(copies * stages), key=lambda unit: unit % machines)]
    cluster = make_cluster(
        *(tuple(units[start : start + stages]) for start in range(0, len(units), stages)),
        is_mixture=mixture,
        version=version,
    )
    launch = launch_of(cluster, ("--x", f"--data-parallel-size={copies}"))
    if launch.method is None:
        assert launch.notes
        return
    assert [node.node for node in launch.nodes] == sorted(cluster.loads)
    heads = {node.node for node in launch.nodes if node.role == "head"}
    assert {node.head for node in launch.nodes} == heads
    assert len(heads) == (copies if launch.method is Method.INDEPENDENT else 1)
    served = [node for node in launch.nodes if "--headless" not in node.arguments and node.arguments]
    assert {node.node for node in served} == heads
    if launch.method is Method.DATA_PARALLEL:
        local = [int(node.arguments[2].removeprefix("--data-parallel-size-local=")) for node in launch.nodes]
        assert sum(local) == copies
