"""deploy/bundle/compiled.py: one manifest signs the bundle's files and the compiled model."""

import numpy as np
import pytest
from tiny_bundle import MODEL, TINY

from hintlite.deploy.bundle.bundle import BundleError, check_bundle, read_manifest, write_bundle
from hintlite.deploy.bundle.compiled import add_compiled

NAME = "student_int8_vela.tflite"
FACTS = {"accelerator": "ethos-u55-128"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_bundle(
        tmp_path_factory.mktemp("bundle") / "device",
        models={MODEL: TINY.read_bytes()},
        labels=("a", "b", "c", "d"),
        input_shape=(8, 8, 1),
        normalization={"mean": [0.0], "std": [255.0], "raw_dtype": "uint8"},
        samples_raw=np.zeros((1, 8, 8, 1), np.uint8),
        sample_labels=np.zeros(1, np.int64),
        bench_script=b"pass\n",
        provenance={},
    )


def test_the_manifest_signs_the_compiled_model_too(bundle, tmp_path):
    made = []
    for place in (tmp_path / "a", tmp_path / "b"):
        add_compiled(bundle, place, MODEL, NAME, b"compiled", FACTS)
        made.append({path.name: path.read_bytes() for path in place.iterdir()})
    assert made[0] == made[1]
    assert made[0][NAME] == b"compiled"
    assert made[0][MODEL] == (bundle / MODEL).read_bytes()
    manifest = read_manifest(tmp_path / "a")
    assert manifest["compiled"] == {NAME: {"from": MODEL, "accelerator": "ethos-u55-128"}}
    assert list(manifest["models"]) == [MODEL]
    assert check_bundle(tmp_path / "a") == []
    (tmp_path / "a" / NAME).write_bytes(b"compileD")
    assert "was changed" in check_bundle(tmp_path / "a")[0]


@pytest.mark.parametrize(
    ("model", "name", "said"),
    [
        ("other.tflite", NAME, "no model other.tflite"),
        (MODEL, MODEL, "no new plain file name"),
        (MODEL, "../x.tflite", "no new plain file name"),
    ],
)
def test_names_that_cannot_be(bundle, tmp_path, model, name, said):
    with pytest.raises(BundleError, match=said):
        add_compiled(bundle, tmp_path / "a", model, name, b"x", FACTS)
    assert not (tmp_path / "a").exists()


def test_a_damaged_bundle_is_refused(bundle, tmp_path):
    broken = tmp_path / "broken"
    add_compiled(bundle, broken, MODEL, NAME, b"x", FACTS)
    (broken / "labels.txt").write_text("other\n")
    with pytest.raises(BundleError, match="was changed"):
        add_compiled(broken, tmp_path / "a", MODEL, "y.tflite", b"x", FACTS)
