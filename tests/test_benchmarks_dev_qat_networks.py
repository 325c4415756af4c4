"""The table of the networks that nobody here designed, and what counts as an outcome."""

import json
import subprocess

import pytest

from hintlite.benchmarks.dev import qat_networks

ROW = {
    "network": "VGG16",
    "side": 32,
    "parameters": 14_719_818,
    "refusal": None,
    "bytes": 15_000_000,
    "agreement": 0.962,
    "max_difference_steps": 11.8,
    "ptq_agreement": 0.885,
}


def test_the_table_has_a_line_for_each_network_with_its_figures_or_its_refusal():
    refused = {"network": "ConvNeXtTiny", "side": 32, "parameters": 5, "refusal": "layer 'x': no"}
    lines = qat_networks.table([ROW, refused]).splitlines()
    assert lines[2] == (
        "| VGG16, 32x32 | 14,719,818 | yes, 15,000,000 bytes | 96%, at most 12 steps apart | 88% |"
    )
    assert lines[3] == "| ConvNeXtTiny, 32x32 | 5 | refused: layer 'x': no | | |"


@pytest.mark.parametrize(
    ("code", "said", "is_outcome"),
    [
        (1, "hintlite: layer 'norm' (LayerNormalization) at\n 3: no INT8 kernel", True),
        (1, "hintlite: TypeError: x\nthis is a fault of hintlite or of a library", False),
        (-9, "", False),
        (1, "Traceback", False),
    ],
)
def test_a_refusal_is_an_outcome_and_a_crash_is_none(monkeypatch, code, said, is_outcome):
    monkeypatch.setattr(qat_networks, "_write", lambda network, folder: 5)
    ended = subprocess.CompletedProcess([], code, stdout="", stderr=said)
    monkeypatch.setattr(qat_networks.subprocess, "run", lambda *words, **more: ended)
    if not is_outcome:
        with pytest.raises(qat_networks.NoOutcomeError, match="VGG16"):
            qat_networks.measure(qat_networks.Network("VGG16"))
        return
    row = qat_networks.measure(qat_networks.Network("VGG16"))
    assert row["refusal"] == "layer 'norm' (LayerNormalization) at 3: no INT8 kernel"
    assert row["full_int8"] is False


def test_rows_of_other_versions_are_measured_again(tmp_path):
    path, facts = tmp_path / "networks.json", qat_networks._facts()
    path.write_text(json.dumps(facts | {"networks": [ROW]}))
    assert qat_networks._known(path, facts) == {"VGG16": ROW}
    other = facts | {"versions": facts["versions"] | {"keras": "0.1"}}
    assert qat_networks._known(path, other) == {}
