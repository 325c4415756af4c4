"""bench_tflite.py under each Python that a device may have, with a runtime for it."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from json_schema import faults
from tiny_bundle import COUNT, FAST, SCRIPT, write_bundle

SCHEMA = json.loads(SCRIPT.with_suffix(".schema.json").read_text())
SCRIPTS = Path(__file__).parents[1] / "deploy" / "bundle"
LITERT, TFLITE = "ai-edge-litert", "tflite-runtime"
PYTHONS = [
    ("3.7", f"{TFLITE}==2.11.0", "numpy<2"),
    ("3.8", f"{TFLITE}==2.14.0", "numpy<2"),
    ("3.9", LITERT, "numpy>=2"),
    ("3.10", LITERT, "numpy>=2"),
    ("3.11", f"{TFLITE}==2.14.0", "numpy<2"),
    ("3.11", LITERT, "numpy<2"),
    ("3.12", LITERT, "numpy>=2"),
    ("3.13", LITERT, "numpy>=2"),
]


def interpreter(version):
    """The path of a Python: in PATH, or one that pyenv has; skips where there is none."""
    found = shutil.which(f"python{version}")
    # A shim of pyenv is there for every Python, and runs those that were chosen.
    if (
        found
        and subprocess.run([found, "-c", ""], check=False, capture_output=True).returncode == 0
    ):
        return found
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for place in sorted(root.glob(f"{version}.*/bin/python")):
        return str(place)
    pytest.skip(f"no Python {version} here: pyenv install {version}")


@pytest.mark.slow(
    modules=[
        "hintlite.benchmarks.bench_tflite",
        "hintlite.deploy.bundle.device_predict",
        "hintlite.deploy.bundle.device_values",
    ]
)
@pytest.mark.parametrize(("version", "runtime", "numpy"), PYTHONS)
def test_a_bundle_is_measured_and_asked(tmp_path, version, runtime, numpy):
    bundle = write_bundle(tmp_path / "bundle")
    outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment = tmp_path / "venv"
    subprocess.run([interpreter(version), "-m", "venv", environment], check=True, env=outside)
    python = str(environment / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", runtime, numpy]
    subprocess.run(install, check=True, env=outside)
    words = [python, "-I", str(bundle / "bench_tflite.py"), *FAST, "--bundle", str(bundle)]
    done = subprocess.run(words, env=outside, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert list(faults(report, SCHEMA, SCHEMA)) == []
    assert report["python"]["version"].startswith(version + ".")
    assert report["runtime"]["name"] == runtime.split("==")[0]
    assert report["numpy"].startswith("2.") == (numpy == "numpy>=2")
    assert report["runtime"]["delegate_applied"] is (runtime == LITERT)
    reference = report["exactness"]["checks"][1]
    if version == "3.7":  # its kernels of 2022 round MEAN otherwise
        assert reference["max_difference_steps"] <= 1
    else:
        assert reference["equal"] == COUNT
    predict = tmp_path / "bundle" / "predict.py"
    predict.write_bytes((SCRIPTS / "device_predict.py").read_bytes())
    predict.with_name("values.py").write_bytes((SCRIPTS / "device_values.py").read_bytes())
    shutil.copy(bundle / "samples.npz", tmp_path)
    words = [python, "-c", "import numpy; numpy.save('x', numpy.load('samples.npz')['inputs'][0])"]
    subprocess.run(words, check=True, env=outside, cwd=tmp_path)
    words = [python, "-I", str(predict), str(tmp_path / "x.npy")]
    done = subprocess.run(words, env=outside, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (
        done.stdout.rstrip().rpartition("\t")[2]
        in json.loads((bundle / "manifest.json").read_text())["task"]["labels"]
    )
