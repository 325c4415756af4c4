"""A `.tflite` file as the schema's own objects, to be changed and packed again."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.graph import ModelError

_ALIGNMENT = 16  # force_align of Buffer.data in the schema


def unpack(content: bytes) -> Any:
    """The file as a `ModelT` of the schema, with all its parts.

    Args:
        content: a `.tflite` file.

    Raises:
        ModelError: no TFLite model, or damaged.
    """
    read_model(content)  # the schema's own reader trusts every offset
    from ai_edge_litert import schema_py_generated as schema

    try:
        return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    except (struct.error, LookupError, ValueError, TypeError, AttributeError) as error:
        # Parts that the reading above has no use for, such as ranges of the calibration.
        raise ModelError(
            f"The model is damaged: its content points outside the file ({error})."
        ) from error


def pack(model: Any, size_bytes: int) -> bytes:
    """The bytes of a file; equal models give equal bytes.

    Args:
        model: from `unpack`.
        size_bytes: about how large it will be.
    """
    import flatbuffers

    builder = flatbuffers.Builder(size_bytes + 1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def aligned_buffer(data: Any) -> Any:
    """A buffer that packs its bytes at a multiple of 16, which the generated code does not do.

    Args:
        data: an array of any type, whose bytes are taken as they lie.
    """
    from ai_edge_litert import schema_py_generated as schema

    class AlignedBuffer(schema.BufferT):
        def Pack(self, builder: Any) -> Any:  # noqa: N802 - the schema module's name
            content = np.asarray(data).tobytes()
            builder.StartVector(1, len(content), _ALIGNMENT)
            builder.head -= len(content)
            builder.Bytes[builder.head : builder.head + len(content)] = content
            vector = builder.EndVector()
            schema.BufferStart(builder)
            schema.BufferAddData(builder, vector)
            return schema.BufferEnd(builder)

    return AlignedBuffer()
