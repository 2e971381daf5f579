"""Markdown as data: fenced blocks with their line, shell commands in them, relative links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Block", "blocks", "commands", "links"]

FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: what stands behind the fence, its text, and the 1-based line of the fence."""

    info: str
    text: str
    line: int


def blocks(markdown: str) -> list[Block]:
    """Every fenced block."""
    return [
        Block(match[1].strip(), match[2], markdown.count("\n", 0, match.start()) + 1)
        for match in FENCE.finditer(markdown)
    ]


def commands(block: Block) -> Iterator[str]:
    """Commands of a shell block, or the lines behind `$ ` of a console block; those inside `$(…)` too."""
    for line in block.text.replace("\\\n", " ").splitlines():
        text = line.removeprefix("$ ").strip() if block.info != "console" or line.startswith("$ ") else ""
        if not text or text.startswith("#"):
            continue
        yield from re.findall(r"\$\(([^)]*)\)", text)
        if not text.startswith("eval "):
            yield text


def links(markdown: str) -> list[str]:
    """Targets of relative links, without their anchors."""
    text = FENCE.sub("", markdown)
    found = re.findall(r"\]\(([^)\s]+)\)", text)
    return [target.partition("#")[0] for target in found if not re.match(r"[a-z]+:|#", target)]
