"""What TensorFlow Lite Micro knows of each operator: how to add it, and what it keeps in the arena.

`add` is the method of `MicroMutableOpResolver` (micro_mutable_op_resolver.h), `options` the
structure that its parser fills (c/builtin_op_data.h; empty where the parser keeps nothing), `data`
the kernel's own OpData; `abi.layout` reads both. Files below tensorflow/lite/micro/.
"""

from __future__ import annotations

from dataclasses import dataclass

from hintlite.deploy.tflite.graph import Graph, ModelError, Operator


@dataclass(frozen=True)
class OperatorFacts:
    """One operator of TFLM.

    Args:
        add: the method of the resolver.
        source: the file that has its kernel, below tensorflow/lite/micro/kernels/.
        options: fields of its parsed options.
        data: fields of its OpData; None where they are not known here.
        compressed: scratch indices that builds with compressed tensors add to OpData.
        cmsis: fields that the CMSIS-NN kernel adds to OpData.
    """

    add: str
    source: str
    options: str = ""
    data: str | None = ""
    compressed: int = 0
    cmsis: str = ""


_CONV = "7i2i2p2ii"  # OpDataConv (conv.h): padding 4i, zero points 3i, multiplier and shift, ...
_ARITHMETIC = "b14i"  # OpDataAdd (add.h), OpDataSub (sub.h)
_POOLING = "8i"  # OpDataPooling (pooling.h): padding 4i, four ends of the activation
# OpDataReduce (reduce.h). The published fields are "10i"; the record of the package tflite-micro
# shows 4 bytes more.
_REDUCE = "11i"
_QUANTIZE = "id3i"  # OpDataQuantizeReference (quantize.h)
_TABLE = "4i"  # OpDataLogistic (logistic.h)
_PADDING = "b5ib5ibi"  # OpData (pad_common.cc): PadParams and the zero point
_UNKNOWN = None

