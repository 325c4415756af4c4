"""What the report is given of a tuning that was never run, with accuracies that are chosen."""


def trial(number, state, accuracy=None, **more):
    """A trial of the report's facts."""
    return {
        "number": number,
        "state": state,
        "value": accuracy,
        "by_seed": None if accuracy is None else [accuracy, accuracy],
        "values": {"training.learning_rate": 0.001 * (number + 1), "student.depths": [2, 2]},
        "same_as": None,
        "said": None,
        "epochs": 3,
        "last": 0.5,
        "seconds": 130.0,
        "parameters": 27000,
    } | more


def facts_of():
    """A tuning of five trials, the third of them the best."""
    trials = [
        trial(0, "complete", 0.81),
        trial(1, "pruned", seconds=None),
        trial(2, "complete", 0.93),
        trial(3, "failed", said="kd.temperature must be above 0 <b>; got 0"),
        trial(4, "complete", 0.93, same_as=2),
    ]
    return {
        "tuning": "chosen",
        "arm": "hint+kd",
        "objective": "int8",
        "chosen_by": "accuracy",
        "seeds": [0, 1],
        "validation_samples": 100,
        "search": {
            "training.learning_rate": {"low": 0.001, "high": 0.01, "log": True, "step": None},
            "student.depths": {"choices": ["[1, 1]", "[2, 2]"]},
        },
        "base": {"training.learning_rate": 0.002, "student.depths": [1, 1]},
        "best": trials[2],
        "importance": {"training.learning_rate": 0.75, "student.depths": 0.25},
        "trials": trials,
        "findings": ["best: trial 2 with 93.00 %"],
        "doubts": ["trials differ in their commit: a; b"],
    }
