"""The classes' names as an enumeration and an array of strings, for C and C++."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hintlite.deploy.mcu.identifiers import comment_text, identifiers, string_literal
from hintlite.deploy.mcu.rendering import render

LABELS = "labels.h"


def labels_header(name: str, labels: Sequence[str]) -> bytes:
    """A header with `enum <name>_label` and `<name>_labels[]`.

    Args:
        name: what identifiers begin with, small letters.
        labels: the classes' names, in the order of the outputs.
    """
    return render(LABELS, {"name": name, "guard": name.upper(), **label_fields(name, labels)})


def label_fields(name: str, labels: Sequence[str]) -> dict[str, Any]:
    """What templates say of the labels: "labels" and the name of their "count"."""
    prefix = "k" + "".join(part.capitalize() for part in name.split("_")) + "Label"
    count = f"{prefix}Count"
    return {
        "count": count,
        "labels": [
            {
                "identifier": identifier,
                "comment": comment_text(label),
                "literal": string_literal(label),
            }
            for identifier, label in zip(identifiers(labels, prefix, {count}), labels, strict=True)
        ],
    }
