"""The order of a study's tasks, and what is told while they are done; without any training."""

import io
import json
import time
from dataclasses import replace

import pytest
from rich.console import Console
from study_facts import KEY, plan

from hintlite.pipeline.app.experiments.queue.carry_out import carry_out
from hintlite.pipeline.app.experiments.queue.display import Display
from hintlite.pipeline.app.experiments.queue.held import is_held
from hintlite.pipeline.app.experiments.queue.pool import BUSY, DONE, FAILED, Outcome
from hintlite.pipeline.app.experiments.queue.progress import Reporter, read_progress
from hintlite.pipeline.app.experiments.studies.layout import Layout
from hintlite.pipeline.app.experiments.studies.records import TEACHER
from hintlite.pipeline.app.experiments.studies.schedule import schedule
from hintlite.pipeline.app.experiments.studies.task import said_of, tidy
from hintlite.pipeline.app.experiments.studies.work import check_teacher
from hintlite.pipeline.app.run.console import Terminal
from hintlite.pipeline.app.run.folder import RunError, RunFolder, Stage
from hintlite.pipeline.settings.run import RunConfig


class Pool:
    """Ends each task at once, as it is told to; remembers the order."""

    def __init__(self, size=2, outcomes=None):
        self.size, self.outcomes, self.order, self.active = size, outcomes or {}, [], []

    def start(self, task):
        assert len(self.active) < self.size
        self.order.append(task.id)
        self.active.append(task)

    def finished(self, timeout_s):
        ended, self.active = self.active, []
        return [(task, self._outcome(task)) for task in ended]

    def stop(self):
        raise AssertionError("nobody asked for this")

    def _outcome(self, task):
        told = self.outcomes.get(task.id)
        return told.pop(0) if told else Outcome(DONE)


SAID = []


class Silent:
    def __init__(self):
        self.said = []

    def tell(self, text, finished):
        self.said.append((text, finished))

    def show(self, active, elsewhere):
        pass


@pytest.fixture
def left(tmp_path):
    """What is left of a study of two teachers, of which nothing is done."""
    made = plan()
    runs = [
        replace(run, teacher=f"t{run.seed % 2}", teacher_seed=run.seed % 2) for run in made.runs
    ]
    twofold = replace(made, runs=tuple(runs), teachers={"t0": RunConfig(), "t1": RunConfig()})
    return scheduled(twofold, Layout(tmp_path, tmp_path / "runs"), "models")


def scheduled(plan, layout, keep):
    return schedule(plan, layout, keep, SAID.append)


def test_each_teacher_comes_before_its_students_and_every_task_once(left):
    wanted = [task.id for task in left.tasks]
    teacher_of = {task.id: task.teacher for task in left.tasks}
    pool = Pool()
    carry_out(left, pool, Silent())
    assert sorted(pool.order) == sorted(wanted)
    assert pool.order[:2] == ["t0", "t1"]
    for id_ in pool.order:
        assert pool.order.index(teacher_of[id_]) <= pool.order.index(id_)
    assert left.failures == {}


def test_a_failed_teacher_takes_its_students_along_and_nobody_else(left):
    lost = [task.id for task in left.tasks if task.teacher == "t1"]
    titles = {task.title for task in left.tasks if task.id in lost}
    pool = Pool(outcomes={"t1": [Outcome(FAILED, "no memory")]})
    carry_out(left, pool, Silent())
    assert set(pool.order) & set(lost) == {"t1"}
    assert set(left.failures) == titles
    assert left.failures["teacher, seed 1"] == "no memory"
    assert left.failures["kd, seed 1, teacher seed 1"] == "not begun, for teacher, seed 1 failed"


def test_a_task_that_another_process_does_comes_again_later(left, monkeypatch):
    monkeypatch.setattr("hintlite.pipeline.app.experiments.studies.schedule.AGAIN_S", 0.0)
    busy = left.tasks[-1].id
    pool = Pool(outcomes={busy: [Outcome(BUSY, "in use")]})
    carry_out(left, pool, Silent())
    assert pool.order.count(busy) == 2
    assert left.failures == {}


def test_what_another_command_has_finished_is_not_begun(left):
    done = next(task for task in left.tasks if task.kind != TEACHER)
    done.layout.results.mkdir()
    done.layout.record(done.id).write_text('{"test": {"int8": {"accuracy": 0.9}}}')
    pool = Pool()
    carry_out(left, pool, Silent())
    assert done.id not in pool.order
    assert f"{done.title}: int8 90.00 %" in SAID


def test_what_is_finished_is_neither_done_again_nor_left_lying(tmp_path):
    layout = Layout(tmp_path, tmp_path / "runs")
    layout.results.mkdir()
    first, second = plan().runs[:2]
    layout.record(first.id).write_text("{}")
    for run in (first, second):
        layout.work(run.id).mkdir(parents=True)
    left = scheduled(plan(), layout, "models")
    assert first.id not in {task.id for task in left.tasks}
    assert second.id in {task.id for task in left.tasks}
    assert not layout.work(first.id).exists()
    assert layout.work(second.id).exists()


