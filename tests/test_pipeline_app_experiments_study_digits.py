"""The study of the docs, whole: every arm on the digits, three seeds, two at a time."""

import json
import time
from pathlib import Path

import pytest
from study_command import finish

from hintlite.pipeline.app.experiments.studies.definition import read_study

STUDY = Path(__file__).resolve().parents[1] / "configs" / "study_digits.yaml"


@pytest.mark.slow(
    modules=[
        "hintlite.pipeline.app.experiments.studies",
        "hintlite.pipeline.app.run.stages",
        "hintlite.pipeline.methods",
        "hintlite.pipeline.training",
    ]
)
@pytest.mark.timeout(3600)
def test_every_arm_has_an_interval_and_the_students_have_learned(tmp_path):
    began = time.monotonic()
    code, _, error = finish(STUDY, tmp_path, "--jobs", "2", timeout_s=3000)
    assert code == 0, error
    facts = json.loads((tmp_path / "report.json").read_text())
    assert [arm["name"] for arm in facts["arms"]] == [arm.name for arm in read_study(STUDY).arms]
    for arm in facts["arms"]:
        assert arm["n"] == arm["planned"] == 3
        for precision in ("float32", "int8"):
            assert arm[precision]["low"] <= arm[precision]["mean"] <= arm[precision]["high"]
            assert arm[precision]["mean"] > 0.9
    assert facts["missing"] == []
    print(f"{len(facts['runs'])} runs in {time.monotonic() - began:.0f} s")
