"""What each of several nodes runs, so that one server comes of them: vLLM's own flags, or Ray where those do not do.

From 0.18 on vLLM joins nodes by `--nnodes` and `--node-rank` (its page on parallelism and scaling, "Running vLLM with
MultiProcessing"; pull request 23691). 0.17 failed at it (issue 36389). Earlier images hold Ray, later ones do not
(kubernetes-sigs/lws issue 835). Copies that each lie inside a node are joined by `--data-parallel-*` (its page on data
parallel deployment). Addresses are tokens that a target replaces. All read 2026-11-24, none run on machines of ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from infra.sizing.engine import Engine

__all__ = [
    "HEAD_ADDRESS",
    "INTERFACE",
    "NODE_ADDRESS",
    "Cluster",
    "Launch",
    "Method",
    "NodeLaunch",
    "Port",
    "launch_of",
]

HEAD_ADDRESS = "$SEEKSTACK_HEAD_ADDRESS"
"""Private address of the node that `NodeLaunch.head` names."""
NODE_ADDRESS = "$SEEKSTACK_NODE_ADDRESS"
"""Private address of the node itself."""
INTERFACE = "$SEEKSTACK_INTERFACE"
"""Name of the interface with that address, as `ens5`."""

FIRST_MULTIPROCESSING = (0, 18, 0)
FIRST_WITHOUT_RAY = (0, 18, 0)
FIRST_HEADLESS = (0, 9, 0)
"""First release with `--headless` and `--data-parallel-size-local` (from knowledge)."""
FIRST_RAY_SPAN = (0, 12, 0)
"""First release where Ray lays one copy over several nodes, VLLM_RAY_DP_PACK_STRATEGY (from knowledge)."""

MASTER_PORT, RPC_PORT, RAY_PORT = 29501, 29550, 6379
"""Defaults of `--master-port` and `--data-parallel-rpc-port` (vllm/config/parallel.py), and of Ray."""
FREE_PORTS = (32768, 60999)
"""Linux's ip_local_port_range: NCCL, Gloo and vLLM's message queues bind to port 0."""
RAY_WORKER_PORTS = (10002, 19999)
"""Ray's min-worker-port and max-worker-port (its page on configuring ports; from knowledge)."""


class Method(StrEnum):
    """How the nodes find each other."""

    MULTIPROCESSING = "multiprocessing"
    DATA_PARALLEL = "data_parallel"
    """Each node runs whole copies; the head spreads the requests over them."""
    INDEPENDENT = "independent"
    """A server for each copy: copies of a dense model that span nodes have nothing to exchange."""
    RAY = "ray"


@dataclass(frozen=True, slots=True)
class NodeLaunch:
    """One node; nodes count from 0, in the order of the placement."""

    node: int
    host: str | None
    """Name in the inventory."""
    head: int
    """The node whose address the arguments name, which answers requests: itself, or the one it works for."""
    setup: tuple[str, ...]
    """A command before the server; empty without Ray. Ray's own workers run nothing else."""
    arguments: tuple[str, ...]
    """All of the engine's; empty for a worker of Ray."""
    environment: tuple[tuple[str, str], ...]

    @property
    def role(self) -> str:
        """`head` answers requests."""
        return "head" if self.node == self.head else "worker"

    def to_json(self) -> dict[str, object]:
        """The environment as a mapping."""
        return {
            "node": self.node,
            "host": self.host,
            "role": self.role,
            "head": self.head,
            "setup": list(self.setup),
            "arguments": list(self.arguments),
            "environment": dict(self.environment),
        }


@dataclass(frozen=True, slots=True)
class Port:
    """What must be open between the nodes, and to nobody else: none of it is encrypted or asks who is there."""

    protocol: str
    """`tcp`, or `all` for what has no ports."""
    first: int | None
    last: int | None
    purpose: str

    def __str__(self) -> str:
        if self.first is None:
            return "all traffic"
        return f"{self.protocol} {self.first}" + (f"-{self.last}" if self.last != self.first else "")

    def to_json(self) -> dict[str, object]:
        """For the rule of a security group."""
        return {"protocol": self.protocol, "first": self.first, "last": self.last, "purpose": self.purpose}


