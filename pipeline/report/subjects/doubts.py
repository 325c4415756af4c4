"""What a reader should know before believing the figures of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import ceil, sqrt
from typing import Any

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.markup import entries
from hintlite.pipeline.report.names import class_names, model_title, result_title
from hintlite.pipeline.report.section import Report, Section
from hintlite.pipeline.report.series import per_run
from hintlite.pipeline.report.subjects.confusion import are_uneven
from hintlite.pipeline.runs.layout import FLOAT, TEACHER

FEW_STEPS = 5  # an epoch: with fewer an optimizer has little to do
STANDARD_ERRORS = 2  # above chance: what lies below, guessing explains

Facts = Mapping[str, Any]


def doubts(facts: Facts) -> list[str]:
    """Sentences about what makes the figures worth little; none if nothing does.

    Args:
        facts: what collect.py has gathered.
    """
    return [*_at_chance(facts), *_collapsed(facts), *_missed(facts), *_short(facts), *_asked(facts)]


def is_guessing(shares: Sequence[float | None], support: Sequence[int]) -> bool:
    """Whether guessing explains a classifier's recalls.

    Whoever guesses has a balanced accuracy (the mean recall) of one over the number of classes,
    however uneven these are.

    Args:
        shares: the recall by class, None of a class without samples.
        support: by class, its samples.
    """
    known = [(share, n) for share, n in zip(shares, support, strict=True) if share is not None]
    chance = 1 / len(known)
    error = sqrt(sum(chance * (1 - chance) / n for _, n in known)) / len(known)
    return sum(share for share, _ in known) / len(known) <= chance + STANDARD_ERRORS * error


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
    if f"{TEACHER}:{FLOAT}" not in facts["scores"] and (share := _validation(facts)):
        cure = _cure(facts, TEACHER)
        yield f"The teacher is at chance level on validation data: {share}. {cure}"


def _guessing(facts: Facts) -> dict[str, Mapping[str, Any]]:
    """Teacher and arms whose float file guesses -> its scores."""
    scores = {m: facts["scores"].get(f"{m}:{FLOAT}") for m in (TEACHER, *facts["settings"]["arms"])}
    return {
        model: found
        for model, found in scores.items()
        if found and len(found["support"]) > 1 and is_guessing(found["recall"], found["support"])
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


def _validation(facts: Facts) -> str | None:
    """The teacher's accuracy on validation data, where guessing explains it and no test is done."""
    data, accuracy = facts["data"], facts["teacher_validation_accuracy"]
    if data is None or accuracy is None or len(data["class_names"]) < 2:
        return None
    chance = 1 / len(data["class_names"])
    error = sqrt(chance * (1 - chance) / data["validation"])
    return formats.percent(accuracy) if accuracy <= chance + STANDARD_ERRORS * error else None


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
    for setting, what in (("teacher_training", "the teacher"), ("training", "the students")):
        batch = (facts["settings"].get(setting) or {}).get("batch_size")
        if not batch or facts["data"] is None or not _trained(facts, setting):
            continue
        steps = ceil(facts["data"]["train"] / batch)
        if steps < FEW_STEPS:
            count = "1 step" if steps == 1 else f"{steps} steps"
            yield (
                f"An epoch of {what} has only {count} ({facts['data']['train']} samples in batches "
                f"of {batch}): lower {setting}.batch_size, or train for more epochs."
            )


def _trained(facts: Facts, setting: str) -> bool:
    """Whether anything was trained with the setting: a teacher may come as a file."""
    teachers = {each["model"].startswith(f"{TEACHER}/") for each in facts["training"]}
    return (setting == "teacher_training") in teachers


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