OPERATORS: dict[str, OperatorFacts] = {
    "ABS": OperatorFacts("AddAbs", "elementwise.cc", data=_UNKNOWN),
    "ADD": OperatorFacts("AddAdd", "add.cc", "ib", _ARITHMETIC),
    "ARG_MAX": OperatorFacts("AddArgMax", "arg_min_max.cc", "i"),
    "ARG_MIN": OperatorFacts("AddArgMin", "arg_min_max.cc", "i"),
    "AVERAGE_POOL_2D": OperatorFacts("AddAveragePool2D", "pooling.cc", "10i", _POOLING, cmsis="i"),
    "BATCH_MATMUL": OperatorFacts("AddBatchMatMul", "batch_matmul.cc", "3b", _UNKNOWN),
    "BATCH_TO_SPACE_ND": OperatorFacts("AddBatchToSpaceNd", "batch_to_space_nd.cc", data=_UNKNOWN),
    "BROADCAST_TO": OperatorFacts("AddBroadcastTo", "broadcast_to.cc"),
    "CAST": OperatorFacts("AddCast", "cast.cc", "2i"),
    "CONCATENATION": OperatorFacts("AddConcatenation", "concatenation.cc", "2i", "b2ph2i"),
    "CONV_2D": OperatorFacts("AddConv2D", "conv.cc", "7i", _CONV, compressed=2, cmsis="i"),
    "DEPTHWISE_CONV_2D": OperatorFacts(
        "AddDepthwiseConv2D", "depthwise_conv.cc", "7i", _CONV, compressed=2, cmsis="i"
    ),
    "DEPTH_TO_SPACE": OperatorFacts("AddDepthToSpace", "depth_to_space.cc", "i"),
    "DEQUANTIZE": OperatorFacts("AddDequantize", "dequantize.cc", data="di3i"),
    "DIV": OperatorFacts("AddDiv", "div.cc", "i", _UNKNOWN),
    "ELU": OperatorFacts("AddElu", "elu.cc", data=_UNKNOWN),
    "EXP": OperatorFacts("AddExp", "exp.cc", data=_UNKNOWN),
    "EXPAND_DIMS": OperatorFacts("AddExpandDims", "expand_dims.cc"),
    "FILL": OperatorFacts("AddFill", "fill.cc"),
    # OpDataFullyConnected (fully_connected.h); CMSIS-NN's kernel adds the sums of its weights, two
    # lists for convolutions of 1x1 and three indices (cmsis_nn/fully_connected.cc). The published
    # fields of its options are "2i2bi"; the record of the package tflite-micro shows 16 bytes more.
    "FULLY_CONNECTED": OperatorFacts(
        "AddFullyConnected", "fully_connected.cc", "2i2bi2p", "9i2pb", compressed=2, cmsis="3p3i"
    ),
    "GATHER": OperatorFacts("AddGather", "gather.cc", "2i"),
    "HARD_SWISH": OperatorFacts("AddHardSwish", "hard_swish.cc", data="3hihi"),
    "L2_NORMALIZATION": OperatorFacts("AddL2Normalization", "l2norm.cc", "i", _UNKNOWN),
    "LEAKY_RELU": OperatorFacts("AddLeakyRelu", "leaky_relu.cc", "i", "6i"),
    "LOGISTIC": OperatorFacts("AddLogistic", "logistic.cc", data=_TABLE),
    "LOG_SOFTMAX": OperatorFacts("AddLogSoftmax", "log_softmax.cc", data=_UNKNOWN),
    "MAXIMUM": OperatorFacts("AddMaximum", "maximum_minimum.cc"),
    "MAX_POOL_2D": OperatorFacts("AddMaxPool2D", "pooling.cc", "10i", _POOLING, cmsis="i"),
    "MEAN": OperatorFacts("AddMean", "reduce.cc", "b", _REDUCE),
    "MINIMUM": OperatorFacts("AddMinimum", "maximum_minimum.cc"),
    "MIRROR_PAD": OperatorFacts("AddMirrorPad", "mirror_pad.cc", "i", _UNKNOWN),
    "MUL": OperatorFacts("AddMul", "mul.cc", "i", "9i"),
    "NEG": OperatorFacts("AddNeg", "neg.cc"),
    "PACK": OperatorFacts("AddPack", "pack.cc", "2i"),
    "PAD": OperatorFacts("AddPad", "pad.cc", data=_PADDING),
    "PADV2": OperatorFacts("AddPadV2", "pad.cc", data=_PADDING),
    "PRELU": OperatorFacts("AddPrelu", "prelu.cc", data="7i"),
    "QUANTIZE": OperatorFacts("AddQuantize", "quantize.cc", data=_QUANTIZE),
    "REDUCE_MAX": OperatorFacts("AddReduceMax", "reduce.cc", "b", _REDUCE),
    "REDUCE_MIN": OperatorFacts("AddReduceMin", "reduce.cc", "b", _REDUCE),
    "RELU": OperatorFacts("AddRelu", "activations.cc", data="8i"),
    "RELU6": OperatorFacts("AddRelu6", "activations.cc", data="2i"),
    "RESHAPE": OperatorFacts("AddReshape", "reshape.cc", "9i"),
    "RESIZE_BILINEAR": OperatorFacts("AddResizeBilinear", "resize_bilinear.cc", "2b"),
    "RESIZE_NEAREST_NEIGHBOR": OperatorFacts(
        "AddResizeNearestNeighbor", "resize_nearest_neighbor.cc", "2b"
    ),
    "RSQRT": OperatorFacts("AddRsqrt", "elementwise.cc", data=_UNKNOWN),
    "SELECT_V2": OperatorFacts("AddSelectV2", "select.cc", data=_UNKNOWN),
    "SHAPE": OperatorFacts("AddShape", "shape.cc", "i"),
    "SLICE": OperatorFacts("AddSlice", "slice.cc"),
    # SoftmaxParams (softmax.h): beta as double, 7 numbers, 5 tables.
    "SOFTMAX": OperatorFacts("AddSoftmax", "softmax.cc", "i", "d7i5p"),
    "SPACE_TO_BATCH_ND": OperatorFacts("AddSpaceToBatchNd", "space_to_batch_nd.cc", data=_UNKNOWN),
    "SPACE_TO_DEPTH": OperatorFacts("AddSpaceToDepth", "space_to_depth.cc", "i"),
    "SPLIT": OperatorFacts("AddSplit", "split.cc", "i"),
    "SPLIT_V": OperatorFacts("AddSplitV", "split_v.cc", "i"),
    "SQUARED_DIFFERENCE": OperatorFacts(
        "AddSquaredDifference", "squared_difference.cc", data=_UNKNOWN
    ),
    "SQUEEZE": OperatorFacts("AddSqueeze", "squeeze.cc", "9i"),
    "STRIDED_SLICE": OperatorFacts("AddStridedSlice", "strided_slice.cc", "5ib", "b5ib5ib5i5hb"),
    "SUB": OperatorFacts("AddSub", "sub.cc", "ib", _ARITHMETIC),
    "SUM": OperatorFacts("AddSum", "reduce.cc", "b", _REDUCE),
    "SVDF": OperatorFacts("AddSvdf", "svdf.cc", "2ib", _UNKNOWN),
    "TANH": OperatorFacts("AddTanh", "tanh.cc", data=_TABLE),
    "TRANSPOSE": OperatorFacts("AddTranspose", "transpose.cc"),
    "TRANSPOSE_CONV": OperatorFacts("AddTransposeConv", "transpose_conv.cc", "5i", _UNKNOWN),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": OperatorFacts(
        "AddUnidirectionalSequenceLSTM", "unidirectional_sequence_lstm.cc", "3i3b", _UNKNOWN
    ),
    "UNPACK": OperatorFacts("AddUnpack", "unpack.cc", "2i"),
}


def operator_facts(operator: Operator) -> OperatorFacts:
    """What is known of an operator.

    Raises:
        ModelError: TFLM has no such built-in operator, or it is custom.
    """
    if operator.custom or operator.name not in OPERATORS:
        kind = "custom" if operator.custom else "built-in"
        raise ModelError(
            f"Operator {operator.index} ({operator.name}) is a {kind} operator that hintlite "
            "cannot register with TensorFlow Lite Micro: convert the model without it."
        )
    return OPERATORS[operator.name]


def used_operators(graph: Graph) -> tuple[str, ...]:
    """Names of the operators that a resolver must have, each once, sorted.

    Raises:
        ModelError: TFLM has no such operator.
    """
    for operator in graph.operators:
        operator_facts(operator)
    return tuple(sorted({operator.name for operator in graph.operators}))
