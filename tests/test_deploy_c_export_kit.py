"""Plain C of a bundle: labels, the way from raw values, a sample; compiled and run with gcc."""

import ctypes
import subprocess

import numpy as np
import pytest
from c_export_runner import STRICT
from tiny_bundle import TINY

from hintlite.deploy.bundle.bundle import BundleError, write_bundle
from hintlite.deploy.c_export.export import export_c
from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.quantization import normalize, quantize

LABELS = ['say "hi" \\', "größer", "c */ d", r"a?\?/b"]
RAW = np.random.default_rng(4).integers(0, 256, (3, 8, 8, 1), dtype=np.uint8)
INTEGERS, TABLE = ([10.0], [245.0]), ([0.5], [255.12270669967427])


def exported(folder, mean_std=INTEGERS, dtype="uint8"):
    """The C of tests/data/tiny_int8.tflite in a bundle."""
    mean, std = mean_std
    bundle = write_bundle(
        folder / "bundle",
        models={"student_int8.tflite": TINY.read_bytes()},
        labels=LABELS,
        input_shape=(8, 8, 1),
        normalization={"mean": mean, "std": std, "raw_dtype": dtype},
        samples_raw=RAW.astype(dtype),
        sample_labels=np.array([2, 1, 0]),
        bench_script=b"",
        provenance={},
    )
    return export_c(bundle / "student_int8.tflite", folder / "c", "net")


@pytest.mark.parametrize("language", ["c", "c++"])
def test_the_headers_compile_alone_without_a_warning(language, tmp_path):
    made = exported(tmp_path)
    assert {"net_input.h", "net_labels.h", "net_sample.h", "example.c"} <= set(made.files)
    strict = STRICT if language == "c" else ("-std=c++11", *STRICT[1:])
    for header in ("net_input.h", "net_labels.h", "net_sample.h"):
        words = ("gcc", *strict, "-Wno-unused-variable", "-x", language, "-fsyntax-only")
        (tmp_path / "try").write_text(f'#include "{header}"\n')
        command = [*words, "-I", str(made.folder), str(tmp_path / "try")]
        subprocess.run(command, check=True, timeout=100)


@pytest.mark.parametrize(
    ("mean_std", "dtype", "way"),
    [
        (INTEGERS, "uint8", "_raw_multiplier[]"),
        (TABLE, "uint8", "_raw_table[]"),
        (INTEGERS, "float32", "_raw_mean[]"),
    ],
)
def test_the_example_answers_for_the_bundles_sample(mean_std, dtype, way, tmp_path):
    made = exported(tmp_path, mean_std, dtype)
    assert way in (made.folder / "net_input.h").read_text()
    subprocess.run(["make"], cwd=made.folder, check=True, timeout=300, capture_output=True)
    done = subprocess.run(
        ["./net_example"], cwd=made.folder, check=False, capture_output=True, timeout=60
    )
    assert done.returncode == 0  # within the tolerance of the expected output
    *numbers, label = done.stdout.decode().splitlines()
    assert label == LABELS[int(np.argmax([int(number) for number in numbers]))]
    assert len(numbers) == len(LABELS)


def test_an_output_that_is_not_the_expected_one_ends_in_exit_code_2(tmp_path):
    made = exported(tmp_path)
    place = made.folder / "net_sample.h"
    text = place.read_text()
    start = text.index("{", text.index("net_sample_output")) + 2
    place.write_text(text[:start] + "    99, -99, 99, -99,\n};\n\n#endif\n")
    subprocess.run(["make"], cwd=made.folder, check=True, timeout=300, capture_output=True)
    done = subprocess.run(["./net_example"], cwd=made.folder, check=False, capture_output=True)
    assert done.returncode == 2


@pytest.mark.parametrize("mean_std", [INTEGERS, TABLE])
def test_every_raw_value_becomes_what_the_formula_gives(mean_std, tmp_path):
    made = exported(tmp_path, mean_std)
    source = '#include "net_input.h"\nint8_t one(uint8_t raw) { return net_from_raw(raw, 0); }\n'
    (tmp_path / "one.c").write_text(source)
    library = tmp_path / "one.so"
    words = ["gcc", "-shared", "-fPIC", "-I", str(made.folder), str(tmp_path / "one.c"), "-o"]
    subprocess.run([*words, str(library)], check=True, timeout=100)
    one = ctypes.CDLL(str(library)).one
    one.restype, one.argtypes = ctypes.c_int8, [ctypes.c_uint8]
    end = read_model(TINY).main.tensors[read_model(TINY).main.inputs[0]]
    raw = np.arange(256, dtype=np.uint8).reshape(-1, 1)
    expected = quantize(normalize(raw, *mean_std), end.scale, end.zero_point, np.int8)
    assert [one(value) for value in range(256)] == expected.ravel().tolist()


def test_a_damaged_bundle_is_refused(tmp_path):
    exported(tmp_path)
    (tmp_path / "bundle" / "labels.txt").write_text("x\n")
    with pytest.raises(BundleError, match=r"labels\.txt"):
        export_c(tmp_path / "bundle" / "student_int8.tflite", tmp_path / "again", "net")


def test_a_file_alone_has_no_labels_and_its_example_takes_the_zero_point(tmp_path):
    made = export_c(TINY, tmp_path / "c", "net")
    assert not [name for name in made.files if name.startswith("net_") and name.endswith(".h")]
    assert "zero point" in (made.folder / "example.c").read_text()
