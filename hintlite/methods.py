"""Methods of distillation with settings of their own, for `hintlite.distill(method=...)`."""

from hintlite.pipeline.app.python.methods import *  # noqa: F403 - all that __all__ names there
from hintlite.pipeline.app.python.methods import (
    __all__,  # noqa: F401
    __getattr__,  # noqa: F401 - the class of any other method of METHODS
)
