"""Writes the tables of README.md and of pages under docs from the reports that they are made of.

A table stands between two comments that say what it is made of:

    <!-- arms: docs/results/headline/report.json -->
    ...
    <!-- end -->

    python -m hintlite.benchmarks.dev.results_tables README.md docs/results.md
    python -m hintlite.benchmarks.dev.results_tables --check README.md docs/results.md

writes the tables anew, or says with exit code 1 which of them are not what their reports say.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hintlite.benchmarks.dev import depth_picture
from hintlite.errors import HintliteError
from hintlite.files import write_whole
from hintlite.pipeline.app.experiments.studies.definition import read_study
from hintlite.pipeline.report.study.words import chance

BLOCK = re.compile(r"(<!-- (?P<kind>\w+): (?P<sources>[^>]+) -->\n).*?(<!-- end -->)", re.DOTALL)
TITLES = {
    "scratch": "student alone",
    "kd": "KD",
    "output_only": "KD, as many steps as hints + KD",
    "random_hint+kd": "random hints + KD",
    "hint+kd": "**hints + KD**",
    "joint_hint+kd": "hints in one phase + KD",
    "hint_labels+kd": "labels in the place of hints + KD",
    "attention+kd": "attention + KD",
    "hint+kd+attention": "hints + KD + attention",
    "fsp+kd": "FSP + KD",
    "crd+kd": "CRD + KD",
    "reviewkd+kd": "ReviewKD + KD",
}
REFERENCE = "teacher:float32"
MAIN = "hint+kd"  # the arm that the others are set against

Facts = Mapping[str, Any]


class TableError(HintliteError):
    """A block that cannot be filled."""


def filled(text: str, root: Path) -> tuple[str, list[str]]:
    """The text with each block filled from its sources.

    Args:
        text: Markdown.
        root: the folder that the sources' paths start from.

    Returns:
        The text, and the heads of those blocks that were not what their sources say.

    Raises:
        TableError: a block of no known kind, or a source that is missing or lacks something.
    """
    stale = []

    def fill(block: re.Match[str]) -> str:
        head, end = block.group(1), block.group(4)
        made = f"{head}{_made(block['kind'], block['sources'].split(), root)}\n{end}"
        if made != block.group(0):
            stale.append(head.strip())
        return made

    return BLOCK.sub(fill, text), stale


def _made(kind: str, sources: Sequence[str], root: Path) -> str:
    if kind not in TABLES:
        raise TableError(f"{kind!r} is no kind of table; there are {', '.join(TABLES)}")
    try:
        return TABLES[kind](*(root / source for source in sources))
    except OSError as error:
        raise TableError(f"{error.filename} cannot be read: {error.strerror}") from error
    except (LookupError, TypeError, ValueError) as error:
        what = " ".join(sources)
        raise TableError(f"{what} does not say what {kind!r} is made of: {error!r}") from error


def runs(report: Path) -> str:
    """How many of a study's runs there are."""
    arms = _facts(report)["arms"]
    done, planned = sum(arm["n"] for arm in arms), sum(arm["planned"] for arm in arms)
    if done == planned:
        return f"All {planned} runs are done."
    return f"**{done} of the {planned} runs** are done."


def arms(report: Path) -> str:
    """Accuracy of each arm on test and validation data."""
    rows = [
        [_title(arm["name"]), f"{arm['n']}", *_accuracies(arm), _mean(arm["validation"])]
        for arm in _finished(report)
    ]
    return table(["arm", "seeds", "float", "INT8", "validation, INT8"], rows)


def summary(report: Path) -> str:
    """Test accuracy of the teacher and of each arm."""
    teacher = _facts(report)["teachers"][0]
    taught = [_percent(teacher[precision]["accuracy"]) for precision in ("float32", "int8")]
    rows = [[_title(arm["name"]), f"{arm['n']}", *_accuracies(arm)] for arm in _finished(report)]
    return table(["", "seeds", "float", "INT8"], [["teacher", "1", *taught], *rows])


def against(report: Path) -> str:
    """Hints + KD, INT8, less each reference arm."""
    compared = _facts(report)["comparisons"]["int8"]
    rows = [_difference(row["reference"], row) for row in compared if row["arm"] == MAIN]
    return table(["against", "pairs", "points", "95 % interval", "p", "p, adjusted"], rows)


def references(report: Path) -> str:
    """Each other arm, INT8, less each reference arm."""
    compared = _facts(report)["comparisons"]["int8"]
    rows = [
        [_title(row["arm"]), *_difference(row["reference"], row)]
        for row in compared
        if row["arm"] != MAIN
    ]
    return table(["arm", "against", "pairs", "points", "95 % interval", "p", "p, adjusted"], rows)


def drops(report: Path) -> str:
    """INT8 less float of each arm."""
    rows = [_difference(row["arm"], row) for row in _facts(report)["drops"]["arms"]]
    heads = ["arm", "seeds", "INT8 less float, points", "95 % interval", "p", "p, adjusted"]
    return table(heads, rows)


