"""A flatbuffer without what an interpreter on a microcontroller never reads.

Taken out are the names of tensors, graphs and signatures, the description, metadata, the ranges
that calibration left (`min`, `max`), and buffers that nothing refers to. Weights keep their
alignment of 16 bytes.
"""

from __future__ import annotations

from typing import Any

from hintlite.deploy.tflite.graph import ModelError
from hintlite.deploy.tflite.repack import aligned_buffer, pack, unpack

_OFFLINE_PLAN = b"OfflineMemoryAllocation"  # TFLM reads this one


def strip_model(content: bytes) -> bytes:
    """The same model in fewer bytes; equal inputs give equal bytes.

    Args:
        content: a sound `.tflite` file below 2 GB.

    Raises:
        ModelError: no TFLite model, damaged, or with weights that stand behind the flatbuffer.
    """
    model = unpack(content)
    if any(buffer.offset > 1 for buffer in model.buffers):
        raise ModelError(
            "The file keeps its weights behind the flatbuffer, as files above 2 GB do: no "
            "microcontroller holds it."
        )
    _drop_names(model)
    _keep_used_buffers(model)
    return pack(model, len(content))


def _drop_names(model: Any) -> None:
    model.description = None
    model.signatureDefs = None
    model.metadataBuffer = None
    kept = [entry for entry in model.metadata or [] if entry.name == _OFFLINE_PLAN]
    model.metadata = kept or None
    for graph in model.subgraphs:
        graph.name = None
        for tensor in graph.tensors:
            tensor.name = None
            if tensor.quantization is not None:
                tensor.quantization.min = tensor.quantization.max = None
            if tensor.shapeSignature is not None and -1 not in list(tensor.shapeSignature):
                tensor.shapeSignature = None


def _keep_used_buffers(model: Any) -> None:
    """Number the buffers anew: 0 is the empty one, of tensors without values."""
    from ai_edge_litert import schema_py_generated as schema

    numbers = {0: 0}
    kept = [0]
    holders = [t for graph in model.subgraphs for t in graph.tensors] + list(model.metadata or [])
    for holder in holders:
        data = model.buffers[holder.buffer].data
        if data is None or len(data) == 0:
            holder.buffer = 0
        else:
            if holder.buffer not in numbers or holder.buffer == 0:
                numbers[holder.buffer] = len(kept)
                kept.append(holder.buffer)
            holder.buffer = numbers[holder.buffer]
    model.buffers = [
        schema.BufferT() if place == 0 else aligned_buffer(model.buffers[number].data)
        for place, number in enumerate(kept)
    ]
