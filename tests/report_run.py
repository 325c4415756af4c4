"""A small run folder for the tests of the report, written file by file without TensorFlow.

Its figures are worked out by hand in the tests: 8 test samples of three classes; what each file
chooses stands in CHOICES.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import yaml

from hintlite.pipeline.app.run.folder import RunFolder, Stage

TINY = Path(__file__).parent / "data" / "tiny_int8.tflite"
LABELS = [0, 0, 0, 1, 1, 1, 2, 2]
CHOICES = {
    "teacher:float32": [0, 0, 0, 1, 1, 1, 2, 2],
    "teacher:int8": [0, 0, 0, 1, 1, 1, 2, 1],
    "scratch:float32": [0, 0, 1, 1, 1, 1, 0, 2],
    "scratch:int8": [0, 0, 0, 1, 1, 2, 0, 2],
    "hint+kd:float32": [0, 0, 0, 1, 1, 1, 2, 1],
    "hint+kd:int8": [0, 0, 0, 1, 1, 1, 2, 2],
}
P50_US = {"teacher:float32": 80.0, "teacher:int8": 20.0, "hint+kd:int8": 10.0}
ARMS = ("scratch", "hint+kd")
ALL = 100  # more stages than there are


def settings(**changes):
    """Settings as `hintlite run` writes them, shortened."""
    return {
        "seed": 7,
        "deterministic": False,
        "data": {"source": "npz", "path": "x.npz", "split_seed": 3, "augmentation": {"flip": True}},
        "teacher": {"widths": [6, 8]},
        "teacher_training": {"epochs": 2},
        "teacher_members": 1,
        "student": {"widths": [3, 4]},
        "training": {"epochs": 2},
        "arms": list(ARMS),
        "deploy": "best",
        "hint": {"epochs": 2},
        "benchmark": {"threads": 1},
    } | changes


def write_run(
    path,
    stages=ALL,
    classes=("cat", "dog", "ant"),
    now=None,
    test="t" * 64,
    targets=(),
    name=None,
):
    """Writes settings and the first so many stages.

    Args:
        path: the run folder.
        stages: how many stages are complete.
        classes: names of the three classes.
        now: settings that the run has; the stages record them.
        test: hash of the test samples.
        targets: cores that the bundle was emulated on.
        name: of the data; that of the source if None.
    """
    now = now or settings()
    path.mkdir(parents=True, exist_ok=True)
    (path / "settings.yaml").write_text(yaml.safe_dump(now, sort_keys=False))
    folder = RunFolder(path)
    for stage, names, inputs, work in list(_stages(classes, name))[:stages]:
        recorded = {key: now[key] for key in names}
        recorded |= {"test": test} if stage == "evaluate" else {}
        folder.complete(Stage(stage, 1, recorded, inputs, ("numpy", "pyyaml"), work))
    for core in targets:
        write_target(path, core, emulated(core))
    return path


def write_target(path, core, result):
    """Writes the stage of one core of a run that has a bundle."""

    def work(folder):
        _json(folder / "result.json", result)

    stage = Stage(f"targets/{core}", 1, {"target": core}, ("bundle",), ("numpy",), work)
    RunFolder(path).complete(stage)


def _stages(classes, name):
    """Name, names of settings, inputs, and what fills the folder."""
    yield "data", ("data",), (), lambda folder: _json(folder / "data.json", _data(classes, name))
    yield "teacher/0", ("teacher", "teacher_training"), ("data",), _teacher
    for arm in ARMS:
        inputs = ("data", "teacher/0")
        yield f"distill/{arm}", ("student", "training"), inputs, _student(arm)
    quantize = tuple(f"quantize/{model}" for model in ("teacher", *ARMS))
    for stage in quantize:
        model = stage.removeprefix("quantize/")
        trained = ("teacher/0",) if model == "teacher" else (f"distill/{model}", "teacher/0")
        yield stage, (), ("data", *trained), _quantized(model)
    yield "evaluate", (), ("data", *quantize), _evaluated
    yield "bundle", ("seed", "arms", "deploy"), ("data", *quantize[1:]), _bundled(classes)
    yield "benchmark", ("benchmark",), quantize, _benchmarked


def _json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def _data(classes, name):
    named = {} if name is None else {"name": name}
    return named | {
        "source": "npz",
        "fingerprint": "f" * 64,
        "input_shape": [8, 8, 1],
        "raw_dtype": "uint8",
        "class_names": list(classes),
        "normalization": {"mean": [0.0], "std": [255.0]},
        "train": 60,
        "validation": 6,
        "calibration": 5,
    }


def _teacher(folder):
    header = "phase,epoch,accuracy,ce,loss,val_accuracy,val_ce,val_loss,learning_rate\n"
    rows = "task,1,0.5,1.1,1.1,0.6,1.0,1.0,0.001\ntask,2,0.7,0.6,0.6,0.8,0.5,0.5,0.0\n"
    (folder / "history.csv").write_text(header + rows)
    _json(folder / "summary.json", {"parameters": 1000, "best": None})


def _student(arm):
    def work(folder):
        hint = arm == "hint+kd"
        header = "phase,epoch,hint,loss,val_hint,val_loss,accuracy,ce,val_accuracy,val_ce\n"
        pretrain = "pretrain,1,9,9,8,8,,,,\npretrain,2,7,7,6,6,,,,\n" if hint else ""
        task = "task,1,,1.2,,1.1,0.4,1.2,0.5,1.1\ntask,2,,nan,,0.9,0.6,0.8,0.7,0.9\n"
        (folder / "history.csv").write_text(header + pretrain + task)
        _json(folder / "summary.json", {"parameters": 100, "best": None})
        if hint:
            np.savez(folder / "hint_maps.npz", **maps())

    return work


def maps():
    """Two images and their maps: the regressed ones are half of the teacher's."""
    rng = np.random.default_rng(0)
    hint = rng.uniform(0, 2, (2, 4, 4, 3)).astype(np.float32)
    images = rng.integers(0, 256, (2, 8, 8, 1)).astype(np.uint8)
    return {"images": images, "hint:stage1 <- stage2": hint, "regressed:stage1 <- stage2": hint / 2}


