"""Emulated microcontrollers on the page: the simulator's figures, and never as measured ones."""

import json
import re
import shutil

import pytest
from report_run import (
    ARENA_BYTES,
    LAYERS,
    TFLM_BYTES,
    emulated,
    settings,
    write_run,
    write_target,
)

from hintlite.benchmarks.targets.base import BenchmarkResult
from hintlite.pipeline.report.collect import collect
from hintlite.pipeline.report.page import page
from hintlite.pipeline.report.section import Report
from hintlite.pipeline.report.subjects import microcontrollers
from hintlite.pipeline.report.subjects.layers import layer_picture, layer_table

CORE = "cortex-m4"
SMALLER = {"instructions_per_inference": 6000, "instructions": [6000, 6100]}


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    run = write_run(tmp_path_factory.mktemp("run") / "mine", targets=(CORE,))
    return Report("mine", run, collect(run))


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A run of fewer instructions, on one core more, whose verdict is bad."""
    run = write_run(tmp_path_factory.mktemp("run") / "other", now=settings(seed=8))
    write_target(run, CORE, emulated(CORE, **SMALLER, agreement=None))
    why = {"state": "invalid", "code": "x", "what": "<i>far</i>", "why": "broken", "cure": "ask"}
    bad = emulated("cortex-m7") | {"verdict": {"state": "invalid", "reasons": [why]}}
    write_target(run, "cortex-m7", bad)
    return Report("other", run, collect(run))


def run_with(tmp_path, result):
    run = write_run(tmp_path / "run")
    write_target(run, CORE, result)
    return run


def text_of(section):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", section.html))


def tables(section):
    """Caption -> rows of texts, the headings first."""
    found = {}
    for table in re.findall(r"<table.*?</table>", section.html, re.DOTALL):
        rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
        cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]
        caption = re.search(r"<caption>(.*?)</caption>", table)[1]
        found[caption] = [[re.sub(r"<.*?>", "", each) for each in row] for row in cells]
    return found


def records(rows):
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def test_the_synthetic_result_is_one_that_a_target_may_give():
    assert BenchmarkResult.from_dict(emulated(CORE)).kind == "simulated"


def test_facts_hold_the_figures_of_the_result(mine):
    (found,) = mine.facts["microcontrollers"]
    assert (found["kind"], found["target"], found["model"]) == ("simulated", CORE, "hint+kd")
    assert found["instructions_per_inference"] == 9000 + 2000 + 1345 + 22
    assert found["instructions_range"] == [12367, 12367]
    assert [layer["instructions"] for layer in found["layers"]] == [9000, 2000, 1345]
    assert (found["code_bytes"], found["weight_bytes"], found["stack_bytes"]) == (5432, 321, 164)
    assert found["ram_bytes"] == 208
    assert found["tflm_arena_bytes_x86_64"] == TFLM_BYTES
    assert found["agreement"]["equal"] == 5
    assert found.get("estimated_latency_us") is None
    # In use at once: the convolution's 6 x 6 x 4 outputs and its 60 bytes of scratch.
    assert found["arena_lower_bound_bytes"] == 6 * 6 * 4 + 60
    assert mine.facts["unfinished"] == []


def test_no_target_no_section(tmp_path):
    run = write_run(tmp_path / "run")
    facts = collect(run)
    assert facts["microcontrollers"] == []
    assert not any("--target" in entry["command"] for entry in facts["reproduce"])
    assert microcontrollers.render([Report("run", run, facts)]) is None


def test_a_core_has_its_table_its_layers_and_the_arena(mine):
    section = microcontrollers.render([mine])
    shown = tables(section)
    assert records(shown[f"{CORE}: instructions, memory, agreement"]) == [
        {
            "network": "student, hints + KD, INT8",
            "instructions per inference": "12,367",
            "code, bytes": "5,432",
            "weights, bytes": "321",
            "RAM, bytes": "208",
            "stack, bytes": "164",
            "outputs equal": "5 / 6",
            "largest difference, steps": "1",
            "same class": "2 / 2",
            "kind": "simulated",
            "verdict": "valid",
        }
    ]
    layers = records(shown[f"Layers on {CORE}, simulated"])
    assert [layer["operator"] for layer in layers] == list(LAYERS)
    assert layers[0]["share"] == "72.8\u00a0%"  # 9000 of 12367
    assert records(shown["Arena: plain C and TensorFlow Lite Micro"]) == [
        {
            "network": "student, hints + KD, INT8",
            "C, bytes": "204",
            "lower bound, bytes": "204",
            "TFLM, x86-64, bytes": "816",
            "TFLM / C": "4.00",
        }
    ]
    assert "not cycles and not time" in section.note
    assert "a 32-bit target’s differs" in text_of(section)  # noqa: RUF001
    assert "gcc &lt;b&gt;12&lt;/b&gt;" in section.html


def test_nothing_else_on_the_page_takes_it_as_measured(mine):
    """Apart from its own section only the settings and commands know the target."""
    html = page([mine])
    begin = html.index('<section id="microcontrollers"')
    rest = html[:begin] + html[html.index("</section>", begin) :]
    rest = rest[: rest.index('<section id="reproduce"')]
    assert "12,367" in html
    assert not [word for word in ("12,367", CORE, "QEMU", "mps2") if word in rest]
    for name in ("rows", "latency", "machines"):
        assert CORE not in json.dumps(mine.facts[name])


def test_a_measured_result_is_none_of_a_simulator(tmp_path):
    run = run_with(tmp_path, emulated(CORE) | {"kind": "measured"})
    assert collect(run)["microcontrollers"] == []


def test_runs_are_compared_with_the_first(mine, other):
    section = microcontrollers.render([mine, other])
    shown = tables(section)
    first, second = records(shown[f"{CORE}: instructions, memory, agreement"])
    assert (first["run"], second["run"]) == ("mine", "other")
    assert second["against first"] == "\u221251.5\u00a0%"  # 6000 of 12367
    assert second["outputs equal"] == "–"  # noqa: RUF001
    (alone,) = records(shown["cortex-m7: instructions, memory, agreement"])
    assert alone["against first"] == "–"  # noqa: RUF001
    assert alone["verdict"] == "invalid"
    arenas = records(shown["Arena: plain C and TensorFlow Lite Micro"])
    assert [line["run"] for line in arenas] == ["mine", "other"]  # not once a core
    text = text_of(section)
    assert "The verdict of run other is invalid: &lt;i&gt;far&lt;/i&gt;." in text
    assert "over all samples it is 6,000 to 6,100" in text
    assert "built or emulated differently" not in text


def test_another_compiler_is_pointed_out(tmp_path, mine):
    run = run_with(tmp_path, emulated(CORE, tools={"arm-none-eabi-gcc": "gcc 13"}))
    section = microcontrollers.render([mine, Report("new", run, collect(run))])
    assert "built or emulated differently" in section.html


def test_an_estimate_is_called_one(tmp_path):
    estimate = {"low": 150.0, "high": 300.0, "clock_hz": 8e7, "cycles_per_instruction": [1, 2]}
    run = run_with(tmp_path, emulated(CORE, estimated_latency_us=estimate))
    text = text_of(microcontrollers.render([Report("run", run, collect(run))]))
    words = "Latency, estimated, neither measured nor simulated: 150.0 to 300.0 µs, if"
    assert words in text
    assert "takes 1 to 2 cycles at 80 MHz" in text


def test_unknown_arenas_are_dashes(tmp_path):
    run = run_with(tmp_path, emulated(CORE, tflm_arena_bytes_x86_64=None, arena_bytes=300))
    facts = collect(run)
    # The bound is of the buffers that this version plans, whose arena is another one.
    assert facts["microcontrollers"][0]["arena_lower_bound_bytes"] is None
    shown = tables(microcontrollers.render([Report("run", run, facts)]))
    (line,) = records(shown["Arena: plain C and TensorFlow Lite Micro"])
    assert list(line.values())[1:] == ["300", "–", "–", "–"]  # noqa: RUF001


def test_the_bound_is_of_the_file_that_was_emulated(tmp_path):
    facts = collect(run_with(tmp_path, emulated(CORE) | {"model_sha256": "0" * 64}))
    assert facts["microcontrollers"][0]["arena_lower_bound_bytes"] is None
    assert facts["microcontrollers"][0]["arena_bytes"] == ARENA_BYTES


def test_how_to_make_it_again_is_said(mine):
    lines = {entry["figure"]: entry for entry in mine.facts["reproduce"]}
    line = lines[f"simulated instructions, code and memory on {CORE}"]
    assert line["command"] == f"hintlite benchmark {mine.path} --target {CORE}"
    assert line["files"].startswith(f"targets/{CORE}/result.json")
    assert mine.facts["reproduce"][-1]["figure"] == "this page"


def test_a_changed_result_gives_no_figures(tmp_path):
    run = run_with(tmp_path, emulated(CORE))
    path = run / "targets" / CORE / "result.json"
    path.write_text(path.read_text().replace("12367", "99"))
    facts = collect(run)
    assert facts["microcontrollers"] == []
    assert [each["name"] for each in facts["unfinished"]] == [f"targets/{CORE}/result.json"]
    assert facts["resume"].splitlines() == [
        f"hintlite run {run}",
        f"hintlite benchmark {run} --target {CORE}",
    ]


def test_what_an_older_bundle_did_gives_no_figures(tmp_path):
    older = write_run(tmp_path / "older", targets=(CORE,))
    run = write_run(tmp_path / "run", classes=("x", "y", "z"))
    shutil.copytree(older / "targets", run / "targets")
    facts = collect(run)
    assert facts["microcontrollers"] == []
    (stale,) = facts["unfinished"]
    assert (stale["name"], stale["state"]) == (f"targets/{CORE}", "outdated")
    assert "other files" in stale["reason"]
    assert facts["resume"].endswith(f"--target {CORE}")


def test_a_target_that_was_begun_is_unfinished(tmp_path):
    run = write_run(tmp_path / "run")
    (run / "targets" / f"{CORE}.partial").mkdir(parents=True)
    (run / "targets" / "cortex-m3.old").mkdir()
    facts = collect(run)
    assert facts["unfinished"] == [{"name": f"targets/{CORE}", "state": "begun", "reason": None}]


def test_a_deep_network_is_drawn_by_its_costliest_layers():
    layers = [{"index": i, "operator": "CONV_2D", "instructions": 100 + i} for i in range(40)]
    entry = {"instructions_per_inference": 4780, "layers": layers}
    picture = layer_picture("x", CORE, entry, "#010101", 139)
    assert picture.caption == f"The 24 costliest of 40 layers by instructions on {CORE}, simulated"
    assert ">16 CONV_2D<" in picture.svg
    assert ">15 CONV_2D<" not in picture.svg
    assert layer_table(CORE, entry).count("<tr>") == 1 + 40


def test_bars_are_as_long_as_their_counts():
    layers = [{"index": i, "operator": "MEAN", "instructions": n} for i, n in enumerate((3, 1))]
    entry = {"instructions_per_inference": 4, "layers": layers}
    svg = layer_picture("x", CORE, entry, "#070701", 3).svg
    ends = [
        [float(x) for x in re.findall(r"[ML] ([\d.]+) ", path)]
        for path in re.findall(r"<path d=\"([^\"]*)\"[^>]*fill: var\(--s1\)", svg)
    ]
    lengths = [max(xs) - min(xs) for xs in ends]
    assert lengths[0] == pytest.approx(3 * lengths[1], rel=1e-3)