@dataclass(frozen=True, slots=True)
class Launch:
    """All nodes of a plan."""

    method: Method | None
    """None where no release of the engine starts this layout as it is; `notes` says why."""
    nodes: tuple[NodeLaunch, ...]
    ports: tuple[Port, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where the stages of each copy lie."""

    stages: tuple[tuple[int, ...], ...]
    """For each copy the node of each of its stages."""
    tensor_parallel: int
    is_mixture: bool
    engine: Engine
    efa: bool = False
    hosts: tuple[str, ...] = ()

    @property
    def loads(self) -> Counter[int]:
        """Stages on each node."""
        return Counter(node for copy in self.stages for node in copy)

    @property
    def keeps_copies_whole(self) -> bool:
        """Whether no copy spans nodes."""
        return all(len(set(copy)) == 1 for copy in self.stages)

    @property
    def splits_evenly(self) -> bool:
        """Whether each copy lies in equal parts on nodes of its own: what `--nnodes` divides by."""
        equal = all(len(set(Counter(copy).values())) == 1 for copy in self.stages)
        return equal and sum(len(set(copy)) for copy in self.stages) == len(self.loads)

    @property
    def is_one_server(self) -> bool:
        """Whether the copies need each other: those of a mixture share its experts."""
        return len(self.stages) == 1 or self.is_mixture


def launch_of(cluster: Cluster, arguments: Sequence[str]) -> Launch:
    """The commands of all nodes; `arguments` are those of a single node, with the sizes of the whole layout."""
    method = _method(cluster)
    if method is None:
        return Launch(None, (), (), (why_not(cluster) or "",))
    nodes = tuple(_nodes(method, cluster, tuple(arguments)))
    return Launch(method, nodes, _ports(method, cluster), tuple(_notes(method, cluster)))


def _method(cluster: Cluster) -> Method | None:
    copies, version = len(cluster.stages), cluster.engine.version
    if copies > 1 and version < FIRST_HEADLESS:
        return None
    if copies > 1 and cluster.keeps_copies_whole:
        return Method.DATA_PARALLEL
    if cluster.splits_evenly and version >= FIRST_MULTIPROCESSING:
        if not cluster.is_one_server:
            return Method.INDEPENDENT
        if len(set(cluster.loads.values())) == 1:
            return Method.MULTIPROCESSING
    if copies == 1 or (cluster.is_mixture and version >= FIRST_RAY_SPAN):
        return Method.RAY
    return None


def why_not(cluster: Cluster) -> str | None:
    """What keeps vLLM from starting the layout; None where it can."""
    if _method(cluster) is not None:
        return None
    if cluster.engine.version < FIRST_HEADLESS:
        return f"vLLM {cluster.engine} does not spread copies over nodes: take {Engine(FIRST_HEADLESS)} or later"
    return f"vLLM {cluster.engine} does not start these copies as they lie over the nodes: make each fit one node"


def _nodes(method: Method, cluster: Cluster, arguments: tuple[str, ...]) -> Iterator[NodeLaunch]:
    common = _environment(cluster)
    for node in sorted(cluster.loads):
        head = _head(method, cluster, node)
        setup, own, extra = _commands(method, cluster, node, head, arguments)
        host = cluster.hosts[node] if cluster.hosts else None
        yield NodeLaunch(node, host, head, setup, own, (*common, *extra))


def _head(method: Method, cluster: Cluster, node: int) -> int:
    if method is not Method.INDEPENDENT:
        return 0
    return next(copy[0] for copy in cluster.stages if node in copy)


Commands = tuple[tuple[str, ...], tuple[str, ...], tuple[tuple[str, str], ...]]
"""Setup, arguments, and more of the environment."""


def _commands(method: Method, cluster: Cluster, node: int, head: int, arguments: tuple[str, ...]) -> Commands:
    headless = () if node == head else ("--headless",)
    if method is Method.RAY:
        return _ray(cluster, node, arguments)
    if method is Method.DATA_PARALLEL:
        return (), (*arguments, *_copies_on(cluster, node), *headless), ()
    if method is Method.MULTIPROCESSING:
        more = _rpc() if len(cluster.stages) > 1 else ()
        return (), (*arguments, *_rank(len(cluster.loads), node), *more, *headless), ()
    alone = tuple(one for one in arguments if not one.startswith("--data-parallel-size="))
    span = sorted(set(next(copy for copy in cluster.stages if node in copy)))
    return (), (*alone, *_rank(len(span), span.index(node)), *headless), ()


def _rank(nodes: int, rank: int) -> tuple[str, ...]:
    head = (f"--master-addr={HEAD_ADDRESS}", f"--master-port={MASTER_PORT}")
    return (f"--nnodes={nodes}", f"--node-rank={rank}", *head) if nodes > 1 else ()


def _rpc() -> tuple[str, ...]:
    return (f"--data-parallel-address={HEAD_ADDRESS}", f"--data-parallel-rpc-port={RPC_PORT}")


def _copies_on(cluster: Cluster, node: int) -> tuple[str, ...]:
    """The copies of a node, which follow one another. A head with a start rank would balance its own copies only."""
    here = [number for number, copy in enumerate(cluster.stages) if copy[0] == node]
    first = (f"--data-parallel-start-rank={here[0]}",) if here[0] else ()
    return (f"--data-parallel-size-local={len(here)}", *first, *_rpc())


def _ray(cluster: Cluster, node: int, arguments: tuple[str, ...]) -> Commands:
    gpus = f"--num-gpus={cluster.loads[node] * cluster.tensor_parallel}"
    own = (f"--node-ip-address={NODE_ADDRESS}", gpus)
    if node:
        return ("ray", "start", f"--address={HEAD_ADDRESS}:{RAY_PORT}", *own, "--block"), (), ()
    setup = ("ray", "start", "--head", f"--port={RAY_PORT}", *own)
    if len(cluster.stages) == 1:
        return setup, (*arguments, "--distributed-executor-backend=ray"), ()
    return setup, (*arguments, "--data-parallel-backend=ray"), (("VLLM_RAY_DP_PACK_STRATEGY", "span"),)


def _environment(cluster: Cluster) -> tuple[tuple[str, str], ...]:
    """On the network between the nodes, and on no other that a machine may have."""
    names = (("VLLM_HOST_IP", NODE_ADDRESS), ("NCCL_SOCKET_IFNAME", INTERFACE), ("GLOO_SOCKET_IFNAME", INTERFACE))
    return (*names, ("FI_PROVIDER", "efa")) if cluster.efa else names


def _ports(method: Method, cluster: Cluster) -> tuple[Port, ...]:
    spread = method is Method.DATA_PARALLEL or (method is Method.MULTIPROCESSING and len(cluster.stages) > 1)
    joined = method in (Method.MULTIPROCESSING, Method.INDEPENDENT)
    master = Port("tcp", MASTER_PORT, MASTER_PORT, "torch.distributed, on the head")
    rpc = Port("tcp", RPC_PORT, RPC_PORT, "handshake of the copies, on the head")
    ray = (Port("tcp", RAY_PORT, RAY_PORT, "Ray, on the head"), Port("tcp", *RAY_WORKER_PORTS, "Ray's workers"))
    free = Port("tcp", *FREE_PORTS, "NCCL, Gloo and message queues take free ports")
    efa = Port("all", None, None, "EFA: its group must allow all traffic to and from itself")
    return (
        *((master,) if joined else ()),
        *((rpc,) if spread else ()),
        *(ray if method is Method.RAY else ()),
        free,
        *((efa,) if cluster.efa else ()),
    )


def _notes(method: Method, cluster: Cluster) -> Iterator[str]:
    if method is Method.RAY and cluster.engine.version >= FIRST_WITHOUT_RAY:
        yield f"the nodes carry unequal shares, which needs Ray: the image of vLLM {cluster.engine} has none, add it"
    if method is Method.INDEPENDENT:
        yield f"{len(cluster.stages)} servers, one for each copy: put a load balancer before their heads"
    if cluster.efa:
        yield "EFA needs libfabric and the aws-ofi-nccl plugin in the image; without them NCCL takes TCP"
