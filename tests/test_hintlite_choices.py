"""A setting whose type lists its values takes those and no others, from Python too."""

from dataclasses import dataclass
from typing import Literal

import pytest

from hintlite.choices import check_choices, choices
from hintlite.errors import SettingsError
from hintlite.models.settings import NetworkConfig
from hintlite.pipeline.settings.data import DataConfig
from hintlite.pipeline.settings.methods import HintConfig
from hintlite.pipeline.settings.training import TrainingConfig


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Literal["a", "b"], ("a", "b")),
        (Literal[8, 4] | None, (8, 4, None)),
        (str | None, ()),
        (dict[str, str], ()),
    ],
)
def test_the_values_of_a_type(kind, values):
    assert choices(kind) == values


@dataclass(frozen=True)
class Settings:
    bits: Literal[8, 4] = 8
    by: Literal["loss", "accuracy"] | None = None
    free: str = "anything"

    def __post_init__(self):
        check_choices(self, "mine.")


def test_values_that_are_listed_are_taken():
    Settings(bits=4, by="loss", free="else")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"bits": 5}, "mine.bits must be one of 8, 4; got 5"),
        ({"by": "los"}, "mine.by must be one of loss, accuracy; got 'los'. Did you mean 'loss'?"),
        ({"bits": None}, "mine.bits must be one of 8, 4; got None"),
        ({"by": ["loss"]}, "mine.by must be one of"),
    ],
)
def test_others_are_refused_with_the_nearest(fields, words):
    with pytest.raises(SettingsError) as caught:
        Settings(**fields)
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        (NetworkConfig, "family"),
        (NetworkConfig, "preset"),
        (DataConfig, "source"),
        (DataConfig, "color"),
        (HintConfig, "regressor"),
        (TrainingConfig, "choose_by"),
    ],
)
def test_every_part_of_a_run_s_settings_refuses_them(kind, field):
    with pytest.raises(SettingsError, match=f"{field} must be one of .*; got 'none of them'"):
        kind(**{field: "none of them"})
