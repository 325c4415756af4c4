"""Settings that come later change no key while they have their default."""

import json
from dataclasses import (
    asdict,
    dataclass,
    field,
    fields,
    is_dataclass,
    make_dataclass,
    replace,
)
from pathlib import Path
from types import SimpleNamespace

import pytest

from hintlite.keyed import added, added_defaults, keyed
from hintlite.pipeline.app.experiments.studies.plan import student_identity
from hintlite.pipeline.app.run.context import Context
from hintlite.pipeline.app.run.folder import RunFolder
from hintlite.pipeline.app.run.samples import RunSamples
from hintlite.pipeline.app.run.stages import evaluate, quantize
from hintlite.pipeline.app.settings.text import config_from
from hintlite.pipeline.runs.reading import _differing
from hintlite.pipeline.settings.run import RunConfig


@dataclass(frozen=True)
class Part:
    size: int = 1
    step: int = added(2)


@dataclass(frozen=True)
class Whole:
    part: Part = field(default_factory=Part)
    parts: tuple[Part, ...] = (Part(), Part(3, 4))
    words: dict = field(default_factory=lambda: {"a": Part()})
    extra: Part = added(factory=Part)


def test_an_added_setting_is_left_out_at_its_default_wherever_it_stands():
    assert keyed(Whole()) == {
        "part": {"size": 1},
        "parts": ({"size": 1}, {"size": 3, "step": 4}),
        "words": {"a": {"size": 1}},
    }
    assert keyed(Whole(extra=Part(5)))["extra"] == {"size": 5}
    assert keyed(Whole(extra=Part(step=5)))["extra"] == {"size": 1, "step": 5}
    assert added_defaults(Whole()) == {"part": {"step": 2}, "extra": {"size": 1, "step": 2}}


def with_later(settings, **values):
    """The same settings of classes that have got one more, with a value in the parts named."""
    kind = settings.__class__
    more = make_dataclass(kind.__name__, [("later", int, added(0))], bases=(kind,), frozen=True)
    given = {each.name: getattr(settings, each.name) for each in fields(settings)}
    parts = {name: with_later(part) for name, part in given.items() if is_dataclass(part)}
    for name, value in values.items():
        parts[name] = replace(parts[name], later=value)
    return more(**(given | parts))


def identity(config):
    """Of a student, with the keys of its later stages."""
    folder = RunFolder(Path())
    samples = RunSamples(config.data, folder, loaded=SimpleNamespace(fingerprint="f"))
    context = Context(config, folder, None, samples, models=config.arms)
    context.folder.found = lambda stage: {"settings": {"data": samples.settings(), "test": "t"}}
    samples.kept_fingerprint = "f"
    stages = [*quantize.stages(context), evaluate.stage(context)]
    return student_identity(context), [(stage.name, stage.settings) for stage in stages]


@pytest.mark.parametrize("way", [{}, {"method": "qat"}, {"ranges": "mse", "equalize": True}])
@pytest.mark.parametrize("arm", ["scratch", "hint+kd", "output_only", "reviewkd+crd"])
def test_a_setting_added_to_every_part_changes_no_key_at_its_default(arm, way):
    config = config_from({"arms": [arm], "quantize": way})
    assert identity(with_later(config)) == identity(config)


@pytest.mark.parametrize("part", ["data", "teacher_training", "training", "hint", "kd"])
def test_its_other_values_are_part_of_the_keys(part):
    config = config_from({"arms": ["hint+kd"]})
    assert identity(with_later(config, **{part: 1}))[0] != identity(config)[0]


def test_a_record_without_the_augmentation_says_nothing_of_it():
    config = config_from({"data": {"augmentation": {"jitter": 0.1}}})
    samples = RunSamples(config.data, RunFolder(Path()), loaded=SimpleNamespace(fingerprint="f"))
    now = json.loads(json.dumps(asdict(config)))
    assert _differing({"data": samples.settings()}, now) is None
    now["data"]["columns"] = ["x"]
    assert _differing({"data": samples.settings()}, now) == "data"


def test_a_record_without_an_added_setting_was_made_with_its_default(monkeypatch):
    config = with_later(RunConfig())
    monkeypatch.setattr("hintlite.pipeline.runs.reading.LATER", added_defaults(config))
    recorded = {"training": keyed(config)["training"], "seed": 0}
    now = {"training": recorded["training"] | {"later": 0}, "seed": 0}
    assert _differing(recorded, now) is None
    now["training"]["later"] = 1
    assert _differing(recorded, now) == "training"
