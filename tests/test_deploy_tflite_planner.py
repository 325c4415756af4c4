"""Lifetimes and arena plans: by hand, by brute force, and against TFLM's own record."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from arena_models import BODIES, int8_bytes, need_tflite_micro, recorded

from hintlite.deploy.tflite.buffers import Buffer
from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.graph import ModelError
from hintlite.deploy.tflite.inspect import inspect
from hintlite.deploy.tflite.lifetimes import Lifetimes, model_lifetimes
from hintlite.deploy.tflite.planner import check_plan, greedy_plan, optimal_plan

REFERENCE = Path(__file__).parent / "data" / "reference_cnn_int8.tflite"
# Largest first puts the 6 units lowest and the 3 that live throughout on them; of what is live at
# the end, 3 + 2 units then fill the room below, and the other 2 go on top: 11 where 10 are enough.
HOLE = [(2, 3, 4), (1, 1, 2), (2, 3, 4), (3, 0, 4), (3, 4, 4), (6, 0, 0)]


def lifetimes(units, steps=6):
    """Buffers of (units of 16 bytes, first step, last step)."""
    buffers = [Buffer(f"b{i}", 16 * u, a, b, i) for i, (u, a, b) in enumerate(units)]
    return Lifetimes(tuple(f"op{i}" for i in range(steps)), tuple(buffers))


def smallest_by_brute_force(found):
    """First fit in every order; an optimal plan's own order, by offset, is among them."""
    best = None
    for order in itertools.permutations(found.buffers):
        placed = []
        for buffer in order:
            taken = sorted((o, o + b.size_bytes) for b, o in placed if b.meets(buffer))
            at = 0
            for start, end in taken:
                if start - at >= buffer.size_bytes:
                    break
                at = max(at, end)
            placed.append((buffer, at))
        top = max(o + b.size_bytes for b, o in placed)
        best = top if best is None else min(best, top)
    return best


def random_lifetimes(seed):
    rng = np.random.default_rng(seed)
    firsts = rng.integers(0, 5, 6)
    return lifetimes(
        [(int(rng.integers(1, 7)), int(f), int(rng.integers(f, 5))) for f in firsts], steps=5
    )


def test_lifetimes_of_a_residual_network_by_hand():
    found = model_lifetimes(read_model(int8_bytes("residual")))
    assert found.steps[:4] == ("input", "CONV_2D", "CONV_2D", "CONV_2D")
    assert found.steps[4:] == ("ADD", "MEAN", "FULLY_CONNECTED")
    spans = sorted((b.first, b.last, b.size_bytes) for b in found.buffers)
    maps = 12 * 12 * 8
    assert spans == [
        (0, 1, 12 * 12 * 2),
        (1, 4, maps),  # the shortcut
        (2, 3, maps),
        (3, 4, maps),
        (4, 5, maps),
        (5, 5, 2 * 4),  # MEAN's scratch: the axes,
        (5, 5, 4 * 4),  # the sizes,
        (5, 5, 8 * 4),  # and a sum a channel
        (5, 6, 8),
        (6, 6, 4),
    ]
    assert found.lower_bound_bytes == 3 * maps
    assert found.peak_step == 3
    assert [b.size_bytes for b in found.live(3)] == [maps] * 3


def test_aligned_sizes_are_what_counts():
    found = lifetimes([(1, 0, 0), (1, 0, 0)])
    uneven = replace(found, buffers=tuple(replace(b, size_bytes=17) for b in found.buffers))
    assert greedy_plan(uneven).arena_bytes == 64
    assert greedy_plan(uneven).offsets == (32, 0)  # of equal sizes the last one first, as in TFLM


