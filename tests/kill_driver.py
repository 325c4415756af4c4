"""Runs the real command line and sends itself SIGKILL at a chosen moment of it.

    python tests/kill_driver.py MOMENT COUNT ARGUMENTS...

MOMENT is step (of an epoch), checkpoint (half of it written), cache (half of a file of the
teacher's outputs written), conversion, record (a stage's work is done, half of its record written),
or rename (of a stage's folder, after it); the process dies at the COUNT-th of them.
"""

import os
import signal
import sys


def die():
    os.kill(os.getpid(), signal.SIGKILL)


class Countdown:
    def __init__(self, count):
        self.count = count

    def __call__(self):
        self.count -= 1
        return self.count == 0


def at_step(due):
    from hintlite.pipeline.training import train

    real = train._PhaseRun.on_train_batch_end

    def patched(self, batch, logs=None):
        if due():
            die()
        real(self, batch, logs)

    train._PhaseRun.on_train_batch_end = patched


def at_checkpoint(due):
    from hintlite.pipeline.training import checkpoint

    real = checkpoint.np.savez

    def patched(file, *arrays, **named):
        if due():
            file.write(b"PK half a checkpoint")
            file.flush()
            die()
        real(file, *arrays, **named)

    checkpoint.np.savez = patched


def at_cache(due):
    from hintlite.pipeline.cache import folder as cache_folder

    real = cache_folder._write

    def patched(file, entry, chunks):
        if due():
            file.write(b"NUMPY half a file")
            file.flush()
            die()
        real(file, entry, chunks)

    cache_folder._write = patched


def at_conversion(due):
    import hintlite.deploy.convert.convert

    real = hintlite.deploy.convert.convert._convert

    def patched(converter):
        content = real(converter)
        if due():
            die()
        return content

    hintlite.deploy.convert.convert._convert = patched


def at_record(due):
    from hintlite.pipeline.app.run import folder

    real = folder.write_whole

    def patched(path, text):
        if path.name == folder.RECORD and due():
            path.with_name(f".{path.name}.1-0.tmp").write_text(text[: len(text) // 2])
            die()
        real(path, text)

    folder.write_whole = patched


def at_rename(due):
    from hintlite.pipeline.app.run import folder

    real = folder.os.rename

    def patched(*places):
        real(*places)
        if due():
            die()

    folder.os.rename = patched


MOMENTS = {
    "step": at_step,
    "checkpoint": at_checkpoint,
    "cache": at_cache,
    "conversion": at_conversion,
    "record": at_record,
    "rename": at_rename,
}


if __name__ == "__main__":
    from hintlite.pipeline.app.cli.main import main

    MOMENTS[sys.argv[1]](Countdown(int(sys.argv[2])))
    sys.exit(main(sys.argv[3:]))
