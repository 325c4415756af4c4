"""The exported folder as a user builds it: CMake, and a big-endian machine."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from c_export_models import tflm_outputs

from hintlite.deploy.c_export.export import export_c

MODEL = Path(__file__).parent / "data" / "reference_cnn_int8.tflite"
BIG_ENDIAN = ("s390x-linux-gnu-gcc", "qemu-s390x-static")


def need(*programs, packages):
    missing = [program for program in programs if shutil.which(program) is None]
    if missing and "CI" in os.environ:
        pytest.fail(f"{', '.join(missing)} should have been installed")
    if missing:
        pytest.skip(f"{', '.join(missing)} missing: apt-get install {packages}")


def expected():
    """TFLM's output for the example's input: the zero point everywhere."""
    return tflm_outputs(MODEL.read_bytes(), np.full((1, 28, 28, 1), -128, np.int8))[0].tolist()


def printed(command):
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    return [int(line) for line in done.stdout.split()]


def test_cmake_builds_the_example_and_it_prints_what_tflm_says(tmp_path):
    need("cmake", packages="cmake")
    folder = export_c(MODEL, tmp_path / "reference", "reference").folder
    build = str(tmp_path / "build")
    for words in (["-S", str(folder), "-B", build], ["--build", build]):
        subprocess.run(["cmake", *words], check=True, capture_output=True, timeout=300)
    assert printed([f"{build}/reference_example"]) == expected()


@pytest.mark.emulated(modules=["hintlite.deploy.c_export"])
def test_a_big_endian_machine_gives_the_same_bits(tmp_path):
    packages = "gcc-s390x-linux-gnu libc6-dev-s390x-cross qemu-user-static"
    need(*BIG_ENDIAN, packages=packages)
    folder = export_c(MODEL, tmp_path / "reference", "reference").folder
    program = tmp_path / "example"
    sources = [str(path) for path in sorted(folder.glob("*.c"))]
    compiler, emulator = BIG_ENDIAN
    command = [compiler, "-std=c99", "-O2", "-static", *sources, "-o", str(program)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    assert printed([emulator, str(program)]) == expected()
