"""What plain C refuses."""

from hintlite.deploy.tflite.graph import ModelError


class ExportError(ModelError):
    """What cannot become C, or not there; the message says what, where and what to do."""
