"""The files of a TFLM project: their content, compiling them, and stripping the model."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from c_export_models import ModelBuilder, tflm_outputs
from c_export_networks import FAMILIES, network_inputs

from hintlite.deploy.interpret.runtime import Runner
from hintlite.deploy.mcu.export import export_tflm, write_tflm
from hintlite.deploy.mcu.identifiers import (
    RESERVED,
    check_namespace,
    comment_text,
    identifiers,
    string_literal,
)
from hintlite.deploy.mcu.operators import OPERATORS
from hintlite.deploy.mcu.sample import TestSample
from hintlite.deploy.mcu.strip import strip_model
from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.graph import ModelError

DATA = Path(__file__).parent / "data"
STUBS = DATA / "tflm_stubs"
REFERENCE, TINY = DATA / "reference_cnn_int8.tflite", DATA / "tiny_int8.tflite"
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")
NASTY = ('say "hi"', "two\nlines", "Größe", "日本", "??/", "*/ int x;", "\\", "", "9", "count")
RAW = {"mean": [0.0], "std": [255.0], "raw_dtype": "uint8"}


@pytest.fixture(scope="module")
def nasty(tmp_path_factory):
    """A project whose labels are as bad as can be."""
    folder = tmp_path_factory.mktemp("nasty") / "out"
    export = export_tflm(REFERENCE, "student", labels=NASTY, normalization=RAW, strip=True)
    return write_tflm(folder, export)


def need(program, package):
    if shutil.which(program) is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{program} should have been installed: apt-get install {package}")
        pytest.skip(f"{program} not found: apt-get install {package}")


@pytest.mark.parametrize("standard", ["c++11", "c++17"])
@pytest.mark.parametrize(
    ("compiler", "package"),
    [("g++", "g++"), ("gcc", "gcc"), ("arm-none-eabi-g++", "gcc-arm-none-eabi")],
)
def test_the_project_compiles_with_stand_ins(nasty, tmp_path, compiler, package, standard):
    need(compiler, package)
    words = [compiler, f"-std={standard}", *STRICT, "-I", str(STUBS), "-I", str(nasty), "-c"]
    for source in ("main.cc", "model_data.cc"):
        command = [*words, str(nasty / source), "-o", str(tmp_path / f"{source}.o")]
        subprocess.run(command, check=True, timeout=300)


@pytest.mark.parametrize("change", [("OpResolver& ", "OpResolver "), ("AddConv2D", "AddConv3D")])
def test_the_declarations_notice_a_wrong_call(nasty, tmp_path, change):
    """The failing direction: code that TFLM would not take does not compile here either."""
    need("g++", "g++")
    copy = shutil.copytree(nasty, tmp_path / "copy")
    header = copy / "op_resolver.h"
    text = header.read_text().replace("RegisterOperators(OpResolver&", "Register(OpResolver&")
    header.write_text(text if change[0] != "AddConv2D" else header.read_text().replace(*change))
    command = ["g++", "-std=c++17", "-I", str(STUBS), "-c", str(copy / "main.cc"), "-o", os.devnull]
    done = subprocess.run(command, capture_output=True, check=False, timeout=300)
    assert done.returncode != 0


@pytest.mark.parametrize(("compiler", "standard"), [("gcc", "c99"), ("g++", "c++11")])
def test_labels_come_back_from_c_as_they_were(nasty, tmp_path, compiler, standard):
    need(compiler, compiler)
    source = tmp_path / ("main.c" if compiler == "gcc" else "main.cc")
    source.write_text(
        '#include <stdio.h>\n#include <string.h>\n#include "labels.h"\n'
        "int main(void) {\n  int i;\n  for (i = 0; i < kStudentLabelCount; ++i) {\n"
        "    fwrite(student_labels[i], 1, strlen(student_labels[i]) + 1, stdout);\n  }\n"
        "  return 0;\n}\n"
    )
    program = str(tmp_path / "labels")
    words = [compiler, f"-std={standard}", *STRICT, "-I", str(nasty), str(source), "-o", program]
    subprocess.run(words, check=True, timeout=300)
    printed = subprocess.run([program], check=True, capture_output=True, timeout=300).stdout
    assert printed.decode().split("\0")[:-1] == list(NASTY)


def test_the_quantizing_functions_do_what_the_formula_says(tmp_path):
    """Offset, multiplier and table, compiled and run for all 256 raw values of three channels."""
    need("g++", "g++")
    from hintlite.deploy.mcu.raw_to_int8 import raw_channels
    from hintlite.deploy.mcu.settings_text import normalization_text

    cases = [
        ({"mean": [0.0] * 3, "std": [255.0] * 3}, 1 / 255, -128),
        ({"mean": [10.0, 125.3, 90.0], "std": [60.0, 63.0, 70.5]}, 0.0208, -7),
        ({"mean": [127.5, 100.0, 0.0], "std": [127.5, 50.0, 255.0]}, 1 / 127.5, 0),
    ]
    for number, (scaling, scale, zero_point) in enumerate(cases):
        normalization = {**scaling, "raw_dtype": "uint8"}
        source = tmp_path / f"q{number}.cc"
        source.write_text(
            "#include <stdint.h>\n#include <stdio.h>\n"
            f"{normalization_text(normalization, scale, zero_point)}\n"
            "int main() {\n  for (int c = 0; c < 3; ++c)\n    for (int r = 0; r < 256; ++r)\n"
            '      printf("%d ", QuantizeRaw(static_cast<uint8_t>(r), c));\n  return 0;\n}\n'
        )
        program = str(tmp_path / f"q{number}")
        words = ["g++", "-std=c++11", *STRICT, str(source), "-o", program]
        subprocess.run(words, check=True, timeout=300)
        done = subprocess.run([program], check=True, capture_output=True, text=True, timeout=300)
        expected = np.concatenate(
            [channel.results() for channel in raw_channels(normalization, scale, zero_point)]
        )
        assert [int(word) for word in done.stdout.split()] == expected.tolist()


def test_equal_models_give_equal_bytes():
    first, second = (export_tflm(TINY, "net", strip=True).files for _ in range(2))
    assert first == second
    assert export_tflm(TINY, "other", strip=True).files != first


def test_the_array_is_the_model(tmp_path):
    export = export_tflm(TINY, "net")
    numbers = re.findall(rb"0x([0-9a-f]{2})", export.files["model_data.cc"])
    assert bytes(int(number, 16) for number in numbers) == TINY.read_bytes()
    assert b"alignas(16)" in export.files["model_data.cc"]
    assert f"kModelDataSize = {TINY.stat().st_size}U".encode() in export.files["model_data.h"]


def test_settings_are_the_model_s_own():
    export = export_tflm(REFERENCE, "net")
    text = export.files["model_settings.h"].decode()
    assert "kInputShape[] = {1, 28, 28, 1}" in text
    assert "kInputZeroPoint = -128;" in text
    assert "kOutputScale = 0.00390625F;" in text
    assert f"kArenaBytes = {export.reserved_bytes}U" in text
    assert export.reserved_bytes >= 1.05 * export.cmsis_nn.arena_bytes
    assert "margin of 5 %" in text.replace("// ", "").replace("\n", " ")


def test_only_used_operators_are_registered():
    export = export_tflm(FAMILIES["fitnet"](), "net")
    text = export.files["op_resolver.h"].decode()
    found = re.findall(r"resolver\.(\w+)\(\)", text)
    expected = ["CONV_2D", "FULLY_CONNECTED", "MAXIMUM", "MAX_POOL_2D", "RESHAPE", "SOFTMAX"]
    assert found == [OPERATORS[name].add for name in expected]
    assert "MicroMutableOpResolver<6>" in text


def test_the_expected_output_is_litert_s(tmp_path):
    values = np.arange(784, dtype=np.int64).astype(np.int8)
    export = export_tflm(REFERENCE, "net", sample=TestSample(values, "a ramp */ of numbers"))
    answer = Runner(REFERENCE, "reference").predict_raw(values.reshape(1, 28, 28, 1))
    block = export.files["test_sample.h"].decode().split("kTestOutput[kOutputBytes] = {")[1]
    assert [int(n) for n in re.findall(r"-?\d+", block.split("}")[0])] == answer[0].tolist()


@pytest.mark.parametrize("name", ["reference", *FAMILIES])
def test_stripping_wins_bytes_and_changes_no_output(name):
    content = REFERENCE.read_bytes() if name == "reference" else FAMILIES[name]()
    stripped = strip_model(content)
    assert len(stripped) < len(content)
    assert strip_model(stripped) == stripped
    samples = network_inputs(content, 2)
    shape = Runner(content, "reference").input.shape[1:]
    answers = [
        Runner(c, "reference").predict_raw(samples.reshape(-1, *shape)) for c in (content, stripped)
    ]
    np.testing.assert_array_equal(*answers)
    np.testing.assert_array_equal(tflm_outputs(content, samples), tflm_outputs(stripped, samples))


def test_stripped_weights_stay_aligned_and_nameless():
    content = strip_model(REFERENCE.read_bytes())
    start = np.frombuffer(content, np.uint8).ctypes.data
    constants = [t for t in read_model(content).main.tensors if t.constant]
    assert len(constants) == 17
    assert {(t.data.ctypes.data - start) % 16 for t in constants} == {0}
    assert b"functional_1" not in content


def test_a_float_model_is_told_from_an_int8_one():
    builder = ModelBuilder()
    x = builder.tensor([1, 4], 0.1, 0)
    builder.tensors[x].type = 0  # FLOAT32
    y = builder.tensor([1, 4], 0.1, 0)
    builder.operator("QUANTIZE", [x], [y])
    with pytest.raises(ModelError, match=r"not full INT8: Operator 0 \(QUANTIZE\)"):
        export_tflm(builder.finish([x], [y]), "net")


def test_another_number_of_labels_is_refused():
    with pytest.raises(ModelError, match="one label an output, got 2 for 10"):
        export_tflm(REFERENCE, "net", labels=["a", "b"])


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(ModelError, match=r"mine\.txt"):
        write_tflm(tmp_path, export_tflm(TINY, "net"))
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_an_export_as_it_was_written_is_replaced(tmp_path):
    folder = tmp_path / "net"
    write_tflm(folder, export_tflm(REFERENCE, "net", labels=NASTY))
    assert (folder / "labels.h").exists()
    (folder / "README.md").unlink()  # nothing of the user's is lost by that
    write_tflm(folder, export_tflm(TINY, "net"))
    assert not (folder / "labels.h").exists()
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    write_tflm(folder, export_tflm(TINY, "net"))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first
    need("sha256sum", "coreutils")
    done = subprocess.run(
        ["sha256sum", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, text=True, check=True
    )
    assert sorted(line.split(":")[0] for line in done.stdout.splitlines()) == sorted(
        set(first) - {"SHA256SUMS"}
    )


def test_an_export_that_was_edited_is_not_replaced(tmp_path):
    export = export_tflm(TINY, "net")
    folder = write_tflm(tmp_path / "net", export)
    (folder / "main.cc").write_text("int main() { return 1; }  // mine\n")
    (folder / "op_resolver.h").write_text("// mine\n")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for again in (export, export_tflm(REFERENCE, "net")):
        with pytest.raises(
            ModelError, match=r"main\.cc and op_resolver\.h changed since.*new folder"
        ):
            write_tflm(folder, again)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert list(tmp_path.iterdir()) == [folder]


def test_an_export_without_hashes_is_replaced_by_the_same_alone(tmp_path):
    """As older releases wrote them: what is the user's cannot be told."""
    export = export_tflm(TINY, "net")
    folder = write_tflm(tmp_path / "net", export)
    (folder / "SHA256SUMS").unlink()
    with pytest.raises(ModelError, match=r"it has no SHA256SUMS, .*model_data\.cc"):
        write_tflm(folder, export_tflm(REFERENCE, "net"))
    write_tflm(folder, export)
    assert (folder / "SHA256SUMS").exists()


@pytest.mark.parametrize(
    "name", ["", "Net", "2nd", "a-b", "a__b", "class", "tflite", "time", "uint8_t"]
)
def test_names_that_cannot_be_namespaces_are_refused(name):
    with pytest.raises(ModelError, match="choose another"):
        check_namespace(name)


def test_identifiers_are_valid_and_never_collide():
    rng = np.random.default_rng(0)
    alphabet = [*'aA1_- é日"\n?*/', "a_2", "count"]
    names = ["".join(rng.choice(alphabet, rng.integers(0, 4))) for _ in range(400)]
    found = identifiers(names, "kLabel", {"kLabelCount"})
    assert len(set(found) | {"kLabelCount"}) == len(names) + 1
    assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) for name in found)
    assert not set(found) & RESERVED


def test_texts_cannot_leave_their_comment_or_their_string():
    assert string_literal('a"?\n') == '"a\\"\\?\\012"'
    assert "*/" not in comment_text("x */ y")
    assert "??" not in comment_text("???/")
    assert comment_text("end\\") == "end/"
