"""Operators -> kernel calls: which kernel, and every constant folded."""

from __future__ import annotations

from collections.abc import Callable

from hintlite.deploy.c_export import lower_math, lower_move, lower_weighted
from hintlite.deploy.c_export.calls import Step
from hintlite.deploy.c_export.errors import ExportError
from hintlite.deploy.tflite.graph import Graph, ModelError, Operator
from hintlite.errors import HintliteError

LOWERINGS: dict[str, Callable[[Graph, Operator], Step]] = {
    "CONV_2D": lower_weighted.conv,
    "DEPTHWISE_CONV_2D": lower_weighted.depthwise,
    "FULLY_CONNECTED": lower_weighted.dense,
    "ADD": lower_math.add,
    "SUB": lower_math.add,
    "MUL": lower_math.mul,
    "MAXIMUM": lower_math.extremum,
    "MINIMUM": lower_math.extremum,
    "MEAN": lower_math.mean,
    "SOFTMAX": lower_math.softmax,
    "RELU": lower_math.table,
    "RELU6": lower_math.table,
    "LEAKY_RELU": lower_math.table,
    "HARD_SWISH": lower_math.table,
    "LOGISTIC": lower_math.table,
    "QUANTIZE": lower_math.table,
    "AVERAGE_POOL_2D": lower_move.pool,
    "MAX_POOL_2D": lower_move.pool,
    "PAD": lower_move.pad,
    "CONCATENATION": lower_move.concatenation,
    "TRANSPOSE": lower_move.transpose,
    **dict.fromkeys(("RESHAPE", "EXPAND_DIMS", "SQUEEZE"), lower_move.reshape),
}

# What to use instead of operators that people meet most.
NEAREST = {
    "PADV2": "PAD",
    "PRELU": "LEAKY_RELU",
    "ELU": "RELU or LEAKY_RELU",
    "RELU_N1_TO_1": "RELU6",
    "TANH": "LOGISTIC or HARD_SWISH",
    "GELU": "HARD_SWISH",
    "DIV": "MUL by the reciprocal",
    "SUM": "MEAN",
    "REDUCE_MAX": "MAX_POOL_2D",
    "STRIDED_SLICE": "a model with a fixed batch of 1 and no slicing",
    "TRANSPOSE_CONV": "CONV_2D",
    "CONV_3D": "CONV_2D",
    "BATCH_MATMUL": "FULLY_CONNECTED",
    "DEQUANTIZE": "int8 output (inference_output_type=tf.int8)",
    "LOG_SOFTMAX": "SOFTMAX",
    "SPACE_TO_BATCH_ND": "CONV_2D with a dilation option",
    "BATCH_TO_SPACE_ND": "CONV_2D with a dilation option",
}


def lower(graph: Graph) -> tuple[Step, ...]:
    """Turn each operator into kernel calls.

    Args:
        graph: the model.

    Returns:
        One step an operator, in order of execution.

    Raises:
        ExportError: an operator, or a form of it, that has no kernel; names it and its index.
    """
    steps = tuple(_lower_one(graph, operator) for operator in graph.operators)
    _check_reads(graph, steps)
    return steps


def _check_reads(graph: Graph, steps: tuple[Step, ...]) -> None:
    """What a kernel reads from memory must have been written there before."""
    written = {graph.inputs[0]}
    for step in steps:
        for tensor in step.reads:
            constant = graph.tensors[tensor].constant
            if tensor in written and not constant:
                continue
            what = "constant" if constant else "never computed before"
            raise ExportError(
                f"operator {step.operator.index} ({step.operator.name}) reads tensor {tensor}, "
                f"which is {what}; the nearest supported form reads the network's input or "
                "another operator's result: fold constants when you convert the model"
            )
        written.add(step.writes)


def _lower_one(graph: Graph, operator: Operator) -> Step:
    where = f"operator {operator.index} ({operator.name})"
    if operator.name not in LOWERINGS:
        nearest = NEAREST.get(operator.name, "one of " + ", ".join(LOWERINGS))
        raise ExportError(f"{where} has no C kernel; the nearest supported form is {nearest}")
    _check_int8(graph, operator, where)
    try:
        return LOWERINGS[operator.name](graph, operator)
    except ModelError as error:
        raise ExportError(f"{where}: {error}") from error
    except (HintliteError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise ExportError(
            f"{where} has shapes, operands or scales that do not fit each other, the file is "
            f"damaged ({type(error).__name__}: {error}): convert or copy it again"
        ) from error


def _check_int8(graph: Graph, operator: Operator, where: str) -> None:
    if not operator.inputs or not operator.outputs:
        raise ExportError(f"{where} has no input or no output: the file is damaged")
    for tensor in (operator.inputs[0], *operator.outputs):
        found = graph.tensors[tensor].dtype
        if found != "INT8":
            raise ExportError(
                f"{where} should read and write int8, tensor {tensor} is {found.lower()}; the "
                f"nearest supported form is int8 {operator.name}: convert the model to full INT8"
            )
