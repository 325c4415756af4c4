import ctypes
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
from c_export_models import tflm_outputs
from c_export_networks import FAMILIES, network_inputs

from hintlite.deploy.c_export.emit import RUNTIME, check_name
from hintlite.deploy.c_export.errors import ExportError
from hintlite.deploy.c_export.export import export_c

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wsign-conversion", "-Wpedantic")


@pytest.fixture
def exported(tmp_path):
    return export_c(FAMILIES["resnet8"](), tmp_path / "out", "student")


def test_writes_the_interface_the_kernels_and_the_build_files(exported):
    assert {"student.h", "student.c", "student_weights.c"} <= set(exported.files)
    assert {"example.c", "Makefile", "CMakeLists.txt", "hintlite_conv.c"} <= set(exported.files)
    assert "hintlite_depthwise.c" not in exported.files  # only the kernels that are called
    assert sorted(p.name for p in exported.folder.iterdir()) == sorted(exported.files)
    header = (exported.folder / "student.h").read_text()
    assert f"#define STUDENT_ARENA_BYTES {exported.arena_bytes}\n" in header
    assert "#define STUDENT_INPUT_SCALE 0.015625\n" in header
    assert "#define STUDENT_INPUT_ZERO_POINT (-7)\n" in header
    assert "#define STUDENT_OUTPUT_BYTES 10\n" in header
    assert exported.layers[0] == "CONV_2D"
    assert exported.layers[-1] == "SOFTMAX"


@pytest.mark.parametrize(("compiler", "level"), [("gcc", "-O0"), ("gcc", "-O2"), ("clang", "-O2")])
def test_sources_compile_without_a_warning(exported, compiler, level):
    if shutil.which(compiler) is None:
        if "CI" in os.environ:
            pytest.fail(f"{compiler} should have been installed: apt-get install {compiler}")
        pytest.skip(f"{compiler} not found: apt-get install {compiler}")
    sources = [str(p) for p in exported.folder.glob("*.c")]
    command = (compiler, *STRICT, "-Werror", level, "-c", *sources)
    subprocess.run(command, cwd=exported.folder, check=True, timeout=300)


def test_the_makefile_builds_an_example_that_runs(exported):
    subprocess.run(["make"], cwd=exported.folder, check=True, timeout=300, capture_output=True)
    done = subprocess.run(
        ["./student_example"], cwd=exported.folder, check=True, capture_output=True, text=True
    )
    model = FAMILIES["resnet8"]()
    values = np.full((1, 16 * 16 * 3), -7, np.int8)
    assert [int(n) for n in done.stdout.split()] == tflm_outputs(model, values)[0].tolist()


def load(exported) -> ctypes.CDLL:
    sources = [str(p) for p in exported.folder.glob("*.c") if p.name != "example.c"]
    library = exported.folder / "lib.so"
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", *sources, "-o", str(library)], check=True)
    return ctypes.CDLL(str(library))


def invoke(library, exported, values: np.ndarray) -> tuple[int, np.ndarray]:
    arena = np.zeros(exported.arena_bytes + 8, np.int8)
    start = -arena.ctypes.data % 8
    output = np.zeros(10, np.int8)
    pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in (values, output, arena[start:])]
    return library.student_invoke(*pointers), output


def test_several_threads_run_at_once(exported):
    library = load(exported)
    inputs = network_inputs(FAMILIES["resnet8"](), 16)
    expected = tflm_outputs(FAMILIES["resnet8"](), inputs)
    wrong = []

    def run(part):
        for i in part:
            state, output = invoke(library, exported, inputs[i])
            if state != 0 or (output != expected[i]).any():
                wrong.append(i)

    threads = [threading.Thread(target=run, args=(range(k, 16, 4),)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_missing_or_crooked_arena_is_refused(exported):
    library = load(exported)
    values, output = np.zeros(768, np.int8), np.zeros(10, np.int8)
    arena = np.zeros(exported.arena_bytes + 8, np.int8)
    ends = [a.ctypes.data_as(ctypes.c_void_p) for a in (values, output)]
    crooked = ctypes.c_void_p(arena.ctypes.data - arena.ctypes.data % 4 + 5)
    assert library.student_invoke(*ends, None) == 1
    assert library.student_invoke(*ends, crooked) == 1
    assert library.student_invoke(None, ends[1], ctypes.c_void_p(arena.ctypes.data)) == 1


def test_no_state_no_allocator_and_no_floating_point(exported):
    """Objects hold no writable data and call nothing but memcpy and memset."""
    sources = [p.name for p in exported.folder.glob("*.c") if p.name != "example.c"]
    subprocess.run(["gcc", "-O2", "-fno-pic", "-c", *sources], cwd=exported.folder, check=True)
    objects = [s.replace(".c", ".o") for s in sources]
    listing = subprocess.run(
        ["nm", *objects], cwd=exported.folder, check=True, capture_output=True, text=True
    ).stdout
    symbols = [line.split()[-2:] for line in listing.splitlines() if len(line.split()) >= 2]
    assert not [name for kind, name in symbols if kind in "bBdDC"]
    outside = {name for kind, name in symbols if kind == "U" and "hintlite" not in name}
    assert {n for n in outside if not n.startswith("student")} <= {"memcpy", "memset"}
    text = "".join((exported.folder / s).read_text() for s in sources)
    assert not [word for word in ("float", "double", "malloc", "goto") if word in text.split()]


def test_a_folder_with_files_is_left_alone(tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    (target / "mine.txt").write_text("keep")
    with pytest.raises(ExportError, match=r"not empty.*: name a folder that is new or empty"):
        export_c(FAMILIES["ds_cnn"](), target)
    with pytest.raises(ExportError, match="is a file"):
        export_c(FAMILIES["ds_cnn"](), target / "mine.txt")
    assert [p.name for p in tmp_path.rglob("*")] == ["out", "mine.txt"]


def test_a_failed_export_leaves_nothing(tmp_path):
    with pytest.raises(ExportError, match="TFL3"):
        export_c(b"nothing of the kind", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "Student", "2nd", "a-b", "../up", "x" * 41])
def test_names_that_cannot_begin_c_identifiers_are_refused(name, tmp_path):
    with pytest.raises(ExportError, match="choose another"):
        export_c(Path("unread.tflite").name.encode(), tmp_path / "out", name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("example", "written twice"),
        ("hintlite", "kept for the kernels"),
        ("hintlite_conv", "kept for the kernels"),
        ("string", r"string\.h would hide"),
        ("stdint", r"stdint\.h would hide"),
        ("tgmath", r"tgmath\.h would hide"),
        ("features", r"features\.h would hide"),
        ("while", "keyword of C"),
    ],
)
def test_names_that_are_taken_are_refused_before_anything_is_read(name, reason, tmp_path):
    with pytest.raises(ExportError, match=f"{name}.*{reason}.*choose another"):
        export_c(b"unread", tmp_path / "out", name)


def test_no_name_hides_a_header_that_a_kernel_includes():
    sources = [path.read_text() for path in RUNTIME.glob("*.[ch]*")]
    headers = {name for text in sources for name in re.findall(r"#include <(\w+)\.h>", text)}
    assert {"stdint", "arm_acle", "arm_mve"} <= headers
    for name in headers:
        with pytest.raises(ExportError, match="would hide it"):
            check_name(name)


@pytest.mark.parametrize("name", ["examples", "hintlites", "strings", "while_", "network"])
def test_names_that_only_resemble_taken_ones_are_accepted(name):
    assert check_name(name) == name
