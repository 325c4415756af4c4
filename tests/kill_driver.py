"""Runs the real command line and sends itself SIGKILL at a chosen moment of it.

    python tests/kill_driver.py MOMENT COUNT ARGUMENTS...

The process dies at the COUNT-th MOMENT (see MOMENTS). A function that is not where a moment looks
for it, and a command that ends before its moment came, are errors: exit status NEVER.
"""

import os
import signal
import sys
from importlib import import_module
from pathlib import Path

NEVER = 86  # a status that the command line does not use


def killed():
    os.kill(os.getpid(), signal.SIGKILL)


def after(real, due):
    """A function that dies after its work."""

    def patched(*args, **named):
        result = real(*args, **named)
        if due():
            killed()
        return result

    return patched


def before(real, due):
    """A function that dies instead of its work."""

    def patched(*args, **named):
        if due():
            killed()
        return real(*args, **named)

    return patched


def half_written(text):
    """Makes a function that dies with part of its first argument, an open file, written."""

    def wrap(real, due):
        def patched(file, *args, **named):
            if due():
                file.write(text)
                file.flush()
                killed()
            return real(file, *args, **named)

        return patched

    return wrap


def half_a_record(real, due):
    """A writer of whole files that dies with half of a stage's record written."""

    def patched(path, text):
        if Path(path).name == "stage.json" and due():
            path.with_name(f".{path.name}.1-0.tmp").write_text(text[: len(text) // 2])
            killed()
        return real(path, text)

    return patched


# Moment -> (module, function of it or of a class of it, what is made of the function).
MOMENTS = {
    "step": ("hintlite.pipeline.training.train", "_PhaseRun.on_train_batch_end", before),
    "checkpoint": (
        "hintlite.pipeline.training.checkpoint",
        "np.savez",
        half_written(b"PK half a checkpoint"),
    ),
    "cache": ("hintlite.pipeline.cache.folder", "_write", half_written(b"NUMPY half a file")),
    "conversion": ("hintlite.deploy.convert.convert", "run_converter", after),
    "record": ("hintlite.pipeline.app.run.folder", "write_whole", half_a_record),
    "rename": ("hintlite.pipeline.app.run.folder", "os.rename", after),
}


class Countdown:
    """True at the COUNT-th call of all."""

    def __init__(self, count):
        self.count = count

    def __call__(self):
        self.count -= 1
        return self.count == 0


def install(moment, count):
    """Puts the kill in the place of the moment's function; AttributeError if there is none."""
    module, path, wrap = MOMENTS[moment]
    *owners, name = path.split(".")
    owner = import_module(module)
    for each in owners:
        owner = getattr(owner, each)
    setattr(owner, name, wrap(getattr(owner, name), Countdown(count)))


def run(moment, count, arguments):
    """The command line's own exit status if it failed, NEVER if the moment did not come."""
    try:
        install(moment, count)
    except (ImportError, AttributeError) as error:
        print(f"kill_driver: nothing to patch for {moment}: {error}", file=sys.stderr)
        return NEVER
    from hintlite.pipeline.app.cli.main import main

    status = main(arguments)
    if status == 0:
        print(f"kill_driver: {moment} {count} never came", file=sys.stderr)
    return status or NEVER


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