def test_greedy_plan_by_hand():
    # Largest first: 5 at 0; 4 meets it, at 5; 3 of step 0 meets neither, at 0; 2 meets all.
    plan = greedy_plan(lifetimes([(4, 1, 2), (5, 2, 3), (3, 0, 0), (2, 0, 3)]))
    assert [offset // 16 for offset in plan.offsets] == [5, 0, 0, 9]
    assert plan.arena_bytes == 11 * 16
    assert plan.gap == 0


@pytest.mark.parametrize("seed", range(12))
def test_optimal_plan_is_the_smallest(seed):
    found = random_lifetimes(seed)
    plan = optimal_plan(found)
    assert check_plan(found, plan) == []
    assert plan.arena_bytes == smallest_by_brute_force(found)
    assert plan.gap == 0
    assert plan.bound_bytes >= found.lower_bound_bytes
    assert plan.arena_bytes <= greedy_plan(found).arena_bytes


def test_optimal_plan_beats_the_greedy_one_where_that_leaves_a_hole():
    found = lifetimes(HOLE)
    greedy, best = greedy_plan(found), optimal_plan(found)
    assert (greedy.arena_bytes, best.arena_bytes) == (11 * 16, 10 * 16)
    assert smallest_by_brute_force(found) == best.arena_bytes
    assert greedy.gap > 0


def test_impossible_sizes_are_planned_without_the_solver():
    found = lifetimes([(units << 60, a, b) for units, a, b in HOLE])
    plan = optimal_plan(found)
    assert plan.arena_bytes == 11 * 16 << 60
    assert plan.gap > 0


def test_outputs_that_are_left_out_take_no_memory():
    model = read_model(REFERENCE)
    first = replace(model.main.operators[0], outputs=(*model.main.operators[0].outputs, -1))
    graph = replace(model.main, operators=(first, *model.main.operators[1:]))
    assert model_lifetimes(replace(model, graphs=(graph,))).lower_bound_bytes == 15680


def test_without_time_the_gap_says_what_is_not_known():
    found = lifetimes(HOLE)
    plan = optimal_plan(found, time_limit_s=0.0)
    assert check_plan(found, plan) == []
    assert plan.arena_bytes <= greedy_plan(found).arena_bytes
    assert plan.bound_bytes <= smallest_by_brute_force(found)


def test_check_finds_overlaps_and_bad_offsets():
    found = lifetimes([(2, 0, 1), (2, 1, 2)])
    plan = greedy_plan(found)
    assert check_plan(found, plan) == []
    assert "overlap" in check_plan(found, replace(plan, offsets=(0, 16)))[0]
    assert "outside" in check_plan(found, replace(plan, offsets=(0, 48)))[0]
    assert "not aligned" in check_plan(found, replace(plan, offsets=(0, 40)))[0]


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Name -> (model, TFLM's activations and persistent bytes), of this host's interpreter."""
    need_tflite_micro()
    folder = tmp_path_factory.mktemp("arena")
    paths = {name: folder / f"{name}.tflite" for name in BODIES} | {"reference": REFERENCE}
    for name in BODIES:
        paths[name].write_bytes(int8_bytes(name))
    found = recorded(paths.values())
    return {name: (read_model(path), *found[str(path)]) for name, path in paths.items()}


@pytest.mark.parametrize("name", [*BODIES, "reference"])
def test_activations_are_exactly_those_of_tflms_own_record(records, name):
    model, head, _ = records[name]
    plan = greedy_plan(model_lifetimes(model))
    assert plan.arena_bytes == head
    assert check_plan(model_lifetimes(model), plan) == []


def test_scratch_rules_are_the_callers():
    model = read_model(REFERENCE)
    plain = model_lifetimes(model, scratch=lambda graph, operator: ())
    more = model_lifetimes(
        model, scratch=lambda graph, operator: (640,) if operator.name == "CONV_2D" else ()
    )
    assert all(buffer.tensor is not None for buffer in plain.buffers)
    assert greedy_plan(more).arena_bytes == greedy_plan(plain).arena_bytes + 640


def test_inspect_shows_the_arena_and_what_sets_it():
    info = inspect(REFERENCE, optimal=True)
    arena = info.arena
    assert (arena.lower_bound_bytes, arena.greedy_bytes, arena.optimal_bytes) == (15680,) * 3
    assert info.operators[arena.peak_operator].name == "CONV_2D"
    assert sum(np.prod(info.tensors[i].shape) for i in arena.peak_tensors) == 15680
    assert inspect(REFERENCE).arena.optimal_bytes is None


def test_an_open_size_is_refused():
    model = read_model(REFERENCE)
    open_size = replace(model.main.tensors[0], shape=(-1, 28, 28, 1))
    graph = replace(model.main, tensors=(open_size, *model.main.tensors[1:]))
    with pytest.raises(ModelError, match="open size"):
        model_lifetimes(replace(model, graphs=(graph,)))
    with pytest.raises(ModelError, match="2 graphs"):
        model_lifetimes(replace(model, graphs=(graph, graph)))
