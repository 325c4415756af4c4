"""TFLM against LiteRT's reference kernels, operator by operator."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hintlite.deploy.interpret.worker import Worker
from hintlite.deploy.tflite.graph import Model

Array = NDArray[Any]
# FULLY_CONNECTED is rounded once by LiteRT and twice by TFLM: one step of its own.
_USUAL_STEPS = 1


def compare_operators(
    worker: Worker, model: Model, inputs: list[Array], answer: int = 0
) -> tuple[list[dict[str, Any]], Array]:
    """Runs both interpreters and compares what each operator gives.

    Args:
        worker: runs the interpreters.
        model: full INT8, one graph.
        inputs: one array [samples, ...] an input.
        answer: the output that is returned.

    Returns:
        (one entry an operator: index, operator, outputs, equal, largest_difference_steps and
        inputs_equal, which is False where a difference may be an earlier operator's;
        that output of TFLM's [samples, elements]).

    Raises:
        ModelError: an interpreter cannot run the model.
    """
    graph = model.main
    indices = sorted({index for operator in graph.operators for index in operator.outputs})
    ends = list(graph.outputs)
    ours = worker.tensors("tflm", model.content, inputs, indices + ends)
    theirs = worker.tensors("litert", model.content, inputs, indices)
    steps = {index: _steps(a, b) for index, a, b in zip(indices, ours, theirs, strict=False)}
    entries = []
    for operator in graph.operators:
        own = np.concatenate([steps[index].reshape(-1) for index in operator.outputs])
        fed = [steps[index] for index in operator.inputs if index in steps]
        entries.append(
            {
                "index": operator.index,
                "operator": operator.name,
                "outputs": int(own.size),
                "equal": int((own == 0).sum()),
                "largest_difference_steps": int(own.max(initial=0)),
                "inputs_equal": not any(each.any() for each in fed),
            }
        )
    return entries, ours[len(indices) + answer].astype(np.int64)


def _steps(ours: Array, theirs: Array) -> Array:
    """[samples, elements] differences in steps of the stored numbers."""
    difference: Array = np.abs(ours.astype(np.int64) - theirs.astype(np.int64))
    return difference


def end_agreement(
    operators: list[dict[str, Any]], model: Model, samples: int
) -> dict[str, Any] | None:
    """What the last operators' rows say of the model's output; None for a model without any."""
    last = [
        entry
        for entry, operator in zip(operators, model.main.operators, strict=True)
        if set(operator.outputs) & set(model.main.outputs)
    ]
    if not last:
        return None
    return {
        "outputs": sum(entry["outputs"] for entry in last),
        "equal": sum(entry["equal"] for entry in last),
        "largest_difference_steps": max(entry["largest_difference_steps"] for entry in last),
        "operators": len(operators),
        "operators_equal": sum(entry["equal"] == entry["outputs"] for entry in operators),
        "samples": samples,
    }


def verdict(operators: list[dict[str, Any]]) -> dict[str, Any]:
    """Valid if no operator differs by more than its roundings, given the same inputs."""
    far = [
        entry
        for entry in operators
        if entry["inputs_equal"] and entry["largest_difference_steps"] > _USUAL_STEPS
    ]
    reasons = [
        {
            "state": "doubtful",
            "code": "operator_differs",
            "what": f"operator {entry['index']} ({entry['operator']}) differs from LiteRT's "
            f"reference kernel by up to {entry['largest_difference_steps']} steps",
            "why": "accuracy was measured with LiteRT; on the microcontroller it may be another",
            "cure": "evaluate the model in TFLM, or convert it without this operator",
        }
        for entry in far
    ]
    return {"state": "doubtful" if far else "valid", "reasons": reasons}
