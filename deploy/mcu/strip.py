"""A flatbuffer without what an interpreter on a microcontroller never reads.

Taken out are the names of tensors, graphs and signatures, the description, metadata, the ranges
that calibration left (`min`, `max`), and buffers that nothing refers to. Weights keep their
alignment of 16 bytes.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from deploy.flatbuffer import read_model
from deploy.graph import ModelError

_ALIGNMENT = 16  # force_align of Buffer.data in the schema
_OFFLINE_PLAN = b"OfflineMemoryAllocation"  # TFLM reads this one


def strip_model(content: bytes) -> bytes:
    """The same model in fewer bytes; equal inputs give equal bytes.

    Args:
        content: a sound `.tflite` file below 2 GB.

    Raises:
        ModelError: no TFLite model, damaged, or with weights that stand behind the flatbuffer.
    """
    read_model(content)  # the schema's own reader trusts every offset
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    try:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    except (struct.error, LookupError, ValueError, TypeError, AttributeError) as error:
        # Parts that the reading above has no use for, such as ranges of the calibration.
        raise ModelError(
            f"The model is damaged: its content points outside the file ({error})."
        ) from error
    if any(buffer.offset > 1 for buffer in model.buffers):
        raise ModelError(
            "The file keeps its weights behind the flatbuffer, as files above 2 GB do: no "
            "microcontroller holds it."
        )
    _drop_names(model)
    _keep_used_buffers(model, schema)
    builder = flatbuffers.Builder(len(content) + 1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


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


def _keep_used_buffers(model: Any, schema: Any) -> None:
    """Number the buffers anew: 0 is the empty one, of tensors without values."""
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
        schema.BufferT() if place == 0 else _aligned(model.buffers[number].data, schema)
        for place, number in enumerate(kept)
    ]


def _aligned(data: Any, schema: Any) -> Any:
    """A buffer that packs its bytes at a multiple of 16, which the generated code does not do."""

    class AlignedBuffer(schema.BufferT):
        def Pack(self, builder: Any) -> Any:  # noqa: N802 - the schema module's name
            content = np.asarray(data, np.uint8).tobytes()
            builder.StartVector(1, len(content), _ALIGNMENT)
            builder.head -= len(content)
            builder.Bytes[builder.head : builder.head + len(content)] = content
            vector = builder.EndVector()
            schema.BufferStart(builder)
            schema.BufferAddData(builder, vector)
            return schema.BufferEnd(builder)

    return AlignedBuffer()
