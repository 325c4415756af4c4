"""A pool on a Ray cluster; its machines share the folder that the jobs name.

Ray does a job again when its process or machine is lost; the run then goes on from its last epoch,
as it does on one machine.
"""

from __future__ import annotations

import logging
import os
import pkgutil
import platform
import sys
from pathlib import Path
from typing import Any, Generic

from hintlite.pipeline.app.experiments.queue.pool import FAILED, AnyJob, Outcome
from hintlite.pipeline.app.experiments.queue.processes import environment
from hintlite.pipeline.app.run.folder import RunError

RETRIES = 5  # of a task whose process or machine is lost
INSTALL = f"{sys.executable} -m pip install 'ray>=2.60,<3'"


class Cluster(Generic[AnyJob]):
    """A pool of Ray tasks.

    Args:
        address: of the cluster's head, HOST:PORT; "auto" for one that runs here, "local" to start
            one on this machine.
        jobs: at a time; as many as the cluster has cores if None.
        work: "module:function" of what is done with a job's request, see `Processes`.

    Raises:
        RunError: Ray is not installed, or the cluster cannot be reached.
    """

    def __init__(self, address: str, jobs: int | None, work: str) -> None:
        try:
            import ray
        except ImportError as error:
            raise RunError(f"--ray needs the package ray: {INSTALL}") from error
        self._ray: Any = ray
        try:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # tells nobody that it is used
            ray.init(
                address=address,
                log_to_driver=False,
                include_dashboard=False,
                logging_level=logging.ERROR,
            )
        except Exception as error:  # Ray raises this very class, too
            raise RunError(
                f"no Ray cluster answers at {address!r} ({error}): `ray start --head` starts one, "
                "--ray local one on this machine"
            ) from error
        cores = int(self._ray.cluster_resources().get("CPU", 1))
        self._jobs = jobs or cores
        # A task takes its cores on one machine: more than the smallest has would wait for ever.
        self._threads = max(1, min(cores // self._jobs, self._smallest_machine()))
        # A process of its own for each task: determinism cannot be switched off again.
        self._remote = ray.remote(
            num_cpus=self._threads,
            max_calls=1,
            max_retries=RETRIES,
            runtime_env={"env_vars": environment(self._threads)},
        )(_do)
        self._active: dict[Any, AnyJob] = {}
        self._work = work

    def _smallest_machine(self) -> int:
        """Cores of the smallest machine of the cluster that has any."""
        resources = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        cores = [int(each["CPU"]) for each in resources if each.get("CPU", 0) >= 1]
        if not cores:
            raise RunError("the Ray cluster has no machine with a free core: start a worker")
        return min(cores)

    @property
    def size(self) -> int:
        """How many jobs it does at a time."""
        return self._jobs

    def start(self, job: AnyJob) -> None:
        """Hands the job to the cluster."""
        self._active[self._remote.remote(self._work, job.request())] = job

    def finished(self, timeout_s: float) -> list[tuple[AnyJob, Outcome]]:
        """Jobs that have ended since the last call; waits for one, but not for ever."""
        if not self._active:
            return []
        ready, _ = self._ray.wait(list(self._active), timeout=timeout_s)
        return [(self._active.pop(reference), self._outcome(reference)) for reference in ready]

    def stop(self) -> None:
        """Ends what is under way and leaves the cluster."""
        for reference in self._active:
            self._ray.cancel(reference, force=True)
        self._active = {}
        self._ray.shutdown()

    def _outcome(self, reference: Any) -> Outcome:
        try:
            return Outcome(*self._ray.get(reference))
        except self._ray.exceptions.RayError as error:
            first = str(error).strip().splitlines()[0]
            return Outcome(FAILED, f"Ray could not finish it, after {RETRIES} tries: {first}")


def _do(work: str, request: dict[str, Any]) -> list[str]:
    """On a machine of the cluster."""
    if not Path(request["folder"]).is_dir():
        return [
            FAILED,
            f"{platform.node()} has no folder {request['folder']}: the machines of a cluster must "
            "share it, at the same place",
        ]
    outcome: list[str] = pkgutil.resolve_name(work)(request, None)
    return outcome
