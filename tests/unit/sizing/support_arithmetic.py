"""Evaluates what `plan --explain` prints: each equation of a line, with the rounding of its printed numbers.

A number with decimals stands for all that round to it, so an equation holds where the interval of its left side meets
the one of its result. Words that are no operators are passed over.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

__all__ = ["Equation", "equations", "holds"]

TOKEN = re.compile(r"\d+(?:\.\d+)?(?:e[+-]\d+)?|smaller of|larger of|longer of|\band\b|rounded up|rounded down|"
                   r"whole blocks of|up to a multiple of|\bx\b|[-+/()^]|[A-Za-z_][\w/-]*")  # fmt: skip
WORDS = {"smaller of": "min", "larger of": "max", "longer of": "max"}
ROUNDING = ("rounded up", "rounded down", "whole blocks of", "up to a multiple of")
BRACKETS = re.compile(r"\((?:[A-Za-z, -]+|[\d.]+ to [\d.]+)\)")
"""Words in brackets, and the range beside an expected value."""


@dataclass(frozen=True)
class Interval:
    """What a rounded number may have been."""

    low: float
    high: float

    def apply(self, other: Interval, operator: str) -> Interval:
        pairs = [(a, b) for a in (self.low, self.high) for b in (other.low, other.high)]
        values = [OPERATORS[operator](a, b) for a, b in pairs]
        return Interval(min(values), max(values))


OPERATORS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "x": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "^": lambda a, b: a**b,
    "min": min,
    "max": max,
    "rounded up": lambda a, _: float(math.ceil(a)),
    "rounded down": lambda a, _: float(math.floor(a)),
    "whole blocks of": lambda a, b: a // b * b,
    "up to a multiple of": lambda a, b: math.ceil(a / b) * b,
}


@dataclass(frozen=True)
class Equation:
    """One `left = result` of a line; a chained `; x 2 in all = 9` starts from the result before."""

    left: str
    result: str


def equations(line: str) -> Iterator[Equation]:
    """Those of the text after the label."""
    body = re.sub(r"(?<=\d),(?=\d{3})", "", line.partition(": ")[2])
    body = BRACKETS.sub("", body)
    before = ""
    for part in body.split(";"):
        if " = " not in part:
            continue
        left, _, right = part.rpartition(" = ")
        found = re.match(r"[\d.]+", right.strip())
        assert found, part
        left = left.partition(": ")[2] or left
        starts_open = left.strip().startswith("x ")
        yield Equation(f"{before} {left}" if starts_open else left, found[0])
        before = found[0]


def holds(equation: Equation, exact: Collection[str], *, figures: bool = False) -> bool:
    """Whether both sides meet; `exact` are numbers that were not rounded, `figures` says three figures were kept."""
    parser = _Parser(equation.left, exact, figures=figures)
    value = parser.expression()
    assert parser.peek() is None, (equation, parser.rest())
    result = _interval(equation.result, exact, figures=figures)
    slack = 1e-9 * max(1.0, abs(result.high))
    return value.low <= result.high + slack and value.high >= result.low - slack


def _interval(text: str, exact: Collection[str], *, figures: bool) -> Interval:
    value = float(text)
    if text in exact:
        return Interval(value, value)
    half = 0.0
    if "." in text:
        half = 0.5 * 10.0 ** -len(text.partition(".")[2])
    if figures and value:
        half = max(half, 0.5 * 10.0 ** (math.floor(math.log10(abs(value))) - 2))
    return Interval(value - half, value + half)


class _Parser:
    """Sums of products, with the words for rounding after what they round."""

    def __init__(self, text: str, exact: Collection[str], *, figures: bool) -> None:
        found = TOKEN.findall(text)
        self.tokens = [one for one in found if not re.fullmatch(r"[A-Za-z_][\w/-]*", one) or one in ("x", "and")]
        self.exact, self.figures, self.at = exact, figures, 0

    def peek(self) -> str | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def rest(self) -> list[str]:
        return self.tokens[self.at :]

    def take(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1]

    def expression(self) -> Interval:
        value = self.sum()
        while self.peek() in ROUNDING:
            value = self.rounded(value)
            while self.peek() in ("+", "-"):
                operator = self.take()
                value = value.apply(self.product(), operator)
        return value

    def rounded(self, value: Interval) -> Interval:
        operator = self.take()
        size = self.power() if operator in ROUNDING[2:] else Interval(1, 1)
        return value.apply(size, operator)

    def sum(self) -> Interval:
        value = self.product()
        while self.peek() in ("+", "-"):
            operator = self.take()
            value = value.apply(self.product(), operator)
        return value

    def product(self) -> Interval:
        value = self.power()
        while self.peek() in ("x", "/"):
            operator = self.take()
            value = value.apply(self.power(), operator)
        return value

    def power(self) -> Interval:
        value = self.atom()
        while self.peek() == "^":
            value = value.apply(self.atom_after("^"), "^")
        return value

    def atom_after(self, expected: str) -> Interval:
        assert self.take() == expected
        return self.atom()

    def atom(self) -> Interval:
        token = self.take()
        if token == "(":
            value = self.expression()
            assert self.take() == ")"
            return value
        if token in WORDS:
            return self.choice(WORDS[token])
        return _interval(token, self.exact, figures=self.figures)

    def choice(self, operator: str) -> Interval:
        """`smaller of a and b`: both sides are sums, except that `longer of` takes single numbers."""
        one, two = (self.power, self.power) if self.tokens[self.at - 1] == "longer of" else (self.sum, self.sum)
        first = one()
        assert self.take() == "and"
        return first.apply(two(), operator)
