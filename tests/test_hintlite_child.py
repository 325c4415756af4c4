"""Processes that answer, refuse, fail, die, hang and take too much memory."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hintlite.child import Child, DiedError, FailedError, RefusedError, memory_share

ROOT = Path(__file__).parents[1]
WORK = """
import os, signal, sys, time
from hintlite.errors import HintliteError

def answer(request, tell):
    kind = request["kind"]
    if kind == "echo":
        print("a library speaks")
        tell({"half": 1})
        tell({"half": 2})
        return request["value"]
    if kind == "refuse":
        raise HintliteError("give another")
    if kind == "fail":
        raise KeyError("slip")
    if kind == "no json":
        return {1, 2}
    if kind == "leave":
        sys.exit(0)
    if kind == "exit":
        print("last words", file=sys.stderr, flush=True)
        os._exit(3)
    if kind == "abort":
        os.abort()
    if kind == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "hang":
        tell("begun")
        time.sleep(60)
    if kind == "memory":
        return len(bytearray(1 << 40))
    if kind == "pid":
        return os.getpid()
"""


@pytest.fixture
def child(tmp_path, monkeypatch):
    """Makes children whose work is WORK."""
    (tmp_path / "own_work.py").write_text(WORK)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(ROOT)]))
    made = []

    def make(**settings):
        made.append(Child("own_work:answer", **settings))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_an_answer_comes_after_what_is_told_on_the_way(child):
    heard = []
    value = {"text": "ä\n", "numbers": [1.5, None], "long": "x" * 200_000}

    assert child().ask({"kind": "echo", "value": value}, heard.append) == value
    assert heard == [{"half": 1}, {"half": 2}]


def test_a_refusal_leaves_the_process_alive(child):
    one = child()

    with pytest.raises(RefusedError, match=r"^give another$"):
        one.ask({"kind": "refuse"})
    assert one.ask({"kind": "echo", "value": 1}) == 1
    assert one.starts == 1


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        ("fail", FailedError, r"^KeyError: 'slip'$"),
        ("no json", FailedError, "^TypeError: .*set"),
        ("leave", FailedError, r"^SystemExit: 0$"),
        ("exit", DiedError, "^the process ended by itself with code 3$"),
        ("abort", DiedError, "^the process was ended by SIGABRT$"),
        ("killed", DiedError, "^the process was ended by SIGKILL; too little memory"),
    ],
)
def test_what_goes_wrong_is_told_and_the_next_request_is_answered(child, kind, error, words):
    one = child()

    with pytest.raises(error, match=words):
        one.ask({"kind": kind})
    assert one.ask({"kind": "echo", "value": 1}) == 1
    assert one.starts == 2


def test_the_last_lines_are_kept_and_logged(child):
    logged = []

    with pytest.raises(DiedError) as caught:
        child(log=logged.append).ask({"kind": "exit"})
    assert caught.value.last == ("last words",)
    assert logged == ["last words"]


def test_a_silent_process_is_ended(child):
    heard = []
    one = child(name="the sleeper", limit_s=3.0)

    with pytest.raises(DiedError, match=r"^the sleeper did not answer within 3 s$"):
        one.ask({"kind": "hang"}, heard.append)
    assert heard == ["begun"]
    assert not one.alive


def test_memory_beyond_the_limit_is_told(child):
    with pytest.raises(DiedError, match=r"needed more than the 1\.0 GiB of memory"):
        child(memory_bytes=1 << 30).ask({"kind": "memory"})


def test_the_share_of_memory_is_none_of_a_small_number():
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

    assert memory_share() == max(4 * 1024**3, 3 * (machine // 4))


class Stop(KeyboardInterrupt):
    pass


def test_whatever_ends_a_request_ends_its_process(child):
    def stop(_):
        raise Stop

    one = child()
    pid = one.ask({"kind": "pid"})
    with pytest.raises(Stop):
        one.ask({"kind": "hang"}, stop)
    assert not Path(f"/proc/{pid}").exists()


STARTER = """
import os, signal
from hintlite.child import Child
print(Child("own_work:answer").ask({"kind": "pid"}), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.usefixtures("child")
def test_a_process_ends_with_the_one_that_started_it():
    done = subprocess.run([sys.executable, "-c", STARTER], stdout=subprocess.PIPE, check=False)
    assert done.returncode == -signal.SIGKILL
    started = Path("/proc") / done.stdout.decode().strip()
    for _ in range(200):
        if not started.exists() or ") Z" in (started / "stat").read_text():
            return
        time.sleep(0.05)
    pytest.fail("it is still there")
