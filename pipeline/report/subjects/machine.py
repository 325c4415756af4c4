"""Where the figures come from: machine, data, seeds, library versions, settings, the commit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml
from markupsafe import Markup

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.markup import details, heading, join, part, table, words
from hintlite.pipeline.report.section import Report, Section
from hintlite.pipeline.report.series import per_run
from hintlite.pipeline.runs.layout import BUNDLE_MANIFEST
from hintlite.pipeline.runs.reading import RunFiles

Facts = list[tuple[str, str]]


def seeds(run: RunFiles) -> dict[str, Any]:
    """The seeds of the run, and whether it was asked to be bit-equal."""
    settings = run.settings
    return {
        "seed": settings.get("seed"),
        "split_seed": (settings.get("data") or {}).get("split_seed"),
        "deterministic": settings.get("deterministic"),
    }


def libraries(run: RunFiles) -> dict[str, list[str]]:
    """Library -> its versions, over all complete stages; more than one after an upgrade."""
    found: dict[str, set[str]] = {}
    for name in run.stages:
        record = run.record(name) if run.complete(name) else None
        for library, version in (record["libraries"] if record else {}).items():
            found.setdefault(library, set()).add(version)
    return {library: sorted(found[library]) for library in sorted(found)}


def provenance(run: RunFiles) -> dict[str, Any] | None:
    """What the bundle's manifest says of its origin: hintlite's version, the commit, the data."""
    manifest = run.json("bundle", BUNDLE_MANIFEST)
    return None if manifest is None else dict(manifest["provenance"])


def render(reports: Sequence[Report]) -> Section | None:
    """Always there: every run has settings."""
    content = join(_differences(reports), per_run(reports, _one) or "")
    return Section("machine", "Machine, data, seeds, settings", content)


def _one(place: int, report: Report) -> Markup:
    facts = report.facts
    blocks = [
        *(
            (f"Machine {i + 1}" if i else "Machine", _machine(facts, each))
            for i, each in enumerate(facts["machines"])
        ),
        ("Data", _data(facts["data"])),
        ("Seeds", _plain(facts["seeds"])),
        ("Libraries", [(name, ", ".join(found)) for name, found in facts["libraries"].items()]),
        ("Provenance, from the bundle’s manifest", _provenance(facts["provenance"])),  # noqa: RUF001
    ]
    parts = [join(heading(title), part("facts", entries=each)) for title, each in blocks if each]
    settings = yaml.safe_dump(facts["settings"], sort_keys=False, allow_unicode=True)
    inner = join(*(Markup("<div>{}</div>").format(each) for each in parts))
    return join(
        Markup('<div class="blocks">{}</div>').format(inner),
        details("All settings (settings.yaml)", part("code", text=settings)),
    )


def _machine(facts: dict[str, Any], machine: dict[str, Any]) -> Facts:
    entries = _plain({name: value for name, value in machine.items() if value is not None})
    first = next((entry for entry in facts["latency"] if entry["runtime"]), None)
    if first is None:
        return entries
    runtime, settings = first["runtime"], first["settings"] or {}
    times = sorted(e["started_utc"][:16] for e in facts["latency"] if e["started_utc"])
    if times:
        entries.append(("measured, UTC", " to ".join(dict.fromkeys((times[0], times[-1])))))
    entries.append(("runtime", f"{runtime.get('name')} {runtime.get('version')}"))
    return entries + _plain({n: settings.get(n) for n in ("kernels", "threads", "windows")})


def _data(data: dict[str, Any] | None) -> Facts:
    if data is None:
        return []
    shape = " x ".join(str(size) for size in data["input_shape"])
    return [
        ("name", str(data["name"])),
        ("shape of a sample", f"{shape}, {data['raw_dtype']}"),
        ("values", values_of(data.get("values"))),
        ("classes", formats.count(len(data["class_names"]))),
        *((name, formats.count(data[name])) for name in ("train", "validation", "calibration")),
        ("test", formats.count(data["test"])),
        ("hash of the training samples", str(data["fingerprint"])),
        ("hash of the test samples", formats.text(data["test_sha256"])),
    ]


def values_of(found: dict[str, Any] | None) -> str:
    """The range of the raw values, what they are taken for, and whether that is a guess."""
    if found is None:
        return formats.DASH
    seen = f"{found['low']:g} to {found['high']:g}"
    if found["taken_for"] is None:
        return seen
    low, high = found["taken_for"]
    guess = "" if found["certain"] else ", a guess from the samples"
    return f"{seen}, taken for {low:g} to {high:g}{guess}"


def _provenance(provenance: dict[str, Any] | None) -> Facts:
    return _plain({n: v for n, v in (provenance or {}).items() if not isinstance(v, dict)})


def _plain(values: dict[str, Any]) -> Facts:
    return [(name.replace("_", " "), _value(name, value)) for name, value in values.items()]


def _value(name: str, value: Any) -> str:
    counted = isinstance(value, int) and not isinstance(value, bool) and name.endswith("_bytes")
    return formats.count(value) if counted else formats.text(value)


def _differences(reports: Sequence[Report]) -> Markup | str:
    """The settings that are not the same in all runs."""
    if len(reports) < 2:
        return ""
    flat = [_flat(report.facts["settings"]) for report in reports]
    names = list(dict.fromkeys(name for each in flat for name in each))
    differing = [n for n in names if any(each.get(n) != flat[0].get(n) for each in flat)]
    columns = words("setting", *(report.name for report in reports))
    rows = [[name, *(each.get(name) for each in flat)] for name in differing]
    if not rows:
        return Markup("<p>The settings of all runs are the same.</p>")
    return table("Settings that differ", columns, rows)


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a.b": 1}."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + str(name)] = value
    return flat
