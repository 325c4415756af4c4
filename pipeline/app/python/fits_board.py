"""`hintlite.fits_board`: whether a network fits a microcontroller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from types import NoneType

from hintlite.errors import HintliteError
from hintlite.pipeline.app.fit.limits import Costs, Limits
from hintlite.pipeline.app.python.arguments import ArgumentError, expect, in_python
from hintlite.pipeline.app.python.files import Files, int8_bytes


@dataclass(frozen=True)
class Fit:
    """Whether a network fits; true where it does.

    Attributes:
        costs: what it takes: `flash_bytes`, `ram_bytes`, `arena_bytes`, `macs`, `parameters`.
        limits: what there is.
        excess: what is too much, by how much; empty where it fits.
    """

    costs: Costs
    limits: Limits
    excess: Mapping[str, int]

    def __bool__(self) -> bool:
        return not self.excess

    def __str__(self) -> str:
        costs = self.costs
        needs = f"flash {costs.flash_bytes:,}, RAM {costs.ram_bytes:,}, MACs {costs.macs:,}"
        if self:
            return f"it fits: {needs}"
        too_much = ", ".join(f"{name} by {by:,}" for name, by in self.excess.items())
        return f"it does not fit: {too_much} too much ({needs})"


def fits_board(
    model: Files | bytes | str | Path,
    board: str | None = None,
    *,
    flash: str | int | None = None,
    ram: str | int | None = None,
    macs: str | int | None = None,
) -> Fit:
    """Compares a network with a board or a budget, as `hintlite fit` (docs/fit.md).

    Args:
        model: files from `hintlite.quantize`; or bytes or path of a `.tflite` file, or a bundle.
        board: a name of deploy/boards.yaml, such as "nano33ble".
        flash: bytes, or text with a unit ("256k"); goes before the board's.
        ram: likewise.
        macs: the most multiply-accumulates of an inference ("5M").

    Returns:
        What it takes, what there is and what is too much. The arena is TensorFlow Lite Micro's for
        a 32-bit target, estimated; flash is the file alone.

    Raises:
        HintliteError: an unknown board, an amount that cannot be read, nothing to compare with, or
            a file whose memory cannot be planned.
    """
    from hintlite.deploy.boards import MORE
    from hintlite.deploy.tflite.flatbuffer import read_model
    from hintlite.pipeline.app.fit.limits import costs_of, excess, read_limits

    expect("board", board, (str, NoneType), "the name of a board, such as 'nano33ble'")
    for name, value in (("flash", flash), ("ram", ram), ("macs", macs)):
        expect(name, value, (str, Integral, NoneType), "a whole number, or text such as '256k'")
    given = {"board": board, "flash": flash, "ram": ram, "macs": macs}
    others = dict.fromkeys(("boards", "runtime_flash", "runtime_ram"))
    try:
        limits = read_limits({**given, **others})
    except HintliteError as error:
        raise ArgumentError(in_python(str(error).replace(MORE, ""))) from error
    content = int8_bytes(model)
    costs = costs_of(read_model(content), len(content), limits)
    return Fit(costs, limits, excess(costs, limits))
