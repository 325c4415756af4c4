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
    from hintlite.pipeline.app.python.bundle import Feeding, bundle
    from hintlite.pipeline.app.python.distill import distill
    from hintlite.pipeline.app.python.export_c import export_c
    from hintlite.pipeline.app.python.files import Files
    from hintlite.pipeline.app.python.quantize import quantize
    from hintlite.pipeline.training.distiller import Distiller

__all__ = [
    "Distiller",
    "Feeding",
    "Files",
    "HintliteError",
    "bundle",
    "distill",
    "export_c",
    "methods",
    "quantize",
]

_PYTHON = "hintlite.pipeline.app.python"
_PLACES = {
    "Distiller": "hintlite.pipeline.training.distiller",
    "Feeding": f"{_PYTHON}.bundle",
    "Files": f"{_PYTHON}.files",
    "HintliteError": "hintlite.errors",
    "bundle": f"{_PYTHON}.bundle",
    "distill": f"{_PYTHON}.distill",
    "export_c": f"{_PYTHON}.export_c",
    "quantize": f"{_PYTHON}.quantize",
}


def __getattr__(name: str) -> Any:
    if name == "methods":
        return import_module("hintlite.methods")
    if name not in _PLACES:
        raise AttributeError(f"module 'hintlite' has no attribute {name!r}")
    found = getattr(import_module(_PLACES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
