"""bench_tflite.py: what makes a run valid, doubtful or invalid."""

import types

import numpy as np
import pytest
from tiny_bundle import MODEL, write_bundle, write_manifest

from hintlite.benchmarks import bench_tflite as bench


def good_report() -> dict:
    """A report that nothing speaks against."""
    window = {"runs": 1000, "seconds": 2.0, "mean_us": 2000.0, "p50_us": 1990.0}
    steady = {"windows": [window] * 5, "runs": 5000, "spread_percent": 1.0}
    state = {"governors": ["performance"] * 4, "load_average": [0.1, 0.1, 0.1]}
    check = {"kernels": "reference", "samples": 8, "equal": 8, "max_difference_steps": 0}
    check |= {"max_difference": None, "expected_range": None}
    exactness = {"expected_kernels": "reference", "same_runtime": True, "bit_exact": True}
    return {
        "finite_outputs": True,
        "model": {"precision": "int8"},
        "settings": {"threads": 1, "kernels": "xnnpack"},
        "latency": {"steady": steady},
        "runtime": {"delegate_asked": True, "delegate_applied": True},
        "exactness": {**exactness, "checks": [{**check, "kernels": "xnnpack", "equal": 5}, check]},
        "machine": {
            "cores": 4,
            "usable_cores": 4,
            "emulator": None,
            "before": state,
            "after": state,
            "throttled_words": ["0x0"] * 6,
            "other_cpu_share": 0.01,
        },
    }


def differ(report, steps, same_runtime, **more):
    report["exactness"].update(bit_exact=False, same_runtime=same_runtime)
    report["exactness"]["checks"][1].update(equal=7, max_difference_steps=steps, **more)


def timed(report, steps, precision="int8", apart=None, span=None):
    """What the kernels that were timed gave; the check of the reference kernels stays sound."""
    report["model"]["precision"] = precision
    check = report["exactness"]["checks"][0]
    check.update(max_difference_steps=steps, max_difference=apart, expected_range=span)


def test_a_good_report_is_valid():
    assert bench.judge(good_report()) == {"state": "valid", "reasons": []}


DOUBTS = {
    "throttled now": ("throttled", lambda r: r["machine"].update(throttled_words=["0x0", "0x2"])),
    "throttled in between": (
        "throttled",
        lambda r: r["machine"].update(throttled_words=["0x0", "0x40004", "0x40000"]),
    ),
    "newly since boot": (
        "throttled",
        lambda r: r["machine"].update(throttled_words=["0x40000", "0x50000"]),
    ),
    "governor": ("governor", lambda r: r["machine"].update(after={"governors": ["ondemand"]})),
    "one governor": (
        "governor",
        lambda r: r["machine"].update(before={"governors": ["performance", "powersave"]}),
    ),
    "busy": ("busy", lambda r: r["machine"].update(other_cpu_share=0.11)),
    "loaded": (
        "busy",
        lambda r: r["machine"].update(other_cpu_share=None, before={"load_average": [2.1, 0, 0]}),
    ),
    "spread": ("spread", lambda r: r["latency"]["steady"].update(spread_percent=5.1)),
    "few runs": ("short", lambda r: r["latency"]["steady"].update(runs=49)),
    "short windows": (
        "short",
        lambda r: r["latency"]["steady"].update(windows=[{"seconds": 0.19}] * 5),
    ),
    "emulated": ("emulated", lambda r: r["machine"].update(emulator="qemu-aarch64")),
    "threads": ("threads", lambda r: r["settings"].update(threads=5)),
    "delegate": ("delegate_not_applied", lambda r: r["runtime"].update(delegate_applied=False)),
    "other runtime": ("other_runtime", lambda r: differ(r, 2, same_runtime=False)),
    "timed kernels": ("kernels_differ", lambda r: timed(r, 9)),
    "timed kernels, far": ("kernels_differ", lambda r: timed(r, 255)),
    "timed float": ("kernels_differ", lambda r: timed(r, None, "float32", 0.11, 10.0)),
    "timed half": ("kernels_differ", lambda r: timed(r, None, "float16", 0.11, 10.0)),
    "timed float ends": ("kernels_differ", lambda r: timed(r, None, "int8_float_io", 1.1, 10.0)),
}
INVALID = {
    "nan": ("not_finite", lambda r: r.update(finite_outputs=False)),
    "one step": ("outputs_differ", lambda r: differ(r, 1, same_runtime=True)),
    "other runtime, far": ("outputs_differ", lambda r: differ(r, 3, same_runtime=False)),
    "float": (
        "outputs_differ",
        lambda r: differ(r, None, same_runtime=True, max_difference=0.2, expected_range=10.0),
    ),
}


