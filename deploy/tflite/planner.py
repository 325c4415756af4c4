"""Arena plans: where each buffer lies so that none overlaps another that is in use with it.

Three plans: the greedy one that TFLM's interpreter makes on the device; the best of many orders,
which plain C is given; and the smallest that an integer program finds, which tells what a better
planner could still win.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hintlite.deploy.tflite.buffers import ALIGNMENT_BYTES, Buffer, extent, first_fit
from hintlite.deploy.tflite.lifetimes import Lifetimes

TIME_LIMIT_S = 10.0
ATTEMPTS = 400  # of shuffled orders
LARGEST_BYTES = 1 << 40  # beyond it the solver's floats are too coarse, and no device has it


@dataclass(frozen=True)
class ArenaPlan:
    """Offsets in one arena.

    Attributes:
        method: "greedy by size", "first fit" (the best of several orders) or "optimal" (integer
            program).
        offsets: of the lifetimes' buffers, in bytes.
        arena_bytes: the whole arena.
        bound_bytes: no plan of these buffers is smaller, as far as is proven.
    """

    method: str
    offsets: tuple[int, ...]
    arena_bytes: int
    bound_bytes: int

    @property
    def gap(self) -> float:
        """Share of the arena that a better plan might save; 0 means that there is none."""
        return 1 - self.bound_bytes / self.arena_bytes if self.arena_bytes else 0.0


def greedy_plan(lifetimes: Lifetimes) -> ArenaPlan:
    """The plan that TFLM makes: largest first, each in the first gap that is wide enough.

    Source: memory_planner/greedy_memory_planner.cc of tensorflow/lite/micro.

    Args:
        lifetimes: what to place.
    """
    buffers = lifetimes.buffers
    # Of equal sizes the one that was added last comes first: TFLM fills its list from the end.
    order = sorted(reversed(range(len(buffers))), key=lambda i: -buffers[i].aligned_bytes)
    return _plan("greedy by size", lifetimes, first_fit(buffers, order))


def first_fit_plan(lifetimes: Lifetimes) -> ArenaPlan:
    """First fit in several orders, the best kept; stops as soon as the lower bound is reached.

    The orders are largest first, earliest first, largest area of bytes and steps first, then
    seeded shuffles: the same buffers get the same places.

    Args:
        lifetimes: what to place.
    """
    best: ArenaPlan | None = None
    for order in _orders(lifetimes.buffers):
        plan = _plan("first fit", lifetimes, first_fit(lifetimes.buffers, order))
        if best is None or plan.arena_bytes < best.arena_bytes:
            best = plan
        if best.gap == 0:
            break
    assert best is not None
    return best


def _plan(method: str, lifetimes: Lifetimes, offsets: Sequence[int]) -> ArenaPlan:
    arena_bytes = extent(lifetimes.buffers, offsets)
    return ArenaPlan(method, tuple(offsets), arena_bytes, lifetimes.lower_bound_bytes)


def _orders(buffers: Sequence[Buffer]) -> Iterator[list[int]]:
    """Orders of placing them, positions in `buffers`."""
    indices = range(len(buffers))
    size = [buffer.size_bytes for buffer in buffers]
    steps = [buffer.last - buffer.first + 1 for buffer in buffers]
    yield sorted(indices, key=lambda i: (-size[i], buffers[i].first))
    yield sorted(indices, key=lambda i: (buffers[i].first, -size[i]))
    yield sorted(indices, key=lambda i: -size[i] * steps[i])
    shuffler = random.Random(0)
    for _ in range(ATTEMPTS):
        order = list(indices)
        shuffler.shuffle(order)
        yield order


def optimal_plan(lifetimes: Lifetimes, time_limit_s: float = TIME_LIMIT_S) -> ArenaPlan:
    """The smallest plan: an integer program, unless the greedy plan already meets the lower bound.

    Minimise the arena A over offsets o_i >= 0, with o_i + s_i <= A, and for each pair that is in
    use together either o_i + s_i <= o_j or o_j + s_j <= o_i (one binary variable a pair). Solved
    by HiGHS through `scipy.optimize.milp`.

    Args:
        lifetimes: what to place.
        time_limit_s: for the solver; when it is over, the best plan so far counts and its `gap`
            says how much might still be won.

    Returns:
        A plan that is never larger than the greedy one.
    """
    greedy = greedy_plan(lifetimes)
    if greedy.gap == 0 or greedy.arena_bytes > LARGEST_BYTES:
        return ArenaPlan("optimal", greedy.offsets, greedy.arena_bytes, greedy.bound_bytes)
    offsets, proven = _solve(lifetimes, greedy.arena_bytes, time_limit_s)
    bound = min(max(lifetimes.lower_bound_bytes, proven), greedy.arena_bytes)
    if offsets is None:
        return ArenaPlan("optimal", greedy.offsets, greedy.arena_bytes, bound)
    arena = extent(lifetimes.buffers, offsets)
    if arena > greedy.arena_bytes:
        offsets, arena = greedy.offsets, greedy.arena_bytes
    return ArenaPlan("optimal", offsets, arena, min(bound, arena))


def check_plan(lifetimes: Lifetimes, plan: ArenaPlan) -> list[str]:
    """What is wrong with a plan: one sentence a fault, empty for a sound plan."""
    faults = []
    placed = list(zip(lifetimes.buffers, plan.offsets, strict=True))
    for buffer, offset in placed:
        if offset < 0 or offset % ALIGNMENT_BYTES or offset + buffer.size_bytes > plan.arena_bytes:
            faults.append(f"{buffer.name} at {offset} is outside the arena, or not aligned")
    for (a, start_a), (b, start_b) in itertools.combinations(placed, 2):
        apart = start_a + a.size_bytes <= start_b or start_b + b.size_bytes <= start_a
        if a.meets(b) and not apart:
            faults.append(f"{a.name} at {start_a} and {b.name} at {start_b} overlap")
    return faults


def _solve(
    lifetimes: Lifetimes, most_bytes: int, time_limit_s: float
) -> tuple[tuple[int, ...] | None, int]:
    """Offsets, None if the time was too short for any; and the proven lower bound in bytes."""
    from scipy.optimize import Bounds, milp

    sizes = np.array([b.aligned_bytes // ALIGNMENT_BYTES for b in lifetimes.buffers])
    most = most_bytes // ALIGNMENT_BYTES
    pairs = [
        (i, j)
        for i, j in itertools.combinations(range(len(sizes)), 2)
        if lifetimes.buffers[i].meets(lifetimes.buffers[j])
    ]
    count = 1 + len(sizes) + len(pairs)  # the arena, the offsets, which of a pair lies below
    upper = np.concatenate(([most], most - sizes, np.ones(len(pairs))))
    lower = np.zeros(count)
    lower[0] = lifetimes.lower_bound_bytes // ALIGNMENT_BYTES
    arena_alone = np.zeros(count)
    arena_alone[0] = 1.0
    found = milp(
        c=arena_alone,
        integrality=np.concatenate((np.zeros(1 + len(sizes)), np.ones(len(pairs)))),
        bounds=Bounds(lower, upper),
        constraints=_constraints(sizes, pairs, most),
        options={"time_limit": time_limit_s},
    )
    bound = getattr(found, "mip_dual_bound", None)
    proven = 0 if bound is None or not np.isfinite(bound) else int(np.ceil(bound - 1e-6))
    if found.x is None:
        return None, proven * ALIGNMENT_BYTES
    return _settled(lifetimes.buffers, found.x[1 : 1 + len(sizes)]), proven * ALIGNMENT_BYTES


def _constraints(sizes: Any, pairs: Sequence[tuple[int, int]], most: int) -> Any:
    """Every buffer ends within the arena; of a pair one ends before the other begins."""
    from scipy.optimize import LinearConstraint
    from scipy.sparse import coo_array

    entries: list[tuple[int, int, float]] = []
    limits: list[float] = []
    for i, size in enumerate(sizes):  # o_i - A <= -s_i
        entries += [(len(limits), 1 + i, 1.0), (len(limits), 0, -1.0)]
        limits.append(-size)
    for k, (i, j) in enumerate(pairs):
        below = 1 + len(sizes) + k
        # o_i - o_j + most y <= most - s_i, and o_j - o_i - most y <= -s_j
        entries += [(len(limits), 1 + i, 1.0), (len(limits), 1 + j, -1.0)]
        entries.append((len(limits), below, float(most)))
        limits.append(most - sizes[i])
        entries += [(len(limits), 1 + j, 1.0), (len(limits), 1 + i, -1.0)]
        entries.append((len(limits), below, -float(most)))
        limits.append(-sizes[j])
    rows, columns, values = zip(*entries, strict=True)
    shape = (len(limits), 1 + len(sizes) + len(pairs))
    matrix = coo_array((values, (rows, columns)), shape=shape).tocsc()
    return LinearConstraint(matrix, -np.inf, np.array(limits))


def _settled(buffers: Sequence[Buffer], solved: Any) -> tuple[int, ...]:
    """Whole offsets from the solver's: in its order, each as low as those below it allow."""
    offsets = [0] * len(buffers)
    done: list[int] = []
    for i in (int(i) for i in np.argsort(solved, kind="stable")):
        below = [
            offsets[j] + buffers[j].aligned_bytes for j in done if buffers[i].meets(buffers[j])
        ]
        offsets[i] = max(below, default=0)
        done.append(i)
    return tuple(offsets)
