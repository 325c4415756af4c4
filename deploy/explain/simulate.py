"""An INT8 file with some of its operators in float, as another file that LiteRT runs.

An operator that is kept in float has float weights, and its result is neither rounded nor clipped.
What reads this result cannot be the file's own integer operator: it is computed in float on the
integers' values, and its result is rounded to the file's integers by a QUANTIZE. Everything else
stays as it is in the file, bit for bit. What an integer kernel rounds inside (a requantization in
fixed point) is missing from operators computed in float, whose results therefore differ by a step
now and then; `agreement.py` measures how much that matters, with every operator computed so.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hintlite.deploy.explain.draft import Draft
from hintlite.deploy.explain.ranges import (
    INPUT,
    is_bound,
    is_rounded_tensor,
    rounds,
    with_followers,
)
from hintlite.deploy.tflite.graph import Model, ModelError, Operator

FloatWeights = Mapping[tuple[int, int], NDArray[np.float32]]  # (operator, position of the input)


@dataclass(frozen=True)
class Simulated:
    """A file made from an INT8 one.

    Attributes:
        content: its bytes.
        places: tensor of the INT8 file -> the tensor of this one that holds its values before
            they are rounded, for every tensor that is not integer only.
    """

    content: bytes
    places: Mapping[int, int]


class Simulator:
    """Makes files from one INT8 file, with any of its operators kept in float."""

    def __init__(self, model: Model, weights: FloatWeights) -> None:
        """Take the model in.

        Args:
            model: the INT8 file, of one graph.
            weights: what an operator that is kept in float computes with; where there is nothing
                for a constant, it is the file's own, dequantized.

        Raises:
            ModelError: several graphs.
        """
        if len(model.graphs) != 1:
            raise ModelError(
                f"Expected a file of one graph, got {len(model.graphs)}: control flow cannot be "
                "taken apart operator by operator."
            )
        self.model, self.graph, self.weights = model, model.main, weights

    @property
    def sources(self) -> tuple[int, ...]:
        """Everything that adds an error of its own: `INPUT` and indices of operators."""
        weighted = {index for index, _ in self.weights}
        inputs = (self.graph.tensors[index] for index in self.graph.inputs)
        first = (INPUT,) if any(is_rounded_tensor(tensor) for tensor in inputs) else ()
        operators = (
            operator.index
            for operator in self.graph.operators
            if operator.index in weighted or rounds(self.graph, operator)
        )
        return (*first, *operators)

    def all_float(self) -> Simulated:
        """The network with nothing rounded."""
        return self.build(frozenset(self.sources))

    def all_simulated(self) -> Simulated:
        """The network rounded as in the file, with its operators computed in float.

        Those stay integer that never read a float result without giving one on
        (`with_followers`): no other file of this class computes them in float and rounds.
        """
        operators = self.graph.operators
        chosen = {each.index for each in operators if not is_bound(self.graph, each)}
        return self.build(frozenset(), frozenset(chosen))

    def build(self, exact: Set[int], computed: Set[int] = frozenset()) -> Simulated:
        """The file with some operators in float.

        Args:
            exact: members of `sources` to be kept in float, with float weights and results that
                are not rounded.
            computed: operators to be computed in float with the file's own weights and rounding,
                besides those that have to be.

        Raises:
            ModelError: the file cannot be packed anew.
        """
        draft = Draft(self.model)
        free = with_followers(self.graph, exact)
        if INPUT in free:
            draft.free_inputs()
        for operator in self.graph.operators:
            self._add(draft, operator, operator.index in exact, free, computed)
        content, places = draft.finish()
        return Simulated(content, places)

    def _add(
        self, draft: Draft, operator: Operator, exact: bool, free: Set[int], computed: Set[int]
    ) -> None:
        index = operator.index
        if not (exact or index in free or index in computed or draft.reads_free(operator)):
            draft.keep(operator)
            return
        own = {p: w for (i, p), w in self.weights.items() if i == index} if exact else {}
        draft.compute(operator, own)
        if index not in free and rounds(self.graph, operator):
            for output in operator.outputs:
                draft.round(output)
