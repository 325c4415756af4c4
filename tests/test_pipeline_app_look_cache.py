"""`hintlite cache`, and what a run does with its teacher's outputs."""

import json
from dataclasses import replace

import numpy as np
import pytest

from hintlite.errors import SettingsError
from hintlite.pipeline.app.cli.main import main
from hintlite.pipeline.app.run.cache_place import FOLDER, cache_folder
from hintlite.pipeline.app.run.teacher_taps import mode
from hintlite.pipeline.cache.folder import CacheFolder, Entry
from hintlite.pipeline.settings.data import AugmentConfig, DataConfig
from hintlite.pipeline.settings.run import RunConfig
from hintlite.pipeline.settings.training import CacheConfig

NAME = f"logits-plain-{'0123456789abcdef' * 2}"


@pytest.fixture
def runs(tmp_path):
    """A folder of runs with a cache of one file."""
    place = tmp_path / "runs"
    (place / "mine").mkdir(parents=True)
    CacheFolder(place / FOLDER).make(Entry(NAME, (5, 3)), lambda: [np.ones((5, 3), np.float16)])
    return place


def augmented(**changes):
    return RunConfig(data=DataConfig(augmentation=AugmentConfig(**changes)))


def test_flips_are_cached_and_shifts_are_not():
    assert mode(RunConfig()) == mode(augmented(flip=True)) == "cached"
    assert mode(augmented(shift=1)) == mode(augmented(flip=True, cutout=2)) == "live"
    assert mode(replace(RunConfig(), cache=CacheConfig(enabled=False))) == "live"


def test_neighbouring_runs_share_a_folder(tmp_path):
    one, other = (cache_folder(RunConfig(), tmp_path / name) for name in ("a", "b"))
    assert one.path == other.path == tmp_path / FOLDER
    named = replace(RunConfig(), cache=CacheConfig(folder=str(tmp_path / "c"), budget_gb=2.0))
    assert cache_folder(named, tmp_path / "a").path == tmp_path / "c"
    assert cache_folder(named, tmp_path / "a").budget_gb == 2.0


def test_a_budget_of_nothing_is_refused():
    with pytest.raises(SettingsError, match=r"cache\.budget_gb must be above 0; got 0"):
        CacheConfig(budget_gb=0)


@pytest.mark.whole
def test_a_run_fills_the_cache_beside_it(finished_run):
    _, run = finished_run
    files = sorted(path.name.rsplit("-", 1)[0] for path in (run.parent / FOLDER).glob("*.npy"))
    assert files == ["logits-mirrored", "logits-plain", "stage1-mirrored", "stage1-plain"]
    record = json.loads((run / "distill" / "hint+kd" / "stage.json").read_text())
    assert record["settings"]["teacher_outputs"] == "cached"
    assert "teacher's outputs: logits, stage1 computed, kept in" in (run / "log.txt").read_text()


@pytest.mark.parametrize("word", ["", "mine", FOLDER])
def test_the_command_finds_the_cache(runs, capsys, word):
    assert main(["cache", str(runs / word), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["folder"] == str(runs / FOLDER)
    assert [file["name"] for file in facts["files"]] == [f"{NAME}.npy"]
    assert facts["files"][0]["size_bytes"] == 128 + 30


def test_the_command_lists_and_clears(runs, capsys):
    assert main(["cache", str(runs)]) == 0
    listed = capsys.readouterr().out
    assert "1 files, 0.2 kB" in listed
    assert "logits-plain" in listed
    assert "just now" in listed
    assert main(["cache", str(runs), "--clear"]) == 0
    assert capsys.readouterr().out == "0.2 kB freed\n"
    assert not list((runs / FOLDER).glob("*.npy"))
    assert main(["cache", str(runs)]) == 0
    assert "0 files, 0.0 kB" in capsys.readouterr().out


def test_a_folder_that_is_not_there_is_told(tmp_path, capsys):
    assert main(["cache", str(tmp_path / "nowhere")]) == 2
    assert "there is no such folder" in capsys.readouterr().err