@pytest.mark.parametrize("case", DOUBTS)
def test_what_makes_a_run_doubtful(case):
    code, change = DOUBTS[case]
    report = good_report()
    change(report)
    verdict = bench.judge(report)
    assert (verdict["state"], [r["code"] for r in verdict["reasons"]]) == ("doubtful", [code])
    assert all(verdict["reasons"][0].values())


@pytest.mark.parametrize("case", INVALID)
def test_what_makes_a_run_invalid(case):
    code, change = INVALID[case]
    report = good_report()
    change(report)
    DOUBTS["busy"][1](report)
    verdict = bench.judge(report)
    assert verdict["state"] == "invalid"
    assert [reason["code"] for reason in verdict["reasons"]] == [code, "busy"]


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r["machine"].update(throttled_words=["0x50000"] * 6),  # long ago
        lambda r: r["machine"].update(throttled_words=None),
        lambda r: r["machine"].update(before={"governors": None}, after={"governors": None}),
        lambda r: r["runtime"].update(delegate_applied=None),
        lambda r: r["runtime"].update(delegate_asked=False, delegate_applied=False),
        lambda r: r["exactness"].update(bit_exact=None),
        lambda r: differ(r, None, same_runtime=False, max_difference=0.09, expected_range=10.0),
        lambda r: r.update(exactness=None),
        lambda r: timed(r, 3),
        lambda r: timed(r, 8),
        lambda r: timed(r, None, "float32", 0.09, 10.0),
        lambda r: timed(r, None, "int8_float_io", 0.9, 10.0),
        lambda r: timed(r, None, "dynamic_range", 0.9, 10.0),
        lambda r: timed(r, None, None, 0.9, 10.0),
        lambda r: timed(r, None, "float32", 1e-7, 0.0),  # one output of one sample
    ],
)
def test_what_is_unknown_or_harmless_speaks_against_nothing(change):
    report = good_report()
    change(report)
    assert bench.judge(report)["state"] == "valid"


def test_the_timed_kernels_are_judged_where_no_other_are_run(tmp_path):
    """As in a row of a sweep, and with a runtime that cannot choose its kernels."""
    bundle = write_bundle(tmp_path / "bundle")
    options = bench.Options(
        bundle=str(bundle), window_s=0.01, warmup_s=0.0, windows=1, min_runs=1, compare=False
    )
    assert "kernels_differ" not in codes(bench.measure(options))
    with np.load(bundle / "samples.npz", allow_pickle=False) as file:
        arrays = dict(file)
    expected = arrays["expected:" + MODEL].astype(np.int16)
    arrays["expected:" + MODEL] = np.where(expected > 0, expected - 40, expected + 40).astype(
        np.int8
    )
    np.savez(bundle / "samples.npz", **arrays)
    (bundle / "manifest.json").unlink()
    write_manifest(bundle, [8, 8, 1], 4)
    report = bench.measure(options)
    assert report["exactness"]["bit_exact"] is None
    assert "kernels_differ" in codes(report)
    assert report["verdict"]["state"] == "doubtful"


def codes(report):
    return [reason["code"] for reason in report["verdict"]["reasons"]]


def test_nan_outputs_are_seen():
    def interpreter(value):
        return types.SimpleNamespace(
            get_output_details=lambda: [{"index": 3}], get_tensor=lambda index: np.array(value)
        )

    assert bench.outputs_finite(interpreter([1.0, 2.0]))
    assert not bench.outputs_finite(interpreter([1.0, np.nan]))
    assert not bench.outputs_finite(interpreter([np.inf]))
    assert bench.outputs_finite(interpreter([1, 2]))
