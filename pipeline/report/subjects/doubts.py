"""What a reader should know before believing the figures of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.markup import entries
from hintlite.pipeline.report.names import class_names, model_title, result_title
from hintlite.pipeline.report.section import Report, Section
from hintlite.pipeline.report.series import per_run
from hintlite.pipeline.report.subjects.confusion import are_uneven
from hintlite.pipeline.runs.layout import FLOAT, TEACHER
from hintlite.pipeline.settings.training import few_steps

Facts = Mapping[str, Any]


def doubts(facts: Facts) -> list[str]:
    """Sentences about what makes the figures worth little; none if nothing does.

    Args:
        facts: what collect.py has gathered.
    """
    kinds = (_at_chance, _collapsed, _missed, _short, _copied, _asked)
    return [sentence for kind in kinds for sentence in kind(facts)]


def _at_chance(facts: Facts) -> Iterator[str]:
    for model, found in _guessing(facts).items():
        name = "The teacher" if model == TEACHER else f"“{model_title(model)}”"
        answer = _only_answer(facts, found)
        one = "" if answer is None else f" It answers “{answer}” to every test sample."
        yield (
            f"{name} is at chance level: on average it finds "
            f"{formats.percent(found['balanced_accuracy'])} of a class (balanced accuracy).{one} "
            f"{_cure(facts, model)}"
        )
    members = facts["teacher_validation"]
    unknown = f"{TEACHER}:{FLOAT}" not in facts["scores"]
    if unknown and members and all(each["guessing"]["at_chance"] for each in members):
        shares = ", ".join(formats.percent(each["accuracy"]) for each in members)
        cure = _cure(facts, TEACHER)
        yield f"The teacher is at chance level on validation data: {shares}. {cure}"


def _guessing(facts: Facts) -> dict[str, Mapping[str, Any]]:
    """Teacher and arms whose float file guesses -> its scores."""
    scores = {m: facts["scores"].get(f"{m}:{FLOAT}") for m in (TEACHER, *facts["settings"]["arms"])}
    return {
        model: found
        for model, found in scores.items()
        if found and len(found["support"]) > 1 and found["at_chance"]
    }


def _cure(facts: Facts, model: str) -> str:
    setting = "teacher_training" if model == TEACHER else "training"
    if are_uneven(facts):
        return (
            f"The classes are uneven: try {setting}.class_weights balanced, which also keeps the "
            "epoch of the best balanced accuracy."
        )
    return TEACHER_CURE if model == TEACHER else STUDENT_CURE


TEACHER_CURE = (
    "There is nothing to learn from such a teacher: see whether it is fed with the range of values "
    "that it was trained on (data.normalization), then whether the labels fit."
)
STUDENT_CURE = "See under Training whether it has begun to learn; if not, lower the learning rate."


def _collapsed(facts: Facts) -> Iterator[str]:
    """Files that give one answer whatever they are asked, and whose model does not guess."""
    for name, found in facts["scores"].items():
        answer = _only_answer(facts, found)
        if answer is not None and name.split(":")[0] not in _guessing(facts):
            yield (
                f"{_file(name)} answers “{answer}” to every test sample: it has collapsed, and its "
                "accuracy is the share of that class."
            )


def _only_answer(facts: Facts, scores: Mapping[str, Any]) -> str | None:
    """The class that a file answers always, where the samples have several."""
    given = [i for i, share in enumerate(scores["precision"]) if share is not None]
    if len(given) != 1 or sum(n > 0 for n in scores["support"]) == 1:
        return None
    return class_names(facts, len(scores["support"]))[given[0]]


def _missed(facts: Facts) -> Iterator[str]:
    """Classes of which a file finds nothing, though it tells others apart."""
    shown = {f"{each['model']}:{each['precision']}" for each in facts["confusion"]}
    for name, found in facts["scores"].items():
        answered = sum(share is not None for share in found["precision"])
        names = class_names(facts, len(found["support"]))
        lost = [
            f"the {n} of “{label}”"
            for label, share, n in zip(names, found["recall"], found["support"], strict=True)
            if share == 0
        ]
        if lost and name in shown and answered > 1:
            yield f"{_file(name)} finds none of {' and none of '.join(lost)}."


def _file(name: str) -> str:
    title = result_title(*name.split(":"))
    return title[0].upper() + title[1:]


def _short(facts: Facts) -> Iterator[str]:
    """Trainings of a few steps an epoch."""
    for section in ("teacher_training", "training"):
        batch = (facts["settings"].get(section) or {}).get("batch_size")
        if batch and facts["data"] and _trained(facts, section):
            note = few_steps(facts["data"]["train"], batch, section)
            yield from () if note is None else (f"{note}.",)


def _trained(facts: Facts, setting: str) -> bool:
    """Whether anything was trained with the setting: a teacher may come as a file."""
    teachers = {each["model"].startswith(f"{TEACHER}/") for each in facts["training"]}
    return (setting == "teacher_training") in teachers


def _copied(facts: Facts) -> Iterator[str]:
    """Test samples that were seen before."""
    data = facts["data"] or {}
    if data.get("test_copies"):
        yield (
            f"{data['test_copies']} of the {data['test']} test samples are copies of samples that "
            "were trained or chosen on: on these the accuracy is no measure of new data."
        )


def _asked(facts: Facts) -> Iterator[str]:
    times = facts["test_evaluations"]
    if times is not None and times > 1:
        yield (
            f"The test data was evaluated {times} times in this run. Settings that are chosen by "
            "test figures are fitted to the test data: choose by those of the validation data."
        )


def render(reports: Sequence[Report]) -> Section | None:
    """The sentences, run by run; None where there is nothing to doubt."""
    content = per_run(reports, lambda _, report: entries(report.facts["doubts"]) or None)
    return Section("warnings", "Warnings", content) if content else None
