"""What emulated Raspberry Pis are made of: kept whole or not at all, and made once."""

import os
import threading
from pathlib import Path

import pytest

from hintlite.benchmarks.dev.emulated_pi import userland
from hintlite.benchmarks.dev.emulated_pi.boards import BOARDS
from hintlite.benchmarks.dev.emulated_pi.device import EmulatedPi
from hintlite.benchmarks.dev.pi_instructions import models


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_missing_tools_are_named_with_their_packages(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(userland.UserlandError, match=r"missing: mmdebstrap, .*apt-get install"):
        userland.userland("bookworm-arm64")


@pytest.mark.parametrize(("account", "mode"), [(0, "root"), (1000, "chrootless")])
def test_an_ordinary_account_makes_it_too(monkeypatch, account, mode):
    """By itself mmdebstrap wants user namespaces of an account that is not root's."""
    asked = []

    def run(words):
        asked.extend(words)
        Path(words[-2]).mkdir(exist_ok=True)

    monkeypatch.setattr(userland, "_run", run)
    monkeypatch.setattr(userland, "missing_tools", list)
    monkeypatch.setattr(os, "geteuid", lambda: account)
    assert userland.userland("bookworm-arm64").is_dir()
    assert f"--mode={mode}" in asked
    assert "deb.debian.org/debian bookworm main" in asked[-1]


def test_what_fails_half_way_leaves_nothing():
    def half(folder):
        folder.mkdir(exist_ok=True)
        (folder / "a").write_text("x")
        raise userland.UserlandError("no network")

    with pytest.raises(userland.UserlandError, match="no network"):
        userland._kept("thing", half)
    assert [path.name for path in userland.cache().iterdir()] == ["thing.lock"]


def test_it_is_made_once_though_two_ask_at_a_time():
    made = []

    def make(folder):
        made.append(folder)
        folder.mkdir(exist_ok=True)

    threads = [threading.Thread(target=userland._kept, args=("thing", make)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert userland._kept("thing", make).is_dir()


def test_a_failed_tool_ends_with_its_words(tmp_path):
    with pytest.raises(userland.UserlandError, match="sh failed: no such mirror"):
        userland._run(["sh", "-c", "echo no such mirror >&2; exit 3"])


def test_another_recipe_is_another_folder():
    keys = {userland._key(recipe) for recipe in userland.USERLANDS.values()}
    assert len(keys) == len(userland.USERLANDS)


def test_the_python_of_a_pi_is_a_script_that_names_its_emulator(tmp_path):
    debian = userland.USERLANDS["bookworm-armhf"]
    pi = EmulatedPi(BOARDS["pi3"], debian, tmp_path / "a b", tmp_path / "packages")
    script = pi.script()
    assert "export HINTLITE_EMULATOR='qemu-arm -cpu cortex-a53'" in script
    assert f'PYTHONPATH="${{PYTHONPATH:+$PYTHONPATH:}}"{tmp_path / "packages"}' in script
    assert f"-L '{tmp_path / 'a b'}' -cpu cortex-a53 '{tmp_path}/a b/usr/bin/python3.11'" in script
    assert "usr/lib/arm-linux-gnueabihf/blas:" in script


def test_a_run_that_is_not_quantized_is_refused(tmp_path):
    with pytest.raises(SystemExit, match=r"teacher_float32\.tflite.*hintlite quantize"):
        models(tmp_path, "hint+kd")
