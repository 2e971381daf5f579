"""How near the sizing comes to what engines printed, beside three public estimators.

    python benchmarks/sizing_accuracy.py [ROWS.csv ...] [--json] [--all]

Rows are public logs and issues in the shape of benchmarks/sizing_open.csv; without an argument, our own validation
rows. Only rows of high and medium confidence are scored. A row whose names or settings cannot be read is counted with
the reason; a printed result that cannot be read is listed, and only its comparison is left out. Ends with 2 where a
file is no such table.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.sizing_rows import TableError, read_rows  # noqa: E402 the checkout comes before an installed copy
from benchmarks.sizing_score import Judgement, Score, score  # noqa: E402

DEFAULT_ROWS = ROOT / "benchmarks" / "sizing_rows.csv"
BARS = {
    "kv_formula": (1.0, "exact to the block"),
    "fit": (0.95, "right; all of high confidence, and no false yes"),
    "weights": (0.90, "within 3 %"),
    "capacity": (0.85, "within the larger of 10 % and 2 % of the GPU, vLLM 0.6.5 and later"),
    "max_context": (0.80, "within 15 %"),
    "parallel_rule": (1.0, "right"),
}


def main() -> int:
    """Print the report of each file; 0 as long as they can be read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", type=Path, default=[DEFAULT_ROWS])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--all", action="store_true", help="list every comparison, not only the misses")
    arguments = parser.parse_args()
    scores = {}
    for path in arguments.rows:
        try:
            scores[_title(path, arguments.rows)] = score(read_rows(path))
        except (OSError, UnicodeDecodeError, TableError) as error:
            print(f"{path}: {error}", file=sys.stderr)
            return 2
    _print(shown(scores, as_json=arguments.json, everything=arguments.all))
    return 0


def _title(path: Path, paths: list[Path]) -> str:
    """The file's name, with its folder where two files have the same name."""
    return path.name if [other.name for other in paths].count(path.name) == 1 else str(path)


def shown(scores: dict[str, Score], *, as_json: bool, everything: bool) -> str:
    """All files' reports as text, or as JSON; of a single file, JSON without its name."""
    if not as_json:
        return "\n\n".join(report(name, found, everything=everything) for name, found in scores.items())
    documents = {name: found.to_json() for name, found in scores.items()}
    return json.dumps(next(iter(documents.values())) if len(documents) == 1 else documents, indent=2)


def _print(text: str) -> None:
    """A reader that has seen enough (`| head`) is no error."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # Python flushes standard output once more at its end, which would print a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def report(name: str, found: Score, *, everything: bool = False) -> str:
    """The table, the comparisons that went wrong, and the rows that were not scored."""
    scored = len({one.row for one in found.judgements})
    lines = [f"{name}: {found.rows} rows, {scored} scored", ""]
    lines.append(f"{'metric':38} {'ours':>12} {'bar':>6} {'KAITO':>10} {'GPUStack':>10} {'llm-d':>10}")
    lines += [_line(metric, found.of(metric)) for metric in dict.fromkeys(one.metric for one in found.judgements)]
    fits = found.of("fit")
    false_yes = [one.row for one in fits if not one.right and one.ours == "yes"]
    high = [one for one in fits if one.confidence == "high"]
    right = sum(one.right for one in high)
    lines.append(f"fit of high confidence: {right} of {len(high)}; false yes: {', '.join(false_yes) or 'none'}")
    shown = found.judgements if everything else [one for one in found.judgements if not one.right]
    lines += ["", "every comparison:" if everything else "misses:", *(_detail(one) for one in shown)]
    reasons = Counter(found.skipped.values())
    lines += [
        "",
        f"not scored: {len(found.skipped)}",
        *(f"  {count} x {reason}" for reason, count in reasons.most_common()),
    ]
    for title, notes in (("cells not readable, left out", found.dropped), ("filled in", found.assumed)):
        lines += [f"{title}:"] * bool(notes) + [f"  {row}: {', '.join(texts)}" for row, texts in notes.items()]
    return "\n".join(lines)


def _line(metric: str, judgements: list[Judgement]) -> str:
    count, right = len(judgements), sum(one.right for one in judgements)
    bar = f"{BARS[metric][0]:.0%}" if metric in BARS else ""
    others = []
    for baseline in ("KAITO", "GPUStack", "llm-d"):
        known = [one.baselines[baseline] for one in judgements if baseline in one.baselines]
        others.append(f"{sum(known)} / {len(known)}" if known else "-")
    ours = f"{right} / {count}"
    return f"{metric:38} {ours:>6} {right / count:>5.0%} {bar:>6} {others[0]:>10} {others[1]:>10} {others[2]:>10}"


def _detail(one: Judgement) -> str:
    mark = " " if one.right else "!"
    return (
        f"  {mark} {one.row:6} {one.metric[:14]:14} printed {one.expected:>14}  ours {one.ours:>14}  {one.note[:150]}"
    )


if __name__ == "__main__":
    sys.exit(main())
