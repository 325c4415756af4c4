"""The tables of README.md and of pages under docs: made from reports, and what they say."""

import json
import sys
from pathlib import Path

import pytest

from hintlite.benchmarks.dev import results_tables
from hintlite.benchmarks.dev.results_tables import TableError, filled

ROOT = Path(__file__).parents[1]
DOCUMENTS = (ROOT / "README.md", ROOT / "docs/results.md", ROOT / "docs/sequences.md")
REPORT = {
    "arms": [
        {
            "name": "scratch",
            "n": 2,
            "planned": 3,
            "float32": {"mean": 0.9, "sd": 0.0123},
            "int8": {"mean": 0.89, "sd": 0.001},
            "validation": {"mean": 0.91},
        },
        {
            "name": "mine",
            "n": 1,
            "planned": 1,
            "float32": {"mean": 0.5, "sd": None},
            "int8": {"mean": 0.25, "sd": None},
            "validation": {"mean": 0.75},
        },
        {"name": "kd", "n": 0, "planned": 3},
    ],
    "teachers": [{"float32": {"accuracy": 0.95}, "int8": {"accuracy": 0.94}}],
    "comparisons": {
        "int8": [
            {"arm": "hint+kd", "reference": "kd", "n": 3, "mean": 0.0071, "low": -0.001}
            | {"high": 0.0152, "p": 0.0004, "p_adjusted": 0.25},
            {"arm": "kd", "reference": "scratch", "n": 2, "mean": -0.001, "low": None}
            | {"high": None, "p": None, "p_adjusted": None},
        ]
    },
    "drops": {
        "arms": [
            {"arm": "kd", "n": 4, "mean": -0.0004, "low": -0.0008, "high": 0.0}
            | {"p": None, "p_adjusted": None}
        ]
    },
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "report.json").write_text(json.dumps(REPORT))
    return tmp_path


def block(kind, inside="old\n", sources="report.json"):
    return f"before\n<!-- {kind}: {sources} -->\n{inside}<!-- end -->\nafter\n"


def lines(kind, folder):
    text, _ = filled(block(kind), folder)
    assert text.startswith("before\n<!-- ")
    assert text.endswith("<!-- end -->\nafter\n")
    return text.splitlines()[2:-2]


def test_arms_have_their_spread_from_two_seeds_on_and_none_without_runs(folder):
    assert lines("arms", folder) == [
        "| arm | seeds | float | INT8 | validation, INT8 |",
        "|---|---|---|---|---|",
        "| student alone | 2 | 90.00 ± 1.23 % | 89.00 ± 0.10 % | 91.00 % |",
        "| mine | 1 | 50.00 % | 25.00 % | 75.00 % |",
    ]


def test_an_arm_without_an_int8_file_has_empty_places(folder):
    dead = {"name": "dead", "n": 1, "planned": 1, "int8": None, "validation": None}
    dead["float32"] = {"mean": 0.1, "sd": None}
    (folder / "report.json").write_text(json.dumps(REPORT | {"arms": [dead]}))
    assert lines("arms", folder)[2:] == ["| dead | 1 | 10.00 % |  |  |"]


def test_the_summary_begins_with_the_teacher(folder):
    assert lines("summary", folder)[2:] == [
        "| teacher | 1 | 95.00 % | 94.00 % |",
        "| student alone | 2 | 90.00 ± 1.23 % | 89.00 ± 0.10 % |",
        "| mine | 1 | 50.00 % | 25.00 % |",
    ]


def test_differences_are_points_and_small_probabilities_are_not_nought(folder):
    assert lines("against", folder)[2:] == ["| KD | 3 | +0.71 | -0.10 to +1.52 | < 0.001 | 0.250 |"]


def test_two_pairs_have_neither_interval_nor_test(folder):
    assert lines("references", folder)[2:] == ["| KD | student alone | 2 | -0.10 |  |  |  |"]


def test_a_difference_without_spread_has_an_interval_and_no_test(folder):
    assert lines("drops", folder)[2:] == ["| KD | 4 | -0.04 | -0.08 to +0.00 |  |  |"]


@pytest.fixture
def record(tmp_path):
    """Of two seeds on a set of series."""
    spread = {"mean": 0.95, "deviation": 0.011, "lowest": 0.942, "highest": 0.958}
    facts = {
        "set": "waves",
        "seeds": 2,
        "summary": {
            "teacher:float32": {**spread, "gap_to_float_teacher": 0.0},
            "kd:float32": {**spread, "gap_to_float_teacher": 0.0},
            "kd:int8": {**spread, "gap_to_float_teacher": 0.0031},
        },
        "runs": [
            {
                "deployed": "kd",
                "parameters": {"teacher": 1000, "kd": 100},
                "int8_bytes": {"teacher": 5000, "kd": 2000},
            }
        ],
        "cortex-m4": {
            "instructions_per_inference": 123456,
            "code_bytes": 4000,
            "weight_bytes": 500,
            "ram_bytes": 300,
            "stack_bytes": 36,
        },
    }
    (tmp_path / "report.json").write_text(json.dumps(facts))
    return tmp_path


def test_the_students_of_series_stand_beside_the_float_teacher(record):
    assert lines("series", record)[2:] == [
        "| teacher | float32 | 95.00 ± 1.10 % | 94.20 to 95.80 % |  |",
        "| KD | int8 | 95.00 ± 1.10 % | 94.20 to 95.80 % | -0.31 |",
    ]


def test_flash_is_code_and_weights_and_ram_holds_the_stack(record):
    assert lines("devices", record)[2:] == [
        "| waves | 2 | 1,000 | 100 | 2,000 | 123,456 | 4,500 | 336 |"
    ]


def test_the_runs_are_counted(folder):
    assert lines("runs", folder) == ["**3 of the 7 runs** are done."]
    done = {"arms": [{"n": 3, "planned": 3}, {"n": 1, "planned": 1}]}
    (folder / "report.json").write_text(json.dumps(done))
    assert lines("runs", folder) == ["All 4 runs are done."]


def test_only_blocks_that_change_are_named(folder):
    once, stale = filled(block("runs") + block("arms"), folder)
    assert stale == ["<!-- runs: report.json -->", "<!-- arms: report.json -->"]
    assert filled(once, folder) == (once, [])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (block("pie"), "'pie' is no kind of table; there are runs, arms"),
        (block("arms", sources="missing.json"), "missing.json cannot be read: No such file"),
        (block("arms", sources="list.json"), "list.json does not say what 'arms' is made of"),
        (block("depths"), "report.json does not say what 'depths' is made of"),
    ],
)
def test_a_block_that_cannot_be_filled_is_told_of(folder, text, words):
    (folder / "list.json").write_text("[]")
    with pytest.raises(TableError, match=words):
        filled(text, folder)


def test_the_command_checks_and_writes(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    Path("page.md").write_text(block("runs"))
    monkeypatch.setattr(sys, "argv", ["results_tables", "--check", "page.md"])
    with pytest.raises(SystemExit) as stopped:
        results_tables.main()
    assert stopped.value.code == 1
    assert "not up to date: <!-- runs: report.json -->" in capsys.readouterr().out
    assert Path("page.md").read_text() == block("runs")

    monkeypatch.setattr(sys, "argv", ["results_tables", "page.md"])
    results_tables.main()
    assert "written" in capsys.readouterr().out
    assert Path("page.md").read_text() == block("runs", "**3 of the 7 runs** are done.\n")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_kept_tables_are_what_the_kept_reports_say(document):
    text = document.read_text()
    assert text.count("<!-- end -->") == len(results_tables.BLOCK.findall(text)) > 0
    assert filled(text, ROOT)[1] == []
