"""`hintlite convert` in the tests' own process, in which TensorFlow is loaded already."""

import json

from hintlite.child import RefusedError
from hintlite.errors import HintliteError
from hintlite.pipeline.app.cli.main import main
from hintlite.pipeline.app.convert import process


class InThisProcess:
    """Stands for `Child`."""

    def __init__(self, work, **_):
        self.work = work
        process._HELD = process._Held()

    def ask(self, request):
        try:
            return process.work(json.loads(json.dumps(request)), print)
        except HintliteError as error:
            raise RefusedError(str(error)) from error

    def close(self):
        pass


def convert(model, data, out, *more):
    """The exit code, and the record that was written."""
    code = main(["convert", str(model), "--data", str(data), "--out", str(out), *map(str, more)])
    record = out / "model" / "convert.json"
    return code, json.loads(record.read_text()) if record.exists() else None


def saved(model, path):
    """Where a model was saved."""
    model.save(path)
    return path
