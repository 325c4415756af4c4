"""`hintlite predict`: pictures, arrays, folders of them, and one that cannot be read."""

import json

import numpy as np
import pytest
from PIL import Image
from report_run import settings, write_run
from tiny_bundle import TINY

from hintlite.deploy.bundle.bundle import write_bundle
from hintlite.deploy.bundle.predict import classify
from hintlite.deploy.interpret.worker import shared_worker
from hintlite.errors import DataError
from hintlite.pipeline.app.cli.main import main
from hintlite.pipeline.app.look.predict import listed

LABELS = ["a", "b", "c", "d"]
RAW = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 1), np.uint8)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_bundle(
        tmp_path_factory.mktemp("made") / "device",
        models={"student_int8.tflite": TINY.read_bytes()},
        labels=LABELS,
        input_shape=(8, 8, 1),
        normalization={"mean": [10.0], "std": [245.0], "raw_dtype": "uint8", "raw_max": 255.0},
        samples_raw=RAW[:2],
        sample_labels=np.array([0, 1]),
        bench_script=b"",
        provenance={},
    )


@pytest.fixture(scope="module")
def chosen(bundle):
    """What the model chooses for RAW."""
    return [LABELS[i] for i in classify(bundle, RAW).argmax(axis=1)]


def photos(folder, names):
    """RAW as pictures in class folders of the given names."""
    for i, name in enumerate(names):
        (folder / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(RAW[i, ..., 0]).save(folder / name / f"{i}.png")
    return folder


def test_a_folder_is_searched_and_class_folders_give_the_share_told_right(
    bundle, chosen, tmp_path, capfd
):
    photos(tmp_path / "photos", [*chosen[:4], *("a" if c != "a" else "b" for c in chosen[4:])])
    (tmp_path / "photos" / "readme.txt").write_text("no picture")
    assert main(["predict", str(bundle), str(tmp_path / "photos")]) == 0
    said = capfd.readouterr().out
    assert "as their folders are named: 4 of 6 (66.67%)" in said
    assert main(["predict", str(bundle), str(tmp_path / "photos"), "--json"]) == 0
    answers = json.loads(capfd.readouterr().out)
    by_number = {answer["image"].rpartition("/")[2][0]: answer["label"] for answer in answers}
    assert [by_number[str(i)] for i in range(6)] == chosen


def test_one_bad_picture_is_named_and_the_others_are_answered(bundle, chosen, tmp_path, capfd):
    np.save(tmp_path / "good.npy", RAW[0])
    (tmp_path / "bad.png").write_bytes(b"no picture")
    images = [str(tmp_path / name) for name in ("bad.png", "good.npy", "missing.png")]
    assert main(["predict", str(bundle), *images]) == 1
    said = capfd.readouterr()
    assert chosen[0] in said.out
    assert "2 of 3 could not be read" in said.err
    assert "bad.png: cannot be read as an image" in said.err
    assert "missing.png: no such file" in said.err
    assert main(["predict", str(bundle), *images, "--json"]) == 1
    bad, good, missing = json.loads(capfd.readouterr().out)
    assert good["label"] == chosen[0]
    assert "cannot be read" in bad["error"]
    assert "label" not in missing


@pytest.mark.parametrize(
    ("stages", "lacking"), [(0, "data has not run"), (3, "distill/hint+kd has not run")]
)
def test_an_unfinished_run_says_what_it_lacks_and_how_to_go_on(stages, lacking, tmp_path, capsys):
    networks = {"widths": [6, 8], "depths": [1, 1]}
    now = settings(teacher=networks, student=networks | {"times_fewer": None})
    run = write_run(tmp_path / "mine", stages, now=now)
    for words in (["predict", str(run), "x.png"], ["bundle", str(run), "--check"]):
        assert main(words) == 2
        said = capsys.readouterr().err
        assert f"mine is an unfinished run, which has no bundle yet: the stage {lacking}" in said
        assert f"`hintlite run {run}` goes on with it" in said


def test_a_misspelt_run_is_told_the_near_one(tmp_path, capsys):
    write_run(tmp_path / "mine", 0)
    assert main(["predict", str(tmp_path / "mien"), "x.png"]) == 2
    assert f"did you mean {tmp_path / 'mine'}?" in capsys.readouterr().err


def test_the_model_runs_in_a_process_of_its_own(bundle, tmp_path):
    np.save(tmp_path / "x.npy", RAW[0])
    shared_worker.cache_clear()
    assert main(["predict", str(bundle), str(tmp_path / "x.npy")]) == 0
    assert shared_worker().starts == 1


def test_folders_are_listed_in_order_at_any_depth_and_hidden_files_left_out(tmp_path):
    for name in ("b/2.PNG", "b/1.jpg", "a/x.npy", "top.png", ".hidden.png", "notes.md"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).touch()
    found = [(str(p.relative_to(tmp_path / "in")), f) for p, f in listed([tmp_path / "in"])]
    assert found == [("a/x.npy", "a"), ("b/1.jpg", "b"), ("b/2.PNG", "b"), ("top.png", "in")]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: no picture .* in this folder"):
        listed([tmp_path / "empty"])
