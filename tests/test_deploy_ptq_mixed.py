"""deploy/ptq/mixed.py: a spoiled layer costs bits where it is, and nowhere else."""

import numpy as np
import pytest
from deploy_models import calibration
from ptq_networks import depthwise_chain, labelled, require_edge_quantizer, spoiled

from hintlite.deploy.convert.checks import ConversionError
from hintlite.deploy.convert.convert import to_float32, to_int8
from hintlite.deploy.interpret.runtime import Runner
from hintlite.deploy.ptq.mixed import Bound, choose
from hintlite.deploy.ptq.observe import observe
from hintlite.deploy.ptq.static import Choices
from hintlite.deploy.ptq.trials import Bench, accuracy
from hintlite.deploy.tflite.inspect import inspect

require_edge_quantizer()
SAMPLES = calibration(200)[:150]


@pytest.fixture(scope="module")
def hard():
    """A network with a spoiled layer, its labels, and the bench that makes its files."""
    network = spoiled(depthwise_chain(width=24), factor=300.0)
    content = to_float32(network)
    return (
        network,
        labelled(network, SAMPLES),
        Bench(content, observe(content, calibration(200)), Choices()),
    )


@pytest.fixture(scope="module")
def found(hard):
    _, labels, bench = hard
    steps = []
    mixed = choose(
        bench, Bound(SAMPLES, labels, 0.04, 100), lambda done, total: steps.append((done, total))
    )
    return mixed, steps


def test_the_file_is_within_the_bound_where_int8_is_not_and_smaller_than_float(hard, found):
    network, labels, bench = hard
    mixed, _ = found
    logits = Runner(mixed.content).predict(SAMPLES)
    assert accuracy(logits, labels) >= 1.0 - 0.04
    assert accuracy(Runner(to_int8(network, calibration(200))).predict(SAMPLES), labels) < 0.9
    assert len(mixed.content) < len(bench.content)
    assert inspect(mixed.content).precision == "mixed"


def test_the_record_tells_the_scan_and_the_choice(hard, found):
    _, labels, bench = hard
    record = found[0].record
    assert record["accuracy"] == accuracy(Runner(found[0].content).predict(SAMPLES), labels)
    assert (record["bytes"], record["float_bytes"]) == (len(found[0].content), len(bench.content))
    assert [entry["operator"] for entry in record["choice"]] == [o.index for o in bench.weighted]
    print(__import__("json").dumps(record, indent=0).replace(chr(10), " "))
    scan = {(e["operator"], e["precision"]): e["noise_db"] for e in record["scan"]}
    names = {o.index: o.name for o in bench.weighted}
    assert {names[i] for i, p in scan if p == "int4"} == {"CONV_2D", "FULLY_CONNECTED"}
    first, *_, head = (operator.index for operator in bench.weighted)
    # The map behind the spoiled layer is what INT8 cannot hold and INT16 can.
    assert scan[first, "int8"] < scan[head, "int8"] - 10
    assert scan[first, "int16x8"] > scan[first, "int8"] + 20
    raised = {e["operator"]: e["precision"] for e in record["choice"]}
    assert raised[first] in {"int16x8", "float32"}
    assert {"int4", "int8"} & set(raised.values())
    assert record["bytes"] < 0.8 * record["float_bytes"]


def test_no_operator_can_be_lowered_any_further(hard, found):
    from hintlite.deploy.ptq.precision import FLOAT, INT4, INT8, INT16

    _, labels, bench = hard
    by_name = {each.name: each for each in (INT4, INT8, INT16, FLOAT)}
    chosen = {e["operator"]: by_name[e["precision"]] for e in found[0].record["choice"]}
    for operator in bench.weighted:
        ladder = bench.ladder(operator)
        for precision in ladder[: ladder.index(chosen[operator.index])]:
            lower = chosen | {operator.index: precision}
            outcome = bench.outcome(lower, SAMPLES, labels)
            smaller = len(outcome.content) < len(found[0].content)
            assert not (smaller and outcome.accuracy >= 0.96)


def test_progress_counts_up_to_what_was_tried(found):
    mixed, steps = found
    assert [done for done, _ in steps] == list(range(1, mixed.record["files_tried"] + 1))
    assert all(done <= total for done, total in steps)


def test_a_bound_that_no_smaller_file_keeps_is_told():
    network = depthwise_chain(width=24)
    content = to_float32(network)
    bench = Bench(content, observe(content, calibration(200)), Choices())
    rng = np.random.default_rng(0)

    class Broken(Bench):
        """Every file but the float one says something else than it should."""

        def outcome(self, chosen, samples, labels):
            outcome = super().outcome(chosen, samples, labels)
            if outcome.content == self.content:
                return outcome
            return type(outcome)(outcome.content, rng.uniform(0.1, 0.5), 1.0)

    broken = Broken(content, bench.seen, Choices())
    labels = labelled(network, SAMPLES)
    with pytest.raises(ConversionError, match=r"No mixed file .* within 0\.3 points .*max_drop"):
        choose(broken, Bound(SAMPLES, labels, 0.003, 20))
