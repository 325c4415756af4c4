"""The teacher's seed apart from the students', so that several of these share a teacher."""

import pytest

from hintlite.errors import SettingsError
from hintlite.pipeline.app.run.console import Terminal
from hintlite.pipeline.app.run.context import Context
from hintlite.pipeline.app.run.folder import RunFolder
from hintlite.pipeline.app.run.stages import distill, teacher
from hintlite.pipeline.settings.run import RunConfig


@pytest.fixture
def settings_of(tmp_path):
    """A stage's settings under given seeds."""

    def found(stages, **seeds):
        config = RunConfig(arms=("kd",), **seeds)
        return stages(Context(config, RunFolder(tmp_path), Terminal()))[0].settings

    return found


def test_without_a_seed_of_its_own_the_teacher_takes_the_runs(settings_of):
    assert settings_of(teacher.stages, seed=3)["seed"] == 3
    assert "teacher_seed" not in settings_of(teacher.stages, seed=3)  # older runs stay fresh


def test_students_of_several_seeds_share_a_teacher(settings_of):
    first, second = (settings_of(teacher.stages, seed=s, teacher_seed=7) for s in (1, 2))
    assert first == second
    assert first == settings_of(teacher.stages, seed=7)
    assert first != settings_of(teacher.stages, seed=1, teacher_seed=8)
    students = [settings_of(distill.stages, seed=s, teacher_seed=7)["seed"] for s in (1, 2)]
    assert students == [1, 2]


def test_a_negative_seed_is_refused():
    with pytest.raises(SettingsError, match="teacher_seed must be 0 or more; got -1"):
        RunConfig(teacher_seed=-1)
