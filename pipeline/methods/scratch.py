"""The student alone, on labels: what every method is compared with."""

from hintlite.pipeline.methods.base import Method, Phase


class Scratch(Method):
    """Plain supervised training: `H(y, P_S)`, no teacher."""

    def phases(self) -> dict[str, Phase]:
        """A task phase without terms of its own: the labels are added to every task phase."""
        return {"task": Phase(terms=(), student_taps=frozenset({"logits"}))}
