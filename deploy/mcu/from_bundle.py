"""A TFLM project from a bundle: its labels, its normalization and its first sample go along."""

from __future__ import annotations

from pathlib import Path

from hintlite.deploy.bundle.facts import read_facts
from hintlite.deploy.mcu.export import TflmExport, export_tflm, read_int8_model
from hintlite.deploy.mcu.sample import TestSample


def export_file(model: Path, name: str, strip: bool) -> TflmExport:
    """The project of one `.tflite` file; what a bundle around it knows is used.

    Args:
        model: a full-INT8 file, alone or in a bundle's folder.
        name: the C++ namespace.
        strip: see `export_tflm`.

    Raises:
        ModelError: the model or the name does not fit.
        BundleError: the bundle around the file is damaged.
    """
    facts = read_facts(model)
    if facts is None:
        return export_tflm(model, name, strip=strip)
    graph = read_int8_model(model).main
    source = graph.tensors[graph.inputs[0]]
    values = facts.stored(source.scale, source.zero_point)
    return export_tflm(
        model,
        name,
        labels=facts.labels,
        normalization=facts.normalization,
        sample=TestSample(values, facts.source),
        strip=strip,
    )