@pytest.mark.parametrize(
    ("keep", "kept"), [("models", {"student.keras"}), ("nothing", None), ("all", None)]
)
def test_tidying_keeps_what_was_asked_for_and_never_touches_the_teacher(tmp_path, keep, kept):
    layout = Layout(tmp_path, tmp_path / "runs")
    task = next(t for t in scheduled(plan(), layout, keep).tasks if t.settings["arms"] == ("kd",))
    (layout.teacher(KEY) / "teacher").mkdir(parents=True)
    (layout.teacher(KEY) / "teacher" / "network.keras").write_text("teacher")
    (task.place / "distill" / "kd").mkdir(parents=True)
    (task.place / "distill" / "kd" / "student.keras").write_text("student")
    (task.place / "distill" / "kd" / "dropped.npz").write_text("large")
    (task.place / "teacher").symlink_to(layout.teacher(KEY) / "teacher")
    tidy(task)
    tidy(task)  # can be repeated
    assert (layout.teacher(KEY) / "teacher" / "network.keras").read_text() == "teacher"
    assert task.place.exists() == (keep == "all")
    models = layout.models(task.id)
    assert ({path.name for path in models.iterdir()} if models.exists() else None) == kept


def test_a_teacher_is_known_by_its_files_wherever_they_lie(tmp_path):
    layout = Layout(tmp_path / "first", tmp_path / "runs")
    task = next(t for t in scheduled(plan(), layout, "all").tasks if t.kind != TEACHER)
    stage = Stage("teacher/0", 1, {"path": "there"}, (), (), _write_network)
    RunFolder(layout.teacher(KEY)).complete(stage)
    (tmp_path / "first").rename(tmp_path / "moved")
    moved = replace(task, folder=str(tmp_path / "moved"))
    check_teacher(moved, ("teacher/0",))
    _write_network(moved.layout.teacher(KEY) / "teacher" / "0", "other weights")
    with pytest.raises(RunError, match="not those that the teacher's training wrote"):
        check_teacher(moved, ("teacher/0",))


def _write_network(folder, content="weights"):
    (folder / "network.keras").write_text(content)


def test_a_folder_is_held_as_long_as_a_process_works_in_it(tmp_path):
    assert not is_held(tmp_path / "run")
    with RunFolder(tmp_path / "run").lock():
        assert is_held(tmp_path / "run")
    assert not is_held(tmp_path / "run")


def test_time_and_tries_count_over_interruptions(tmp_path):
    for tries in (1, 2):
        reporter = Reporter(tmp_path)
        with reporter.stage("distill"), reporter.task("student, kd") as bar:
            time.sleep(0.05)
            bar.update(tries, 30, f"epoch {tries}/30")
            reporter.save()  # and then it is killed
        found = read_progress(tmp_path)
        assert (found.tries, found.completed, found.note) == (tries, tries, f"epoch {tries}/30")
        assert found.wall_s["distill"] >= 0.05 * tries
    (tmp_path / "progress.json").write_text("{half")
    assert read_progress(tmp_path) is None


def test_what_is_complete_is_in_a_workers_file_at_once(tmp_path):
    reporter = Reporter(tmp_path)
    with reporter.task("student, hints + KD") as bar:
        reporter.save()
        bar.update(1, 2, "hint phase, epoch 1/1", line=True)
        bar.line()
        assert read_progress(tmp_path).note == "hint phase, epoch 1/1"


def display_on(text, **options):
    terminal = Terminal()
    terminal.err = Console(file=text, width=100, **options)
    return Display(terminal, "runs", total=6, finished=1)


def test_a_terminal_shows_every_run_under_way(tmp_path):
    reporter = Reporter(tmp_path)
    with reporter.stage("distill"), reporter.task("student, kd") as bar:
        bar.update(3, 30, "epoch 3/30")
        reporter.save()
    text = io.StringIO()
    with display_on(text, force_terminal=True) as display:
        display.show([("kd, seed 0", tmp_path), ("kd, seed 1", tmp_path / "new")], 1)
    shown = text.getvalue()
    assert "kd, seed 0" in shown
    assert "student, kd: epoch 3/30" in shown
    assert "starting" in shown
    assert "1 of 6 runs, 1 done by another command" in shown


def test_without_a_terminal_each_finished_run_is_a_line(tmp_path):
    layout = Layout(tmp_path, tmp_path)
    task = next(t for t in scheduled(plan(), layout, "all").tasks if t.kind != TEACHER)
    test = {"float32": {"accuracy": 0.9134}, "int8": {"accuracy": 0.91}}
    layout.record(task.id).write_text(json.dumps({"test": test}))
    text = io.StringIO()
    with display_on(text) as display:
        display.tell(f"kd, seed 0: {said_of(task)}", 2)
        display.tell("kd, seed 1: FAILED: no memory", 2)
        display.show([], 0)  # not yet time for a line of its own
    assert text.getvalue().splitlines() == [
        "kd, seed 0: float32 91.34 %, int8 91.00 % (2 of 6)",
        "kd, seed 1: FAILED: no memory",
    ]
