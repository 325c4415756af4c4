"""The run's table in the terminal: doubtful figures are marked, uneven classes have theirs."""

import io

import numpy as np
from report_run import CHOICES, LABELS, logits, write_run
from rich.console import Console

from hintlite.pipeline.app.run.table import as_table
from hintlite.pipeline.report.collect import collect
from hintlite.pipeline.report.subjects.confusion import scores


def lines_of(facts):
    out = Console(file=io.StringIO(), width=200)
    out.print(as_table(facts))
    return [" ".join(line.split()) for line in out.file.getvalue().splitlines()]


def test_doubtful_latencies_are_marked_and_accuracy_has_its_interval(tmp_path):
    facts = collect(write_run(tmp_path / "run"))
    heading, *_, last = lines_of(facts)
    assert heading.startswith("model precision parameters MACs bytes test accuracy (95 % interval)")
    assert last.startswith("student, hints + KD int8 100 1,312 2,296 100.00 % (80.00 to 100.00)")
    assert last.endswith("10.0* 20.0* 8.00")
    sound = [row | {"verdict": "valid"} for row in facts["rows"]]
    assert lines_of(facts | {"rows": sound})[-1].endswith("10.0 20.0 8.00")
    assert "balanced" not in heading


def test_balanced_figures_stand_beside_accuracy_where_classes_are_uneven(tmp_path):
    facts = collect(write_run(tmp_path / "run"))
    uneven = {
        "labels": np.array([0, 0, 0, 0, 0, 0, 1, 2]),
        "kd:int8": logits(CHOICES["hint+kd:int8"]),
    }
    first, second, *_, last = lines_of(facts | {"scores": scores(uneven)})
    assert first == "test accuracy balanced precision F1"
    assert "(95 % interval) accuracy (macro) (macro)" in second
    assert last.count("%") == 4
    assert len(LABELS) == len(uneven["labels"])


def test_figures_that_are_not_known_are_dashes(tmp_path):
    facts = collect(write_run(tmp_path / "run", stages=8))  # no benchmark
    assert lines_of(facts)[-1].endswith("– – –")  # noqa: RUF001
