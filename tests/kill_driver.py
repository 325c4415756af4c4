"""Runs the real command line and sends itself SIGKILL at a chosen moment of it.

    python tests/kill_driver.py MOMENT COUNT ARGUMENTS...
    python tests/kill_driver.py

The process dies at the COUNT-th MOMENT (see MOMENTS). A function that is not where a moment looks
for it, and a command that ends before its moment came, are errors: exit status NEVER.

Without arguments it loads TensorFlow once and then reads such arguments, a JSON list a line. Each
line is done in a process of its own, forked before TensorFlow has any thread; its exit status, or
minus its signal, is the line that is answered. A MOMENT of "" kills nothing.
"""

import json
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

    def dying(*args, **named):
        result = real(*args, **named)
        if due():
            killed()
        return result

    return dying


def before(real, due):
    """A function that dies instead of its work."""

    def dying(*args, **named):
        if due():
            killed()
        return real(*args, **named)

    return dying


def half_written(name):
    """Makes a function that dies with part of its first argument written, an open file so named."""

    def wrap(real, due):
        def dying(file, *args, **named):
            found = os.path.basename(str(getattr(file, "name", file)))
            if name in found and due():
                file.write(b"half a file")
                file.flush()
                killed()
            return real(file, *args, **named)

        return dying

    return wrap


def half_a_record(real, due):
    """A writer of whole files that dies with half of a stage's record written."""

    def dying(path, text):
        if Path(path).name == "stage.json" and due():
            path.with_name(f".{path.name}.1-0.tmp").write_text(text[: len(text) // 2])
            killed()
        return real(path, text)

    return dying


# Moment -> (module, function of it or of a class of it, what is made of the function).
MOMENTS = {
    "step": ("hintlite.pipeline.training.train", "_PhaseRun.on_train_batch_end", before),
    "checkpoint": (
        "hintlite.pipeline.training.checkpoint",
        "np.savez",
        half_written("checkpoint"),
    ),
    "cache": ("hintlite.pipeline.cache.folder", "write_all", half_written("")),
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


def patched(moment):
    """The module or class that holds the moment's function, and its name there."""
    module, path, _ = MOMENTS[moment]
    *owners, name = path.split(".")
    owner = import_module(module)
    for each in owners:
        owner = getattr(owner, each)
    getattr(owner, name)  # AttributeError where there is none
    return owner, name


def install(moment, count):
    """Puts the kill in the place of the moment's function."""
    owner, name = patched(moment)
    wrap = MOMENTS[moment][-1]
    setattr(owner, name, wrap(getattr(owner, name), Countdown(count)))


def run(moment, count, arguments):
    """The command line's own exit status if it failed, NEVER if the moment did not come."""
    from hintlite.pipeline.app.cli.main import main

    if not moment:
        return main(arguments)
    try:
        install(moment, count)
    except (ImportError, AttributeError) as error:
        print(f"kill_driver: nothing to patch for {moment}: {error}", file=sys.stderr)
        return NEVER
    status = main(arguments)
    if status == 0:
        print(f"kill_driver: {moment} {count} never came", file=sys.stderr)
    return status or NEVER


def serve():
    """Does what the lines of the standard input say."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0")
    for module in ("tensorflow", "keras", *(module for module, *_ in MOMENTS.values())):
        import_module(module)
    threads = len(os.listdir("/proc/self/task"))
    assert threads == 1, f"{threads} threads: what they hold is lost to a fork"
    answers, sys.stdout = os.fdopen(os.dup(1), "w"), sys.stderr
    os.dup2(2, 1)
    for line in sys.stdin:
        moment, count, *arguments = json.loads(line)
        child = os.fork()
        if child == 0:
            os._exit(run(moment, int(count), arguments))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(status, file=answers, flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        serve()
    else:
        sys.exit(run(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
