"""`benchmark --target user@host` and `--targets FILE`: devices measured, one or side by side."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hintlite.benchmarks.result_facts import system_id_of
from hintlite.pipeline.app.run.console import Terminal
from hintlite.pipeline.app.run.context import Context, StageError
from hintlite.pipeline.app.run.devices.file import Entry
from hintlite.pipeline.app.run.stages import bundle, device, measured

if TYPE_CHECKING:
    from hintlite.benchmarks.targets.base import BenchmarkRequest, BenchmarkResult
    from hintlite.benchmarks.targets.ssh.device import Device
    from hintlite.benchmarks.targets.ssh.target import SshTarget

Keep = Callable[[Entry, "BenchmarkRequest", "BenchmarkResult"], None]
Address = tuple[str, int | None]  # host and port; entries of one take turns


def measure_run(context: Context, entries: list[Entry]) -> list[str]:
    """Measures the bundled student of a run on each device.

    Returns:
        The folders of the run that were filled.

    Raises:
        StageError: see `measure`.
    """
    places: list[str] = []

    def keep(entry: Entry, request: BenchmarkRequest, result: BenchmarkResult) -> None:
        stage = device.stage(entry.device, request, result)
        context.folder.complete(stage)
        places.append(stage.name)

    place = context.folder.path / bundle.DEVICE
    measure(place, measured.request(context), entries, context.terminal, keep)
    return places


def measure(
    place: Path, request: BenchmarkRequest, entries: list[Entry], terminal: Terminal, keep: Keep
) -> None:
    """Measures a model on each device, several side by side.

    Entries of one and the same device take turns: they would disturb each other.

    Args:
        place: a bundle, or a `.tflite` file.
        request: how, where an entry says nothing else.
        entries: the devices.
        terminal: shows progress and the results.
        keep: is given each result, as soon as it is there.

    Raises:
        StageError: a device failed; the others are done and their results kept.
    """
    from hintlite.pipeline.app.run.devices.table import print_devices

    measurements: list[tuple[Entry, BenchmarkResult]] = []
    failures: list[str] = []
    with _title(terminal, entries) as say, _pool(entries, say) as (pool, targets):
        jobs = {}
        for group in _groups(entries).values():
            job = pool.submit(_turns, place, group, targets, request)
            jobs[job] = group
        for job in as_completed(jobs):
            for entry, outcome in job.result():
                if isinstance(outcome, str):
                    failures.append(outcome)
                    continue
                measurements.append((entry, outcome))
                keep(entry, _of(request, entry), outcome)
    if measurements:
        print_devices(terminal, [result for _, result in measurements])
    for line in named_twice(measurements):
        terminal.say(line)
    if failures:
        done = f"{len(measurements)} of {len(entries)} devices were measured; "
        raise StageError((done if len(entries) > 1 else "") + "\n".join(failures))


def _groups(entries: list[Entry]) -> dict[Address, list[Entry]]:
    groups: dict[Address, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(_address(entry), []).append(entry)
    return groups


def _address(entry: Entry) -> Address:
    return entry.device.destination.rpartition("@")[2].lower(), entry.device.port


def named_twice(measurements: Sequence[tuple[Entry, BenchmarkResult]]) -> list[str]:
    """A sentence for each device that several addresses led to: its entries took no turns."""
    systems: dict[str, dict[Address, str]] = {}
    for entry, result in measurements:
        if (system := system_id_of(result.raw)) is not None:
            systems.setdefault(system, {}).setdefault(_address(entry), entry.device.name)
    return [
        f"{' and '.join(sorted(names.values()))} are one device: measured side by side, they have "
        "disturbed each other; give them the same destination and port, then they take turns"
        for names in systems.values()
        if len(names) > 1
    ]


def _turns(
    place: Path,
    group: list[Entry],
    targets: dict[str, SshTarget],
    request: BenchmarkRequest,
) -> list[tuple[Entry, BenchmarkResult | str]]:
    """The entries of one device, one after the other; whatever one answers, the others go on."""
    outcomes: list[tuple[Entry, BenchmarkResult | str]] = []
    for entry in group:
        try:
            result = targets[entry.device.name].run(place, _of(request, entry))
            outcomes.append((entry, result))
        except Exception as error:
            outcomes.append((entry, _failure(entry, error)))
    return outcomes


def _failure(entry: Entry, error: Exception) -> str:
    """A device's failure as a sentence that names it."""
    from hintlite.pipeline.app.errors import sentence

    name, text = entry.device.name, sentence(error)
    return text if text.startswith(name) else f"{name}: {text}"


@contextlib.contextmanager
def _title(terminal: Terminal, entries: list[Entry]) -> Iterator[Any]:
    """One bar for one device; lines with the device's name for several."""
    if len(entries) > 1:
        names = ", ".join(entry.device.name for entry in entries)
        terminal.say(f"{len(entries)} devices: {names}")
        yield lambda name, line: terminal.say(f"{name}: {line}")
        return
    with terminal.task(entries[0].device.name) as bar:

        def show(name: str, line: str) -> None:
            bar.update(0, 1, line, line=True)

        yield show
        bar.note = "measured"


@contextlib.contextmanager
def _pool(
    entries: list[Entry], say: Any
) -> Iterator[tuple[ThreadPoolExecutor, dict[str, SshTarget]]]:
    """Threads for the devices; on an interruption all connections are ended before they are."""
    from hintlite.benchmarks.targets.ssh.target import SshTarget

    targets = {
        entry.device.name: SshTarget(entry.device, _to(say, entry.device)) for entry in entries
    }
    with ThreadPoolExecutor(max_workers=len(entries)) as pool:
        try:
            yield pool, targets
        except BaseException:
            for target in targets.values():
                target.stop()
            raise


def _to(say: Any, where: Device) -> Any:
    return lambda line: say(where.name, line)


def _of(request: BenchmarkRequest, entry: Entry) -> BenchmarkRequest:
    return replace(request, **entry.request)
