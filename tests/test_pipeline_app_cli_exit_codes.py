"""Exit codes: 2 where the words or what they name have to be changed, 1 where the work failed."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from tiny_bundle import TINY, write_bundle

from hintlite.errors import DataError, HintliteError, NetworkError, SettingsError, exit_code
from hintlite.pipeline.app.cli.grammar import COMMANDS
from hintlite.pipeline.app.cli.main import main
from hintlite.pipeline.app.errors import WrongUseError
from hintlite.pipeline.app.run.context import StageError
from hintlite.pipeline.app.run.folder import BusyError, RunError
from hintlite.pipeline.app.run.options.stages import STAGES

# Written in the folder `place`: `bundle`, `taken` (a folder with a file in it), model.tflite,
# damaged.tflite, x.npz, text.txt, empty/.
WRONG = [
    "run taken --data digits",
    "run text.txt --data digits",
    "run new --data missing.npz",
    "run new --data missing/",
    "run new --data empty",
    "run new --data text.txt",
    "run new --data digits --teacher.path missing.keras",
    "run new --data digits --student.path missing.keras",
    "run new --config missing.yaml",
    "run new --data digits --training.epochs 0",
    "run bundle --data digits",
    "teacher missing",
    "distill missing",
    "distill missing --kd.temperature hot",
    "quantize missing",
    "quantize text.txt",
    "quantize missing.tflite model.tflite --explain --samples x.npz",
    "quantize model.tflite missing.tflite --explain --samples x.npz",
    "quantize model.tflite model.tflite --explain --samples missing.npz",
    "quantize model.tflite damaged.tflite --explain --samples x.npz",
    "evaluate missing",
    "evaluate taken",
    "bundle missing",
    "bundle missing --check",
    "bundle taken --check",
    "bundle missing.tflite --mcu c --out out",
    "bundle model.tflite --mcu c",
    "bundle model.tflite --mcu c --out taken",
    "bundle model.tflite --mcu tflm --out taken",
    "bundle damaged.tflite --mcu c --out out",
    "bundle damaged.tflite --mcu tflm --out out",
    "bundle model.tflite --phone",
    "bundle bundle --for_device",
    "benchmark missing",
    "benchmark missing.tflite",
    "benchmark missing --target cortex-m4",
    "benchmark bundle --target tflm",
    "benchmark damaged.tflite --target tflm",
    "benchmark model.tflite --target ethos-u55-128 --system_config Nothing --json",
    "benchmark model.tflite --target ethos-u55-128 --vela_config missing.ini --json",
    "benchmark model.tflite --targets missing.yaml --json",
    "benchmark model.tflite --targets text.txt --json",
    "report missing",
    "report taken",
    "inspect missing.tflite",
    "inspect damaged.tflite",
    "inspect text.txt",
    "inspect taken",
    "fit missing.tflite --board nano33ble",
    "fit damaged.tflite --board nano33ble",
    "fit model.tflite --board nano33bla",
    "fit model.tflite --ram much",
    "fit model.tflite --board nano33ble --boards missing.yaml",
    "fit model.tflite",
    "convert missing.keras --data x.npz --out out",
    "convert model.tflite --data missing.npz --out out",
    "convert model.tflite --data x.npz --out taken",
    "convert model.tflite --data x.npz --out text.txt",
    "convert damaged.tflite --data x.npz --out new",
    "convert model.tflite --data x.npz --out out --normalization unti",
    "qat missing.keras --data x.npz --out out",
    "qat text.txt --data x.npz --out out",
    "qat damaged.keras --data x.npz --out taken",
    "predict missing x.npy",
    "predict bundle missing.png",
    "predict bundle empty",
    "predict model.tflite x.png",
    "predict bundle/missing.tflite x.png",
    "cache missing",
    "cache text.txt",
    "compare missing.json missing.json",
    "compare text.txt text.txt",
    "study missing.yaml",
    "study text.txt",
    "tune missing.yaml",
    "tune text.txt",
    "tune taken/text.txt --report",
    "doctor --jsn",
]


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    place = tmp_path_factory.mktemp("given")
    (place / "damaged.keras").write_bytes(b"PK")
    write_bundle(place / "bundle")
    shutil.copy(TINY, place / "model.tflite")
    (place / "damaged.tflite").write_bytes(TINY.read_bytes()[:100])
    np.savez(place / "x.npz", x=np.zeros((8, 8, 8, 1), np.float32), y=np.arange(8) % 2)
    (place / "text.txt").write_text("a text\n")
    (place / "empty").mkdir()
    (place / "taken").mkdir()
    (place / "taken" / "text.txt").write_text("a text\n")
    return place


@pytest.mark.parametrize("words", WRONG)
def test_wrong_use_ends_with_2(words, given, monkeypatch, capfd):
    monkeypatch.chdir(given)
    before = everything(given)

    assert main(words.split()) == 2
    said = capfd.readouterr().err
    assert said.startswith("hintlite: ") or "\nhintlite: " in said
    assert "Traceback" not in said
    assert "fault of hintlite" not in said
    assert everything(given) - before <= {"new", "new/.lock", "new/log.txt"}
    shutil.rmtree(given / "new", ignore_errors=True)


def everything(place):
    return {str(each.relative_to(place)) for each in Path(place).rglob("*")}


def test_every_command_is_in_the_table():
    assert {words.split()[0] for words in WRONG} == {*STAGES, *COMMANDS}


@pytest.mark.parametrize("kind", [SettingsError, DataError, NetworkError, RunError, WrongUseError])
def test_what_refuses_the_input_is_wrong_use(kind):
    assert exit_code(kind("give another")) == 2


@pytest.mark.parametrize("kind", [HintliteError, StageError, BusyError, OSError, KeyError])
def test_work_that_failed_is_not(kind):
    assert exit_code(kind("it went wrong")) == 1


def test_a_refusal_in_other_words_is_still_one():
    told = StageError("the student: no such layer")
    told.__cause__ = NetworkError("no such layer")
    assert exit_code(told) == 2
