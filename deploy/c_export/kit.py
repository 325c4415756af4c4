"""What goes with a network's sources where a bundle knows more: input, labels, sample, example."""

from __future__ import annotations

from dataclasses import dataclass

from hintlite.deploy.bundle.facts import BundleFacts
from hintlite.deploy.c_export.emit import Network, filled
from hintlite.deploy.mcu.identifiers import comment_text
from hintlite.deploy.mcu.labels import labels_header
from hintlite.deploy.mcu.raw_to_int8 import raw_channels
from hintlite.deploy.mcu.sample import TOLERANCE_STEPS, TestSample, reference_output
from hintlite.deploy.mcu.settings_text import float_literal, number_rows


@dataclass(frozen=True, eq=False)
class Kit:
    """The facts of a bundle, and the output that belongs to its sample.

    Attributes:
        facts: of the bundle.
        output: int8 numbers that LiteRT's reference kernels give for the sample.
    """

    facts: BundleFacts
    output: tuple[int, ...]


def make_kit(network: Network, content: bytes, facts: BundleFacts) -> Kit:
    """Computes what belongs to the bundle's sample.

    Args:
        network: made of the content.
        content: of the `.tflite` file.
        facts: of the bundle that the file lies in.

    Raises:
        ModelError: the sample does not fit the model.
    """
    source = network.graph.tensors[network.graph.inputs[0]]
    sample = TestSample(facts.stored(source.scale, source.zero_point), facts.source)
    return Kit(facts, tuple(reference_output(content, sample).tolist()))


def kit_sources(network: Network, kit: Kit) -> dict[str, str]:
    """File name -> text of the headers and of the example."""
    name = network.name
    names: dict[str, object] = {"name": name, "NAME": name.upper()}
    names["labelled"] = bool(kit.facts.labels)
    sources = {
        f"{name}_input.h": filled("input.h", names | _input_fields(network, kit.facts)),
        f"{name}_sample.h": filled("sample.h", names | _sample_fields(kit)),
        "example.c": filled("example_sample.c", names),
    }
    if kit.facts.labels:
        sources[f"{name}_labels.h"] = labels_header(name, kit.facts.labels).decode()
    return sources


def _sample_fields(kit: Kit) -> dict[str, object]:
    raw = kit.facts.raw.reshape(-1).tolist()
    is_bytes = kit.facts.normalization["raw_dtype"] == "uint8"
    return {
        "source": comment_text(kit.facts.source),
        "label": kit.facts.label,
        "raw": number_rows(raw if is_bytes else map(float_literal, raw), "    "),
        "output": number_rows(kit.output, "    "),
        "tolerance": TOLERANCE_STEPS,
    }


def _input_fields(network: Network, facts: BundleFacts) -> dict[str, object]:
    """How a raw value becomes a number of the input: in float, by integers, or by a table."""
    source = network.graph.tensors[network.graph.inputs[0]]
    found = raw_channels(facts.normalization, source.scale, source.zero_point)
    fields: dict[str, object] = {"channels": len(facts.normalization["mean"])}
    if found is None:
        literals = {
            key: [float_literal(value) for value in facts.normalization[key]]
            for key in ("mean", "std")
        }
        return {**fields, **literals, "way": "float"}
    if any(channel.table for channel in found):
        tables = [number_rows(channel.results().tolist(), "        ") for channel in found]
        return {**fields, "way": "table", "tables": tables}
    columns = {
        key: [getattr(each, key) for each in found] for key in ("multiplier", "bias", "shift")
    }
    return {**fields, **columns, "way": "integers"}
