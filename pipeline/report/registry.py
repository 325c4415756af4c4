"""The sections of the page, in their order."""

from __future__ import annotations

from hintlite.pipeline.report.section import Renderer
from hintlite.pipeline.report.subjects import (
    accuracy,
    comparison,
    confusion,
    devices,
    doubts,
    explanation,
    hint_maps,
    latency,
    machine,
    microcontrollers,
    phones,
    quantization,
    reproduce,
    summary,
    table,
    training,
    unfinished,
)

SECTIONS: tuple[Renderer, ...] = (
    unfinished.render,
    summary.render,
    doubts.render,
    table.render,
    comparison.render,
    accuracy.render,
    training.render,
    confusion.render,
    hint_maps.render,
    quantization.render,
    explanation.render,
    latency.render,
    devices.render,
    microcontrollers.render,
    phones.render,
    machine.render,
    reproduce.render,
)
