"""What plain C refuses."""

from hintlite.deploy.tflite.graph import ModelError


class ExportError(ModelError):
    """A model that cannot become C; the message says what, where and what to do."""
