"""The command line in this process, for tests whose subject is not a process.

Loading TensorFlow takes longer than most commands.
"""

import contextlib
import os
import subprocess
import tempfile

from hintlite.pipeline.app.cli.main import main


def hintlite(*words):
    """Exit status and both outputs of a command, those of C++ code included."""
    with contextlib.ExitStack() as stack:
        outputs = [stack.enter_context(_to_file(number)) for number in (1, 2)]
        try:
            status = main([str(word) for word in words])
        finally:
            _let_determinism_go()
        texts = [_read(output) for output in outputs]
    return subprocess.CompletedProcess(words, status, *texts)


def _read(file):
    file.seek(0)
    return file.read()


@contextlib.contextmanager
def _to_file(number):
    """Sends what goes to a file descriptor, and to Python's stream of it, to a file."""
    redirect = {1: contextlib.redirect_stdout, 2: contextlib.redirect_stderr}[number]
    kept = os.dup(number)
    with tempfile.TemporaryFile("w+", errors="replace") as file:
        try:
            os.dup2(file.fileno(), number)
            with os.fdopen(os.dup(number), "w", buffering=1) as stream, redirect(stream):
                yield file
        finally:
            os.dup2(kept, number)
            os.close(kept)


def _let_determinism_go():
    """A run's settings may have asked TensorFlow for it; later tests are not to inherit it."""
    from tensorflow.python.framework import config

    config.disable_op_determinism()
