"""Damaged flatbuffers end in sentences, and large ones do not fill the memory."""

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from c_export_models import ModelBuilder

from hintlite.benchmarks.dev.flatbuffer_fuzz import fuzz, mutations
from hintlite.deploy.c_export.errors import ExportError
from hintlite.deploy.c_export.export import lower_network
from hintlite.deploy.mcu.export import read_int8_model
from hintlite.deploy.mcu.strip import strip_model
from hintlite.deploy.tflite.graph import ModelError
from hintlite.deploy.tflite.inspect import inspect
from hintlite.pipeline.app.cli.main import main

REFERENCE = Path(__file__).parent / "data" / "reference_cnn_int8.tflite"
TINY = Path(__file__).parent / "data" / "tiny_int8.tflite"
MEGABYTE = 1 << 20


def with_word(place, value):
    data = bytearray(TINY.read_bytes())
    struct.pack_into("<I", data, place, value)
    return bytes(data)


def root():
    return struct.unpack_from("<I", TINY.read_bytes())[0]


DAMAGED = {
    "empty": b"",
    "truncated": TINY.read_bytes()[:1200],
    "wrong identifier": b"\x1c\0\0\0TFL9" + TINY.read_bytes()[8:],
    "root past the end": with_word(0, 0x7FFFFFF0),
    "root at itself": with_word(0, 0),
    "table without an end": with_word(root(), 0x80000000),
}


@pytest.mark.parametrize("kind", DAMAGED)
@pytest.mark.parametrize("reader", [inspect, read_int8_model, strip_model, lower_network])
def test_damage_ends_in_an_error_of_ours(kind, reader):
    words = (DAMAGED[kind], "net") if reader is lower_network else (DAMAGED[kind],)
    with pytest.raises((ModelError, ExportError)):
        reader(*words)


@pytest.mark.parametrize("kind", DAMAGED)
def test_the_commands_say_so_without_a_traceback(kind, tmp_path, capsys):
    path = tmp_path / "model.tflite"
    path.write_bytes(DAMAGED[kind])
    out = str(tmp_path / "out")
    for words in (
        ["inspect", str(path)],
        ["bundle", str(path), "--mcu", "tflm", "--out", out],
        ["bundle", str(path), "--mcu", "c", "--out", out],
        ["benchmark", str(path), "--target", "tflm"],
    ):
        assert main(words) == 2
        said = capsys.readouterr().err
        assert "Traceback" not in said
        assert "fault of hintlite" not in said
    assert not Path(out).exists()


def test_no_damaged_file_escapes_the_readers():
    found = fuzz(60, seed=7)
    assert found["escapes"] == []
    assert found["slow"] == 0
    assert found["refused_by_every_reader"] > 10


def test_an_escape_would_be_counted(monkeypatch):
    """The failing direction: a reader that lets an exception through."""
    from hintlite.benchmarks.dev import flatbuffer_fuzz

    def careless(content):
        raise struct.error("past the end")

    monkeypatch.setitem(flatbuffer_fuzz._READERS, "inspect", careless)
    assert fuzz(4, seed=7)["crashes_of_the_command"] == 4


def test_the_same_seed_gives_the_same_damage():
    first, second = (list(mutations(TINY.read_bytes(), 20, 3)) for _ in range(2))
    assert first == second
    assert list(mutations(TINY.read_bytes(), 20, 4)) != first


def test_a_model_of_100_megabytes_is_inspected_within_200_more(tmp_path):
    builder = ModelBuilder()
    x, y = builder.tensor([1, 10_240], 0.1, 0), builder.tensor([1, 10_240], 0.1, 0)
    weights = np.zeros((10_240, 10_240), np.int8)
    w = builder.tensor(weights.shape, 0.1, data=weights)
    builder.operator("FULLY_CONNECTED", [x, w, -1], [y])
    path = tmp_path / "large.tflite"
    path.write_bytes(builder.finish([x], [y]))
    assert path.stat().st_size > 100 * MEGABYTE
    script = (
        "import sys\n"
        "from hintlite.deploy.tflite.inspect import inspect\n"
        f"inspect({str(TINY)!r})\n"  # what the imports take is not the model's
        "def peak():\n"
        "    lines = open('/proc/self/status').read().splitlines()\n"
        "    return next(int(l.split()[1]) << 10 for l in lines if l.startswith('VmHWM'))\n"
        "before = peak()\n"
        "info = inspect(sys.argv[1])\n"
        "assert info.parameters == 10240 ** 2\n"
        "print(peak() - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert int(done.stdout) - path.stat().st_size < 200 * MEGABYTE
