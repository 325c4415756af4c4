import itertools
from pathlib import Path

import numpy as np
import pytest
from c_export_models import ModelBuilder
from c_export_networks import FAMILIES

from hintlite.deploy.c_export.errors import ExportError
from hintlite.deploy.c_export.export import lower_network
from hintlite.deploy.c_export.lower import lower
from hintlite.deploy.c_export.plan import ARENA_ALIGN, plan_memory
from hintlite.deploy.c_export.read import read_model
from hintlite.deploy.tflite.buffers import Buffer
from hintlite.deploy.tflite.lifetimes import Lifetimes
from hintlite.deploy.tflite.planner import first_fit_plan

REFERENCE = Path(__file__).parent / "data" / "reference_cnn_int8.tflite"


def memory(*spans):
    """Buffers of (bytes, first step, last step), aligned as the C arena is."""
    buffers = (Buffer("", *each, alignment=ARENA_ALIGN) for each in spans)
    return Lifetimes(tuple(str(step) for step in range(20)), tuple(buffers))


def overlaps(buffers, offsets) -> list[tuple[int, int]]:
    """Pairs of buffers that live at one time and share memory."""
    found = []
    for (i, a), (j, b) in itertools.combinations(enumerate(buffers), 2):
        together = a.first <= b.last and b.first <= a.last
        if (
            together
            and offsets[i] < offsets[j] + b.size_bytes
            and offsets[j] < offsets[i] + a.size_bytes
        ):
            found.append((i, j))
    return found


def test_two_buffers_that_follow_each_other_share_memory():
    plan = first_fit_plan(memory((100, 0, 1), (40, 2, 3)))
    assert plan.offsets == (0, 0)
    assert plan.arena_bytes == 100


def test_a_plan_that_largest_first_alone_would_miss():
    # Worked by hand: largest first puts 12 at 0 and 8 above it, 20 bytes; the bound is 16.
    wanted = memory((8, 0, 1), (8, 1, 2), (12, 3, 4), (4, 2, 3))
    plan = first_fit_plan(wanted)
    assert not overlaps(wanted.buffers, plan.offsets)
    assert plan.arena_bytes == plan.bound_bytes == 16


def test_random_plans_never_overlap_and_stay_aligned():
    rng = np.random.default_rng(0)
    for _ in range(40):
        spans = []
        for _ in range(int(rng.integers(1, 12))):
            first = int(rng.integers(0, 10))
            spans.append((int(rng.integers(1, 99)), first, first + int(rng.integers(0, 4))))
        wanted = memory(*spans)
        plan = first_fit_plan(wanted)
        assert not overlaps(wanted.buffers, plan.offsets)
        assert all(offset % ARENA_ALIGN == 0 for offset in plan.offsets)
        most = sum(size + ARENA_ALIGN for size, _, _ in spans)
        assert wanted.lower_bound_bytes <= plan.arena_bytes <= most


def test_the_check_for_overlaps_can_fail():
    assert overlaps(memory((8, 0, 2), (8, 2, 3)).buffers, [0, 4]) == [(0, 1)]


def test_no_buffers_need_no_memory():
    plan = first_fit_plan(memory())
    assert (plan.offsets, plan.arena_bytes) == ((), 0)


def test_reference_model_stays_below_the_wanted_arena():
    plan = lower_network(REFERENCE, "network").plan
    # Largest live activations 15,680 bytes and the columns of the second convolution.
    assert plan.arena_bytes == plan.lower_bound == 15_680 + 4 * 144
    assert plan.arena_bytes <= 16_400


@pytest.mark.parametrize("family", FAMILIES)
def test_no_layer_overwrites_what_is_read_later(family):
    """Replays the plan byte by byte: each read finds the bytes that its tensor was given."""
    graph = read_model(FAMILIES[family]())
    steps = lower(graph)
    plan = plan_memory(graph, steps)
    owner = np.full(plan.arena_bytes, -1)
    for index, step in enumerate(steps):
        spans = {t: span(graph, plan, t) for t in (*step.reads, step.writes)}
        for tensor in step.reads:
            assert spans[tensor] is None or set(owner[spans[tensor]]) <= same_bytes(steps, tensor)
        if index in plan.scratch:
            owner[plan.scratch[index] : plan.scratch[index] + step.scratch_bytes] = -2
            for tensor in step.reads:
                assert spans[tensor] is None or -2 not in owner[spans[tensor]]
        if spans[step.writes] is not None:
            owner[spans[step.writes]] = step.writes
            if index in plan.scratch:
                start = plan.scratch[index]
                assert set(owner[start : start + step.scratch_bytes]) == {-2}


def span(graph, plan, tensor):
    memory, offset = plan.places[tensor]
    return slice(offset, offset + graph.tensors[tensor].elements) if memory == "arena" else None


def same_bytes(steps, tensor) -> set[int]:
    """The tensor, and those that are it under another shape."""
    same = {tensor}
    for step in steps:
        if step.alias and step.writes in same:
            same.add(step.reads[0])
        if step.alias and step.reads[0] in same:
            same.add(step.writes)
    return same


def two_adds(keep: bool) -> bytes:
    """x -> PAD -> RELU [-> ADD with the padded tensor, if it is kept]."""
    builder = ModelBuilder()
    x = builder.tensor([1, 1, 4, 1], 0.5)
    amounts = builder.tensor([4, 2], data=np.ones((4, 2)) * [[0], [0], [1], [0]], dtype="int32")
    padded, relu = builder.tensor([1, 1, 6, 1], 0.5), builder.tensor([1, 1, 6, 1], 0.5)
    y = builder.tensor([1, 1, 6, 1], 0.5)
    builder.operator("PAD", [x, amounts], [padded])
    builder.operator("RELU", [padded], [relu])
    builder.operator("ADD", [relu, padded if keep else relu], [y], fusedActivationFunction=0)
    return builder.finish([x], [y])


def test_an_activation_works_in_place_where_its_input_ends():
    plan = lower_network(two_adds(keep=False), "n").plan
    assert plan.places[2] == plan.places[3]
    assert plan.arena_bytes == 8  # six bytes, aligned


def test_an_activation_does_not_overwrite_an_input_that_is_still_needed():
    plan = lower_network(two_adds(keep=True), "n").plan
    assert plan.places[2] != plan.places[3]
    assert plan.arena_bytes == 16


def test_a_network_that_computes_nothing_is_refused():
    builder = ModelBuilder()
    tensors = [
        builder.tensor([1, 4], 0.5),
        builder.tensor([4, 1], 0.5),
        builder.tensor([2, 2], 0.5),
    ]
    for source, out in itertools.pairwise(tensors):
        builder.operator("RESHAPE", [source], [out], newShape=[1])
    with pytest.raises(ExportError, match="nothing to compute"):
        lower_network(builder.finish([tensors[0]], [tensors[-1]]), "n")
