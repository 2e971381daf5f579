"""What the documents tell people to type exists, and what they link to is there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import pytest

from infra.cli.main import build_parser
from tests.contract.support_docs import Block, blocks, commands, links
from tests.contract.support_files import committed_files, text_of
from tests.contract.support_source import ROOT

DOCUMENTS = sorted(name for name in committed_files() if name.endswith(".md"))
README_MAX_LINES = 200
KINDS = frozenset({"sh run", "sh", "console", "text", "yaml", "json", "python"})
"""`sh run` is executed by tests/e2e/test_readme.py; `sh` needs an account or a cluster, or would run these tests."""
SHELL = ("sh run", "sh", "console")
PULUMI_COMMANDS = frozenset({"login", "up", "preview", "refresh", "destroy", "cancel", "import"})
PULUMI_GROUPS = {
    "stack": {"init", "output", "rm", "select", "ls", "export"},
    "config": {"set", "get", "rm"},
    "plugin": {"install", "ls"},
}


def targets() -> set[str]:
    """Names of the Makefile's targets that `make help` lists."""
    return set(re.findall(r"^([a-z]+):.*## ", text_of("Makefile"), re.MULTILINE))


def command_problems(command: str) -> Iterator[str]:
    """Why `command` could not be typed: unknown subcommand, flag or target."""
    words = [word for word in shlex.split(command, comments=True) if word not in {"exec", "time"}]
    words = words[: next((index for index, word in enumerate(words) if word in {">", "|", "&&", ";"}), len(words))]
    if not words:
        return
    program, *arguments = words
    if program == "seekstack":
        try:
            build_parser().parse_args(arguments)
        except SystemExit as stop:
            if stop.code:
                yield f"the command line refuses: {command}"
    if program == "make":
        unknown = [word for word in arguments if "=" not in word and word not in targets()]
        yield from (f"no target {word!r}: {command}" for word in unknown)
    if program == "pulumi":
        known = PULUMI_GROUPS.get(arguments[0])
        if arguments[0] not in PULUMI_COMMANDS and (known is None or arguments[1] not in known):
            yield f"not a pulumi command we know: {command}"


def block_problems(block: Block) -> list[str]:
    """Every command of `block` that could not be typed."""
    return [problem for command in commands(block) for problem in command_problems(command)]


def test_the_readme_is_short_and_runs() -> None:
    readme = text_of("README.md")
    assert len(readme.splitlines()) <= README_MAX_LINES
    assert sum(block.info == "sh run" for block in blocks(readme)) >= 4


@pytest.mark.parametrize("name", DOCUMENTS)
def test_each_block_says_what_it_is(name: str) -> None:
    assert [block for block in blocks(text_of(name)) if block.info not in KINDS] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_each_command_in_a_document_exists(name: str) -> None:
    shell = [block for block in blocks(text_of(name)) if block.info in SHELL]
    assert [problem for block in shell for problem in block_problems(block)] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_each_link_leads_somewhere(name: str) -> None:
    folder = (ROOT / name).parent
    assert [target for target in links(text_of(name)) if not (folder / target).exists()] == []


def test_the_readme_holds_no_place_left_to_fill() -> None:
    assert "<!-- paste" not in text_of("README.md")


@pytest.mark.parametrize(
    "text",
    [
        "seekstack plan",
        "seekstack nothing",
        "seekstack models --colour",
        "make everything",
        "pulumi upp",
        "pulumi stack x",
    ],
)
def test_a_command_that_does_not_exist_is_found(text: str) -> None:
    assert block_problems(Block("sh", text, 1))


def test_a_command_inside_eval_and_behind_a_prompt_is_read() -> None:
    assert list(commands(Block("sh", 'eval "$(seekstack sandbox env)"\n', 1))) == ["seekstack sandbox env"]
    assert list(commands(Block("console", "$ make demo\n[1/9] engine\n", 1))) == ["make demo"]
