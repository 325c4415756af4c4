"""What the quantizer's process does, with the converter and the interpreter that it needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hintlite.child import Tell
    from hintlite.pipeline.qat.running import Tools


def answer(request: dict[str, Any], tell: Tell) -> None:
    """Does the job of a folder (see hintlite.pipeline.qat.job).

    Raises:
        CarryError, ConversionError, TuningError: the network is refused.
    """
    from hintlite.pipeline.qat.worker import work

    work(Path(request["folder"]), _tools(tell))


def _tools(tell: Tell) -> Tools:
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
