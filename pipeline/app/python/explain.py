"""`hintlite.explain`: where the error of INT8 comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hintlite.pipeline.app.python.arguments import expect
from hintlite.pipeline.app.python.files import Files
from hintlite.pipeline.app.python.samples import Data, Task, read_samples

if TYPE_CHECKING:
    from hintlite.deploy.explain.result import Explanation


def explain(files: Files, samples: Data) -> Explanation:
    """Goes through both files operator by operator, as `hintlite quantize --explain`.

    Args:
        files: from `hintlite.quantize`.
        samples: (x, y) or a dataset; some hundreds of validation samples, fed as they are.

    Returns:
        What each operator adds to the error and what would be regained without it, and findings
        with what to try (docs/quantization_error.md).

    Raises:
        HintliteError: samples of another shape, or files that are not one network.
    """
    from hintlite.deploy.explain.explain import explain as compare

    expect("files", files, Files, "what hintlite.quantize returns")
    task = Task(files.samples.shape[1:], len(files.labels), files.labels)
    read = read_samples(samples, task, "samples")
    return compare(files.float32, files.int8, read.array.astype(np.float32), read.labels)
