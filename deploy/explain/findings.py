"""From the figures to a sentence: which operator to look at, why, and what to try."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hintlite.deploy.explain.agreement import LEAST_SAME_CHOICE, MOST_MISSED, Agreement
from hintlite.deploy.explain.noise import WIDE
from hintlite.deploy.explain.result import Explained, Finding

CLIPPED = 0.01  # a share of values worth a word
COARSE_DB = 25.0  # weights below it lost more than 4 of their 8 bits


def find(operators: Sequence[Explained], agreement: Agreement, samples: int) -> Finding:
    """The operator to look at first.

    That is the one whose float output wins back most accuracy, if the samples show that it is not
    chance; else the one with the largest share of the logits' error. This share is known far
    better than accuracy: the operator that it singles out is tested alone, the others as the many
    that they are.

    Args:
        operators: of one INT8 file.
        agreement: of the simulation that they were measured with.
        samples: how many they were measured on.
    """
    if not agreement.trusted:
        return Finding(
            None,
            False,
            f"The simulation chooses as the INT8 file does on {agreement.same_choice:.2%} of "
            f"{samples} samples (expected at least {LEAST_SAME_CHOICE:.0%}) and misses "
            f"{agreement.missed_error or 0:.0%} of the logits' error (expected at most "
            f"{MOST_MISSED:.0%}): it does not tell what an operator costs. The ratios of signal to "
            "noise are the file's own.",
        )
    sources = [each for each in operators if each.regained is not None]
    likely = max(sources, key=_error_share, default=None)
    shown = [
        each
        for each in sources
        if each.regained and each.regained.is_shown(1 if each is likely else len(sources))
    ]
    if shown:
        return _costly(max(shown, key=lambda each: each.regained.points if each.regained else 0))
    return _harmless(likely, samples)


def _costly(worst: Explained) -> Finding:
    assert worst.regained is not None
    gain = worst.regained
    sentence = (
        f"{_what(worst)} costs {gain.points:.1f} points: in float alone it would turn {gain.won} "
        f"wrong answers right and {gain.lost} right ones wrong (simulated). "
    )
    causes = list(_causes(worst))
    general = "Try --method qat, or --method mixed, which chooses the precision of each layer."
    return Finding(worst.index, True, sentence + (" ".join(causes) or general))


def _harmless(worst: Explained | None, samples: int) -> Finding:
    sentence = f"No operator alone costs accuracy that {samples} samples can show."
    if worst is None or _error_share(worst) <= 0:
        return Finding(None, False, sentence)
    parts = [
        sentence,
        f"The largest share of the logits' squared error, {_error_share(worst):.0%}, goes away "
        f"when {worst} alone is kept in float.",
        *_causes(worst),
    ]
    return Finding(worst.index, False, " ".join(parts))


def _error_share(each: Explained) -> float:
    share = each.regained.error_share if each.regained else None
    return share if share is not None else 0.0


def _what(worst: Explained) -> str:
    return f"Rounding {worst}" if worst.index < 0 else f"The output of {worst}"


def _causes(worst: Explained) -> Iterator[str]:
    output, weights = worst.output, worst.weights
    if output.channel_ratio is not None and output.channel_ratio >= WIDE:
        yield (
            f"Its channel {output.widest_channel} is {output.channel_ratio:.0f} times wider than "
            "the others, to which the common scale leaves few integers: try quantize.equalize or "
            "--method qat."
        )
    if output.clipped is not None and output.clipped >= CLIPPED:
        yield (
            f"{output.clipped:.1%} of its values lie beyond the range that calibration saw: raise "
            "data.calibration_samples."
        )
    if weights is None:
        return
    if len(weights.scales) == 1 and weights.ratio is not None and weights.ratio >= WIDE:
        yield (
            f"Its weights share one scale, though its channels' ranges lie {weights.ratio:.0f} "
            "times apart: try quantize.equalize or --method qat."
        )
    if weights.sqnr_db is not None and weights.sqnr_db < COARSE_DB:
        yield (
            f"Its weights are rounded coarsely ({weights.sqnr_db:.0f} dB): try --method qat, or "
            "--method mixed, which chooses the precision of each layer."
        )
