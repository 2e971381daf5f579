"""Imports go one way: the table below is the architecture (docs/architecture.md explains it)."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field

import pytest

from tests.contract.support_rules import import_time_problems, python_39_problems
from tests.contract.support_source import PACKAGES, ROOT, Import, Module, imports_of, parse_module, project_modules


@dataclass(frozen=True, slots=True)
class Layer:
    """What a module may import: prefixes of ours, and top-level names of packages from the index."""

    ours: frozenset[str] = frozenset()
    theirs: frozenset[str] = frozenset()
    forbidden_stdlib: frozenset[str] = field(default=frozenset())


def layer(ours: str = "", theirs: str = "", *, forbidden_stdlib: str = "") -> Layer:
    """A layer from space-separated names."""
    return Layer(frozenset(ours.split()), frozenset(theirs.split()), frozenset(forbidden_stdlib.split()))


IO_MODULES = "os io pathlib subprocess socket urllib http shutil tempfile random time threading asyncio"
FACTS = "infra.units infra.digits infra.errors infra.private_network infra.bounded_yaml infra.catalog"
PURE = (
    f"{FACTS} infra.config_keys infra.stack_file infra.network_settings infra.settings infra.sizing infra.inventory "
    "infra.planning infra.serving"
)
PULUMI = "pulumi pulumi_aws pulumi_kubernetes"

# The longest prefix decides.
LAYERS = {
    "stager": layer("stager"),
    "k8s": layer("k8s", "jinja2 yaml"),
    "node": layer("node", "jinja2 yaml"),
    "infra": layer(),
    "infra.units": layer(),
    "infra.digits": layer(),
    "infra.sdk_names": layer(),
    "infra.errors": layer(),
    "infra.bounded_yaml": layer("", "yaml"),
    "infra.private_network": layer("infra.units infra.errors"),
    "infra.catalog": layer(FACTS, "yaml"),
    "infra.catalog.refresh": layer(FACTS, "yaml boto3 botocore"),
    "infra.config_keys": layer(FACTS),
    "infra.stack_file": layer(f"{FACTS} infra.config_keys", "yaml"),
    "infra.network_settings": layer(f"{FACTS} infra.config_keys"),
    "infra.settings": layer(f"{FACTS} infra.config_keys infra.network_settings"),
    "infra.sizing": layer(f"{FACTS} infra.settings infra.sizing", forbidden_stdlib=IO_MODULES),
    "infra.inventory": layer(f"{FACTS} infra.sizing", "yaml"),
    "infra.planning": layer(PURE),
    "infra.serving": layer(f"{PURE} k8s"),
    "infra.components": layer(f"{FACTS} infra.components infra.sdk_names infra.sizing k8s", PULUMI),
    "infra.targets": layer(f"{PURE} infra.components infra.targets k8s", PULUMI),
    "infra.stack_config": layer("infra.errors infra.sdk_names infra.stack_file infra.config_keys", "pulumi"),
    "infra.program": layer(f"{PURE} infra.targets infra.stack_config", "pulumi"),
    "infra.__main__": layer("infra.program"),
    "infra.cli": layer(f"{PURE} infra.cli k8s stager", "rich yaml"),
    "infra.cli.demo": layer(f"{PURE} infra.cli k8s sandbox", "rich yaml boto3 botocore"),
    "infra.cli.sandbox": layer("infra.errors infra.units infra.stack_file infra.cli sandbox", "rich"),
    "infra.cli.doctor": layer(f"{PURE} infra.cli sandbox", "rich boto3 botocore"),
    "sandbox": layer(
        "sandbox infra.errors infra.units",
        f"{PULUMI} boto3 botocore jmespath moto flask werkzeug yaml grpc google rich cryptography urllib3",
    ),
}
HEAVY = frozenset(
    {"pulumi", "pulumi_aws", "pulumi_kubernetes", "boto3", "botocore", "moto", "flask", "grpc", "sandbox"}
)
"""What `seekstack --help` must not load: half a second each."""
STANDARD_LIBRARY = frozenset(sys.stdlib_module_names)
MODULES = project_modules()
NAMES = frozenset(module.name for module in MODULES)


def test_no_module_beside_the_program_has_a_name_of_the_standard_library() -> None:
    """The engine runs infra/ as a folder on the path: a module `numbers` there is everybody's `import numbers`."""
    beside = {path.stem for path in (ROOT / "infra").iterdir() if path.name != "__main__.py"}
    assert beside & STANDARD_LIBRARY == {"__init__"} & STANDARD_LIBRARY


def layer_name(module_name: str) -> str | None:
    """The longest prefix in the table; `infra.cli.demo` covers `infra.cli.demo_steps` too."""
    siblings = [name for name in LAYERS if name.count(".") > 1 and module_name.startswith(f"{name}_")]
    prefixes = [name for name in LAYERS if module_name == name or module_name.startswith(f"{name}.")]
    found = max([*siblings, *prefixes], key=len, default=None)
    return None if found == "infra" and module_name != "infra" else found


