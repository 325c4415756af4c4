"""An explanation of INT8's error for the tests of the report, with figures made up by hand."""

import json

from hintlite.pipeline.app.run.folder import RunFolder, Stage

SENTENCE = "The output of operator 1 (CONV_2D, <b>conv</b>) costs 1.2 points."


def operator(index, kind, points, share=0.25):
    gain = {"won": 4, "lost": 1, "points": points, "p_value": 0.01, "error_share": share}
    return {
        "index": index,
        "operator": kind,
        "tensor": "x",
        "layer": f"<i>layer{index}</i>",
        "output": {
            **{"sqnr_db": 20.5 + index, "clipped": 0.0125, "range_use": 0.5},
            **{"widest_channel": 3, "channel_ratio": 98.7},
        },
        "weights": {"ratio": 12.5, "channel_ranges": [1.0], "scales": [0.1], "sqnr_db": 40.0},
        "regained": gain if points is not None else None,
    }


def content(operators=None):
    return {
        "schema": "hintlite-explanation/1",
        **{"samples": 1234, "labelled": True, "against": "float file"},
        **{"float_accuracy": 0.95, "int8_accuracy": 0.9, "simulated_accuracy": 0.901},
        "builtin_accuracy": 0.9,
        "agreement": {
            **{"same_choice": 0.991, "equal_outputs": 0.97, "largest_steps": 2.0},
            **{"missed_error": 0.05, "trusted": True},
        },
        "operators": operators
        or [
            operator(-1, "INPUT", 0.0),
            operator(0, "CONV_2D", -0.5),
            operator(1, "CONV_2D", 1.2),
            operator(2, "MAX_POOL_2D", None),
        ],
        "finding": {"worst": 1, "costs_accuracy": True, "sentence": SENTENCE},
        "remarks": ["A remark."],
    }


def explain(run, model="hint+kd", found=None):
    def work(folder):
        (folder / "explain.json").write_text(json.dumps(found or content()))

    inputs = ("data", f"quantize/{model}")
    stage = Stage(f"explain/{model}", 1, {"samples": 1000}, inputs, ("numpy",), work)
    RunFolder(run).complete(stage)
