"""A Keras teacher in, a full-INT8 TFLite student out, with the measurements that prove it.

    import hintlite

    student = hintlite.distill(teacher, student, train, validation, hints={"stage2": "block3"})
    files = hintlite.quantize(student, calibration, validation)
    hintlite.bundle(files, "out", labels=["cat", "dog"])
    hintlite.export_c(files, "out_c", name="net")

What stands here is found when it is first used, so that the import itself loads neither TensorFlow
nor numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hintlite import methods
    from hintlite.errors import HintliteError
    from hintlite.pipeline.app.python.benchmark import benchmark
    from hintlite.pipeline.app.python.bundle import bundle
    from hintlite.pipeline.app.python.distill import distill
    from hintlite.pipeline.app.python.evaluate import evaluate
    from hintlite.pipeline.app.python.explain import explain
    from hintlite.pipeline.app.python.export_c import export_c
    from hintlite.pipeline.app.python.files import Feeding, Files
    from hintlite.pipeline.app.python.fits_board import fits_board
    from hintlite.pipeline.app.python.inspect import inspect
    from hintlite.pipeline.app.python.load_run import load_run
    from hintlite.pipeline.app.python.quantize import quantize
    from hintlite.pipeline.app.python.quantize_aware import quantize_aware
    from hintlite.pipeline.app.python.run import run
    from hintlite.pipeline.app.python.with_taps import with_taps
    from hintlite.pipeline.training.distiller import Distiller

__all__ = [
    "Distiller",
    "Feeding",
    "Files",
    "HintliteError",
    "benchmark",
    "bundle",
    "distill",
    "evaluate",
    "explain",
    "export_c",
    "fits_board",
    "inspect",
    "load_run",
    "methods",
    "quantize",
    "quantize_aware",
    "run",
    "with_taps",
]

_PYTHON = "hintlite.pipeline.app.python"
_PLACES = {  # where a name is found, if not in a file of its own name
    "Distiller": "hintlite.pipeline.training.distiller",
    "Feeding": f"{_PYTHON}.files",
    "Files": f"{_PYTHON}.files",
    "HintliteError": "hintlite.errors",
}


if not TYPE_CHECKING:  # type checkers would take any name for one that is there

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module 'hintlite' has no attribute {name!r}")
        if name == "methods":
            return import_module("hintlite.methods")
        found = getattr(import_module(_PLACES.get(name, f"{_PYTHON}.{name}")), name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