def is_allowed(found: Import, rules: Layer) -> bool:
    """Whether a module under `rules` may have this import."""
    top = found.target.split(".")[0]
    if top in PACKAGES:
        return any(found.target == name or found.target.startswith(f"{name}.") for name in rules.ours)
    if top in STANDARD_LIBRARY:
        return top not in rules.forbidden_stdlib
    return top in rules.theirs or (found.is_typing and top == "_typeshed")


def direction_problems(module: Module, known: frozenset[str] = NAMES) -> list[str]:
    """Imports against the direction, and a module that the table does not know."""
    name = layer_name(module.name)
    if name is None:
        return [f"{module}: no layer; say in LAYERS what {module.name} may import"]
    return [
        f"{module}:{found.line}: {module.name} imports {found.target}"
        for found in imports_of(module, known)
        if not is_allowed(found, LAYERS[name])
    ]


def test_each_module_imports_only_what_its_layer_may() -> None:
    assert [problem for module in MODULES for problem in direction_problems(module)] == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("stager.fetch", "import infra.units"),
        ("stager.fetch", "import requests"),
        ("k8s.render", "import pulumi"),
        ("node.render", "import boto3"),
        ("node.render", "from infra.settings import Settings"),
        ("k8s.render", "from infra.settings import Settings"),
        ("infra.sizing.plan", "import pathlib"),
        ("infra.sizing.plan", "def f():\n    from sandbox import paths"),
        ("infra.cli.plan", "import pulumi"),
        ("infra.cli.plan", "from infra import targets"),
        ("infra.components.node", "from infra.settings import Settings"),
        ("sandbox.kube", "from infra.settings import Settings"),
        ("infra.unheard_of", ""),
    ],
)
def test_a_wrong_import_is_found(name: str, text: str) -> None:
    known = frozenset({*NAMES, "infra.targets"})
    assert direction_problems(parse_module(text, name), known)


def eager_graph(modules: list[Module]) -> dict[str, set[str]]:
    """Module → modules of ours that importing it imports: its parent packages, and what it names at top level."""
    names = frozenset(module.name for module in modules)
    graph: dict[str, set[str]] = {}
    for module in modules:
        eager = {found.target for found in imports_of(module, names) if not (found.is_lazy or found.is_typing)}
        graph[module.name] = {name for name in eager if name in names and name != module.name}
    return graph


def cycle_in(graph: dict[str, set[str]]) -> list[str]:
    """The modules of one import cycle, or nothing."""
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for target in sorted(graph[name]):
            if cycle := visit(target, [*path, name]):
                return cycle
        done.add(name)
        return []

    return next(filter(None, (visit(name, []) for name in sorted(graph))), [])


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert cycle_in(eager_graph(MODULES)) == []


def test_a_circle_is_found() -> None:
    assert cycle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]


def test_the_command_line_starts_without_pulumi_boto3_and_sandbox() -> None:
    code = "import sys, infra.cli.main; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "infra" in loaded
    assert loaded & HEAVY == set()


def test_importing_does_no_input_or_output() -> None:
    assert [problem for module in MODULES for problem in import_time_problems(module)] == []


@pytest.mark.parametrize(
    "text",
    [
        "DATA = open('x').read()",
        "from pathlib import Path\nDATA = Path('x').read_text()",
        "import os\nHOME = os.environ['HOME']",
        "import os\nHOME = os.environ.get('HOME')",
        "import boto3\nec2 = boto3.client('ec2')",
        "class A:\n    x = open('y')",
        "def f(x=open('y')): ...",
        "@open('x')\ndef f(): ...",
    ],
)
def test_input_or_output_at_import_is_found(text: str) -> None:
    assert import_time_problems(parse_module(text))


@pytest.mark.parametrize(
    "text",
    ["def f():\n    return open('x')", "f = lambda: open('x')", "if __name__ == '__main__':\n    print(open('x'))"],
)
def test_input_or_output_in_a_function_is_no_problem(text: str) -> None:
    assert import_time_problems(parse_module(text)) == []


def test_the_stager_runs_on_python_39() -> None:
    assert [problem for module in project_modules("stager") for problem in python_39_problems(module)] == []


@pytest.mark.parametrize(
    "text",
    [
        "match x:\n    case 1: ...",
        "import tomllib",
        "from enum import StrEnum",
        "import datetime\nnow = datetime.UTC",
        "@dataclass(slots=True)\nclass A: ...",
        "zip(a, b, strict=True)",
        "isinstance(a, int | str)",
    ],
)
def test_what_python_39_lacks_is_found(text: str) -> None:
    assert python_39_problems(parse_module(text))