def seeds(record: Path) -> str:
    """Test accuracy of the demo's files, all seeds together, and of its worst and best seed."""
    rows = []
    for name, found in _facts(record)["pooled"].items():
        arm, precision = name.split(":")
        if precision == "float32" and arm != "teacher":
            continue
        interval = f"{100 * found['low']:.2f} to {100 * found['high']:.2f}"
        lowest, highest = (_percent(end(found["by_seed"])) for end in (min, max))
        rows.append(
            [_title(arm), precision, _percent(found["accuracy"]), interval, lowest, highest]
        )
    heads = ["", "precision", "all seeds", "95 % interval", "lowest seed", "highest seed"]
    return table(heads, rows)


def depths(study: Path, report: Path) -> str:
    """Test accuracy by depth."""
    read = read_study(study)
    found = depth_picture.series(read.arms, read.base, _facts(report))
    return depth_picture.table(found)


def series(record: Path) -> str:
    """Test accuracy on a set of series over its seeds, beside the float teacher."""
    found = _facts(record)["summary"]
    rows = []
    for name, own in found.items():
        arm, precision = name.split(":")
        if precision == "float32" and arm != "teacher":
            continue
        spread = f"{100 * own['mean']:.2f} ± {100 * own['deviation']:.2f} %"
        ends = f"{100 * own['lowest']:.2f} to {100 * own['highest']:.2f} %"
        gap = "" if name == REFERENCE else f"{-100 * own['gap_to_float_teacher']:+.2f}"
        rows.append([_title(arm), precision, spread, ends, gap])
    return table(["", "precision", "test accuracy", "lowest to highest seed", "points"], rows)


def devices(*records: Path) -> str:
    """Sizes of the students on sets of series, and what one takes as plain C on a Cortex-M4."""
    rows = []
    for facts in map(_facts, records):
        run, core = facts["runs"][0], facts["cortex-m4"]
        student = run["deployed"]
        numbers = (
            run["parameters"]["teacher"],
            run["parameters"][student],
            run["int8_bytes"][student],
            core["instructions_per_inference"],
            core["code_bytes"] + core["weight_bytes"],
            core["ram_bytes"] + core["stack_bytes"],
        )
        rows.append([facts["set"], f"{facts['seeds']}", *(f"{number:,}" for number in numbers)])
    heads = ["set", "seeds", "teacher, parameters", "student, parameters", "INT8 file, bytes"]
    return table([*heads, "instructions", "flash, bytes", "RAM, bytes"], rows)


TABLES: dict[str, Callable[..., str]] = {
    made.__name__: made
    for made in (runs, arms, summary, against, references, drops, seeds, depths, series, devices)
}


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """As Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    joined = ["| " + " | ".join(cells) + " |" for cells in lines]
    joined[1] = "|" + "---|" * len(heads)
    return "\n".join(joined)


def _facts(report: Path) -> Facts:
    facts: Facts = json.loads(report.read_text())
    return facts


def _finished(report: Path) -> list[Facts]:
    return [arm for arm in _facts(report)["arms"] if arm["n"]]


def _title(arm: str) -> str:
    return TITLES.get(arm, arm)


def _accuracies(arm: Facts) -> list[str]:
    return [_spread(arm[precision]) for precision in ("float32", "int8")]


def _mean(of: Facts | None) -> str:
    return "" if of is None else _percent(of["mean"])


def _spread(of: Facts | None) -> str:
    """Mean and, from two seeds on, standard deviation; nothing without a file to ask."""
    if of is None:
        return ""
    if of["sd"] is None:
        return _percent(of["mean"])
    return f"{100 * of['mean']:.2f} ± {100 * of['sd']:.2f} %"


def _percent(value: float) -> str:
    return f"{100 * value:.2f} %"


def _difference(name: str, row: Facts) -> list[str]:
    """A paired difference, its interval and both p, empty where there are too few pairs."""
    cells = [_title(name), f"{row['n']}", f"{100 * row['mean']:+.2f}"]
    if row["low"] is None:
        return [*cells, "", "", ""]
    interval = f"{100 * row['low']:+.2f} to {100 * row['high']:+.2f}"
    return [*cells, interval, *(_probability(row[key]) for key in ("p", "p_adjusted"))]


def _probability(p: float | None) -> str:
    return "" if p is None else chance(p)


def main() -> None:
    """Writes or checks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", type=Path, nargs="+", help="Markdown files")
    parser.add_argument("--check", action="store_true", help="write nothing")
    args = parser.parse_args()
    stale = False
    for file in args.files:
        try:
            text, heads = filled(file.read_text(), Path())
        except (OSError, TableError) as error:
            raise SystemExit(f"{file}: {error}") from error
        for head in heads:
            print(f"{file}: {'not up to date' if args.check else 'written'}: {head}")
        stale = stale or bool(heads)
        if heads and not args.check:
            write_whole(file, text)
    if stale and args.check:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
