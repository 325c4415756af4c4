"""The process of the quantizer: `python -m hintlite.pipeline.app.run.qat.process FOLDER`.

It answers in lines of JSON on its standard output; the last one of a refusal is {"what": "refused",
"why": sentence}. It ends with the process that has started it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

REFUSED = 3


def main(folder: Path) -> int:
    """Does the job of a folder (see hintlite.pipeline.qat.job)."""
    # Before TensorFlow: it decides once for the process which Keras it takes.
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the business of the starting process
    threading.Thread(target=_end_with_parent, daemon=True).start()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # libraries that print do not speak in between

    def tell(line: dict[str, Any]) -> None:
        print(json.dumps(line), file=answers)

    from hintlite.deploy.convert.checks import ConversionError
    from hintlite.pipeline.qat.blueprint import CarryError
    from hintlite.pipeline.qat.finetune import TuningError
    from hintlite.pipeline.qat.worker import work

    try:
        work(folder, _tools(tell))
    except (CarryError, ConversionError, TuningError) as error:
        tell({"what": "refused", "why": str(error)})
        return REFUSED
    return 0


def _end_with_parent() -> None:
    """The starting process holds the other end of standard input for as long as it lives."""
    while os.read(0, 1):  # not through sys.stdin, whose lock would be held at the end
        pass
    os._exit(1)


def _tools(tell: Any) -> Any:
    from hintlite.deploy.convert.qat import fake_quantized_to_int8, legacy_to_float32
    from hintlite.deploy.interpret.runtime import Runner
    from hintlite.pipeline.qat.running import Tools

    return Tools(
        to_int8=fake_quantized_to_int8,
        to_float=legacy_to_float32,
        predict=lambda content, samples: Runner(content, threads=2).predict(samples),
        output_step=lambda content: Runner(content).output.scale,
        tell=tell,
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
