"""What a training shows while it goes."""

import io

from rich.console import Console

from hintlite.pipeline.app.run.console import Bar
from hintlite.pipeline.app.run.training import _watcher


def test_a_phase_does_not_show_the_figures_of_the_one_before():
    bar = Bar(Console(file=io.StringIO()), "student")
    watcher = _watcher(bar, "hint+kd", lambda phase: None, None)
    watcher.step("pretrain", 1, 1, 1, 1)
    watcher.epoch("pretrain", 1, 1, {"val_loss": 2878.0})
    assert "validation loss 2878" in bar.note
    watcher.step("task", 1, 6, 1, 9)
    assert "task phase, epoch 1/6" in bar.note
    assert "2878" not in bar.note
