"""What runs on the emulated core while instructions are counted: marks around inferences.

    infer.py FEW MANY REPEATS MODEL KERNELS [MODEL KERNELS ...]

For each model and kernel set, REPEATS times: mark, FEW inferences, mark, MANY inferences, mark. A
mark is a call of getppid, at which the plugin writes its count. Input is one random array.
"""

import json
import os
import sys
from importlib.metadata import version
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

KERNELS = {"xnnpack": OpResolverType.AUTO, "reference": OpResolverType.BUILTIN_REF}


def ready(path: str, kernels: str) -> Any:
    """An interpreter with an input, one inference behind it."""
    interpreter = Interpreter(
        model_path=path, num_threads=1, experimental_op_resolver_type=KERNELS[kernels]
    )
    interpreter.allocate_tensors()
    (detail,) = interpreter.get_input_details()
    values = np.random.RandomState(0).random_sample(detail["shape"])
    if detail["dtype"] != np.float32:
        limits = np.iinfo(detail["dtype"])
        values = limits.min + values * (limits.max - limits.min)
    interpreter.set_tensor(detail["index"], values.astype(detail["dtype"]))
    interpreter.invoke()
    return interpreter


def main() -> None:
    """Runs, and prints as JSON what was run and whether a delegate took part."""
    few, many, repeats = (int(word) for word in sys.argv[1:4])
    told = []
    for path, kernels in zip(sys.argv[4::2], sys.argv[5::2], strict=True):
        interpreter = ready(path, kernels)
        operators = [operator["op_name"] for operator in interpreter._get_ops_details()]
        facts = {"kernels": kernels, "delegate_applied": "DELEGATE" in operators}
        told.append({**facts, "version": version("ai-edge-litert")})
        invoke, mark = interpreter.invoke, os.getppid
        for _ in range(repeats):
            mark()
            for _ in range(few):
                invoke()
            mark()
            for _ in range(many):
                invoke()
            mark()
    print(json.dumps(told))


if __name__ == "__main__":
    main()
