"""Plain C from a full-INT8 model: no interpreter, no allocator, the bits of TFLM."""
