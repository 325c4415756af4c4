"""What plain C refuses."""

from hintlite.deploy.tflite.graph import ModelError
from hintlite.errors import FAILED, WRONG_USE


class ExportError(ModelError):
    """What cannot become C, or not there; the message says what, where and what to do."""

    exit_code = FAILED


class PlaceError(ExportError):
    """A folder for the sources that cannot be taken."""

    exit_code = WRONG_USE
