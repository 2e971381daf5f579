"""How resources may be written: components own their children, and nothing appears behind a preview's back."""

from __future__ import annotations

import ast

import pytest

from tests.contract.support_rules import component_problems, dynamic_provider_problems, resource_in_apply_problems
from tests.contract.support_source import dotted, parse_module, project_modules

MODULES = project_modules("infra")
COMPONENTS = frozenset(
    node.name
    for module in MODULES
    for node in ast.walk(module.tree)
    if isinstance(node, ast.ClassDef) and any(dotted(base).endswith("ComponentResource") for base in node.bases)
)
HEAD = "import pulumi\nfrom pulumi_aws import ec2\n"
GOOD = HEAD + (
    "class Node(pulumi.ComponentResource):\n"
    "    def __init__(self, name, args, opts=None):\n"
    "        super().__init__('seekstack:aws:Node', name, None, opts)\n"
    "        self.a = ec2.Instance('a', tags=ec2.SomeArgs(), opts=pulumi.ResourceOptions(parent=self))\n"
    "        self.register_outputs({})\n"
)


def test_there_are_components_to_check() -> None:
    assert COMPONENTS


def test_components_own_their_children_and_register_their_outputs() -> None:
    assert [problem for module in MODULES for problem in component_problems(module)] == []


def test_a_component_as_it_should_be_has_no_problem() -> None:
    assert component_problems(parse_module(GOOD)) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("        self.register_outputs({})\n", "", "register_outputs"),
        ("parent=self", "", "parent=self"),
        (", opts=pulumi.ResourceOptions(parent=self)", "", "without opts"),
        ("seekstack:aws:Node", "aws:Node", "type token"),
    ],
)
def test_a_wrong_component_is_found(old: str, new: str, problem: str) -> None:
    assert any(problem in text for text in component_problems(parse_module(GOOD.replace(old, new))))


def test_no_dynamic_providers() -> None:
    assert [problem for module in MODULES for problem in dynamic_provider_problems(module)] == []


@pytest.mark.parametrize(
    "text",
    [
        "import pulumi.dynamic",
        "from pulumi import dynamic",
        "from pulumi.dynamic import Resource",
        HEAD + "pulumi.dynamic.Resource",
    ],
)
def test_a_dynamic_provider_is_found(text: str) -> None:
    assert dynamic_provider_problems(parse_module(text))


def test_no_resource_is_made_inside_apply() -> None:
    assert [problem for module in MODULES for problem in resource_in_apply_problems(module, COMPONENTS)] == []


@pytest.mark.parametrize(
    "text",
    [
        "x.apply(lambda i: ec2.Instance('a'))",
        "def make(i):\n    ec2.Instance('a')\nx.apply(make)",
        "class A:\n    def make(self, i):\n        Node('n', 1)\n    def go(self):\n        x.apply(self.make)",
        "x.apply(func=lambda i: [Node(str(n), 1) for n in i])",
    ],
)
def test_a_resource_inside_apply_is_found(text: str) -> None:
    assert resource_in_apply_problems(parse_module(HEAD + text), frozenset({"Node"}))


def test_mapping_a_value_inside_apply_is_no_problem() -> None:
    assert resource_in_apply_problems(parse_module(HEAD + "x.apply(lambda i: str(i))"), frozenset({"Node"})) == []
