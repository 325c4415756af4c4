"""A bundle around data/tiny_int8.tflite, made without TensorFlow, for the tests of benchmarks."""

import hashlib
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np

TINY = Path(__file__).parent / "data" / "tiny_int8.tflite"
SCRIPT = Path(__file__).parents[1] / "benchmarks" / "bench_tflite.py"
MODEL = "student_int8.tflite"
MEAN, STD, COUNT = 10.0, 245.0, 12
JSON = ["--json", "-"]
FAST = [*JSON, "--window-s", "0.05", "--warmup-s", "0.02", "--min-runs", "3"]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def reference_outputs(model: Path, raw: np.ndarray) -> np.ndarray:
    """What LiteRT's reference kernels give for raw uint8 images, [k, classes] int8."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        str(model), experimental_op_resolver_type=OpResolverType.BUILTIN_REF, num_threads=1
    )
    interpreter.allocate_tensors()
    taken, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero_point = taken["quantization"]
    outputs = []
    for image in raw:
        real = (image.astype(np.float32) - np.float32(MEAN)) / np.float32(STD)
        steps = np.floor(real.astype(np.float64) / scale + 0.5) + zero_point
        interpreter.set_tensor(taken["index"], np.clip(steps, -128, 127).astype(np.int8)[None])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(given["index"])[0])
    return np.stack(outputs)


def write_bundle(folder: Path, model: Path = TINY, shape: tuple[int, ...] = (8, 8, 1)) -> Path:
    """Writes the model, samples with expected outputs, the script and the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL).write_bytes(model.read_bytes())
    (folder / "bench_tflite.py").write_bytes(SCRIPT.read_bytes())
    raw = np.random.default_rng(1).integers(0, 256, (COUNT, *shape)).astype(np.uint8)
    expected = reference_outputs(model, raw)
    labels = expected.argmax(axis=1).astype(np.int64)
    labels[0] = (labels[0] + 1) % expected.shape[1]  # one wrong sample: COUNT - 1 are right
    arrays = {"inputs": raw, "labels": labels, "expected:" + MODEL: expected}
    np.savez(folder / "samples.npz", **arrays)
    write_manifest(folder, list(shape), expected.shape[1])
    return folder


def write_manifest(folder: Path, shape: list[int], classes: int) -> None:
    """Writes the manifest of a folder that holds everything else, hashes as the files are now."""
    files = sorted(path for path in folder.iterdir() if path.name != "manifest.json")
    manifest = {
        "format": "hintlite-bundle",
        "version": 1,
        "task": {"labels": [str(n) for n in range(classes)], "input_shape": shape},
        "normalization": {"mean": [MEAN], "std": [STD], "raw_dtype": "uint8"},
        "models": {MODEL: {"precision": "int8"}},
        "samples": {
            "file": "samples.npz",
            "count": COUNT,
            "kernels": "reference",
            "runtime": "ai-edge-litert " + version("ai-edge-litert"),
        },
        "files": {p.name: {"sha256": sha256(p), "bytes": p.stat().st_size} for p in files},
        "provenance": {},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))


def run(*words, cwd, python=("-I",)):
    """The script in a process that knows nothing of this repository."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    script = Path(cwd) / "bench_tflite.py"
    command = [sys.executable, *python, str(script if script.exists() else SCRIPT), *words]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def error_line(process) -> str:
    """The one line of a process that failed without a JSON."""
    assert process.stdout == ""
    assert "Traceback" not in process.stderr
    lines = [line for line in process.stderr.splitlines() if "error:" in line]
    assert len(lines) == 1
    return lines[0]