def _quantized(model):
    def work(folder):
        for precision in ("float32", "int8"):
            name = "teacher" if model == "teacher" else "student"
            (folder / f"{name}_{precision}.tflite").write_bytes(TINY.read_bytes())
        accuracy = {"teacher": 0.9, "scratch": 0.5, "hint+kd": 0.8}[model]
        figures = {
            "agreement": 1.0,
            "agreement_interval": [0.61, 1.0],
            "logits_range": 2.0,
            "max_float_error": 1e-7,
            "max_int8_error": 0.02,
            "max_int8_error_steps": 3.5,
            **dict.fromkeys(("keras_accuracy", "float_accuracy", "int8_accuracy"), accuracy),
        }
        _json(folder / "verify.json", {"ok": True, "samples": 6, "figures": figures})

    return work


def logits(choices):
    """[n, 3]: 4 for the chosen class, 0 for the others."""
    return 4 * np.eye(3, dtype=np.float32)[choices]


def _evaluated(folder):
    arrays = {name: logits(choices) for name, choices in CHOICES.items()}
    np.savez(folder / "predictions.npz", labels=np.array(LABELS, np.int64), **arrays)
    metrics = {}
    for name, choices in CHOICES.items():
        correct = sum(a == b for a, b in zip(LABELS, choices, strict=True))
        share = correct / len(LABELS)
        interval = {"low": max(0.0, share - 0.2), "high": min(1.0, share + 0.1)}
        metrics[name] = {"correct": correct, "total": len(LABELS), "accuracy": share} | interval
    _json(folder / "metrics.json", metrics)


def _bundled(classes):
    provenance = {"arm": "hint+kd", "commit": "c0ffee", "seed": 7, "hintlite": "0.1.0"}
    manifest = {"task": {"labels": list(classes)}, "provenance": provenance}

    def work(folder):
        _json(folder / "device" / "manifest.json", manifest)
        (folder / "device" / "student_int8.tflite").write_bytes(TINY.read_bytes())

    return work


def _benchmarked(folder):
    for name in CHOICES:
        model, precision = name.split(":")
        _json(folder / f"{model}.{precision}.json", benchmark(P50_US.get(name, 40.0)))


def benchmark(p50):
    """A result of the host whose verdict is doubtful."""
    why = {"state": "doubtful", "code": "busy", "what": "load 3", "why": "others", "cure": "wait"}
    shares = {"min": 0.9, "p50": 1, "p90": 1.2, "p99": 2, "max": 9, "mean": 1.1, "std": 0.1}
    machine = {"cpu": "A <b>CPU</b>", "cores": 2, "before": {"load_average": [3, 2, 1]}}
    return {
        "kind": "measured",
        "target": "host",
        "model_sha256": "0" * 64,
        "verdict": {"state": "doubtful", "reasons": [why]},
        "latency_us": {name: share * p50 for name, share in shares.items()}
        | {"import": 2e5, "load": 900.0, "allocate": 500.0, "first": 150.0},
        "memory_bytes": 5_000_000,
        "accuracy": None,
        "raw": {
            "machine": machine,
            "runtime": {"name": "ai-edge-litert", "version": "2.3.0"},
            "settings": {"kernels": "xnnpack", "threads": 1, "windows": 5},
            "latency": {"steady": {"runs": 99, "windows": []}},
            "started_utc": "2026-01-02T03:04:05+00:00",
        },
    }


LAYERS = {"CONV_2D": 9000, "MEAN": 2000, "FULLY_CONNECTED": 1345}
TFLM_BYTES = 816
ARENA_BYTES = 204  # of TINY, and no plan of its buffers is smaller


def emulated(core, **changes):
    """A result of an emulated core for TINY.

    Args:
        core: its name; all have the same figures.
        changes: of raw.
    """
    raw = {
        "unit": "instructions, counted by QEMU; not cycles and not time",
        "instructions_per_inference": sum(LAYERS.values()) + 22,
        "instructions": [12367, 12367],
        "layers": [
            {"index": i, "operator": name, "instructions": count}
            for i, (name, count) in enumerate(LAYERS.items())
        ],
        "code_bytes": 5432,
        "weight_bytes": 321,
        "ram_bytes": 208,
        "arena_bytes": ARENA_BYTES,
        "stack_bytes": 164,
        "machine": "mps2-an386",
        "flags": [f"-mcpu={core}", "-O2"],
        "tools": {"arm-none-eabi-gcc": "gcc <b>12</b>", "qemu-system-arm": "QEMU 7.2"},
        "agreement": {
            "outputs": 6,
            "equal": 5,
            "largest_difference_steps": 1,
            "mean_difference_steps": 1 / 6,
            "same_class": 2,
            "samples": 2,
        },
        "tflm_arena_bytes_x86_64": TFLM_BYTES,
    }
    return {
        "kind": "simulated",
        "target": core,
        "model_sha256": hashlib.sha256(TINY.read_bytes()).hexdigest(),
        "verdict": {"state": "valid", "reasons": []},
        "latency_us": None,
        "memory_bytes": 372,
        "accuracy": {"correct": 2, "total": 2},
        "raw": raw | changes,
    }
