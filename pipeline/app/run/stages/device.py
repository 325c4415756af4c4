"""targets, over SSH: what a device measured, kept as a stage of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hintlite.benchmarks.targets.names import TARGETS
from hintlite.keyed import keyed
from hintlite.pipeline.app.run.folder import Stage
from hintlite.pipeline.app.run.stages import bundle
from hintlite.pipeline.app.run.stages.measured import write_result
from hintlite.pipeline.runs.layout import RESULT

if TYPE_CHECKING:
    from hintlite.benchmarks.targets.base import BenchmarkRequest, BenchmarkResult
    from hintlite.benchmarks.targets.ssh.device import Device


def stage(device: Device, request: BenchmarkRequest, result: BenchmarkResult) -> Stage:
    """The stage that writes result.json of one device.

    Its key holds the nonce of this one measurement: a device is measured anew whenever it is asked
    for, and what it said before is replaced by a new result alone.
    """
    from hintlite.benchmarks.targets.ssh.device import folder_name

    return Stage(
        name=f"targets/{folder_name(device.name, TARGETS)}",
        version=1,
        settings={
            "target": device.name,
            "words": words(device),
            "request": keyed(request),
            "nonce": result.raw["nonce"],
        },
        inputs=(bundle.NAME,),
        libraries=(),
        work=lambda folder: write_result(result, folder / RESULT),
    )


def words(device: Device) -> list[str]:
    """The options that name the device again; where a user's key lies is left out."""
    from hintlite.benchmarks.targets.ssh.device import target_of

    found = ["--target", target_of(device.destination)]
    found += [] if device.port is None else ["--port", str(device.port)]
    found += [] if device.python == "python3" else ["--python", device.python]
    return found
