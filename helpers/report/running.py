"""Runs of a build, side by side, and the workers that they make pieces on."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any

from helpers import paths
from helpers.experiment.pieces import SCHEDULER
from helpers.experiment.trust import EngineError
from helpers.files import write_atomically
from helpers.parameters import ParameterError
from helpers.profiles import Run
from helpers.report import execute, manifest, stamps
from helpers.report.kernel import ChapterFailed, kill_all
from helpers.report.owned import remove_records, remove_run
from helpers.report.plan import Job, why
from helpers.report.progress import Progress

if TYPE_CHECKING:
    from helpers.experiment.engine import Engine


def run_chapter(job: Job, run: Run, progress: Progress, stopping: Event) -> dict[str, Any]:
    """Execute one run; its notebook takes its name only when everything of it is there.

    `stopping` is set where the build is ended and kernels with it.

    Raises
    ------
    ChapterFailed
        With the executed part, and the traceback in it, left as ``<slug>.failed.ipynb``.
    """
    import nbformat

    output, slug = job.output, run.slug
    remove_run(output, slug)
    wanted, started = job.stamp(run), manifest.now()
    try:
        notebook, seconds, memory = execute.execute(
            paths.NOTEBOOKS / f"{run.chapter}.ipynb",
            output.partial(slug),
            output.parameters(run, job.data_dir),
            output.log(slug),
            output.kernel_lock,
            on_cell=partial(progress.cell, run.name),
            on_text=partial(progress.output, run.name),
        )
    except ChapterFailed:
        if stopping.is_set():  # the build killed its kernel
            raise
        remove_records(output, run)
        if output.partial(slug).exists():
            os.replace(output.partial(slug), output.failed(slug))  # noqa: PTH105
        raise
    # A data set may have been downloaded meanwhile; its arrival is not a change.
    stamps.look_again()
    wanted["data"] = job.stamp(run)["data"]
    entry = {
        "stamp": wanted,
        "records": stamps.records(output, run),
        "pieces": manifest.pieces(output, run),
        "started": started,
        "seconds": round(seconds, 1),
        "peak_memory_mib": memory,
    }
    notebook.metadata[stamps.KEY] = entry
    write_atomically(output.notebook(slug), nbformat.writes(notebook))
    output.partial(slug).unlink(missing_ok=True)
    return entry


@dataclass
class Ended:
    """How one run ended: what its entry in the manifest has, and its failure if it failed."""

    run: Run
    status: str
    entry: dict[str, Any]
    failure: ChapterFailed | None = None


def _one(job: Job, run: Run, progress: Progress, stopping: Event) -> Ended:
    """Run or reuse one run."""
    causes = job.outdated(run)
    if causes == []:
        progress.skip(run.name)
        return Ended(run, "reused", stamps.read(job.output, run.slug))
    job.output.page.unlink(missing_ok=True)  # it would no longer be this build's
    progress.start(run.name, "runs" + ("" if causes is None else f" again, {why(causes)}"))
    started = manifest.now()
    try:
        entry = run_chapter(job, run, progress, stopping)
        progress.end(run.name, f"done, {entry['peak_memory_mib']} MiB,")
        return Ended(run, "done", entry)
    except ChapterFailed as failure:
        progress.end(run.name, "FAILED")
        entry = {
            "started": started,
            "seconds": round(failure.seconds, 1),
            "peak_memory_mib": failure.peak_memory_mib,
            "cell": failure.cell,
            "error": failure.error,
        }
        return Ended(run, "failed", entry, failure)


def side_by_side(job: Job, progress: Progress) -> Iterator[Ended]:
    """Run as many at once as the job says, the findings last; after a failure, begin no more."""
    stopping, left, under_way = Event(), job.runs(), dict[Future[Ended], Run]()
    pool = ThreadPoolExecutor(job.at_once)
    try:
        with contextlib.chdir(paths.PROJECT):  # as papermill does, for all threads
            while left or under_way:
                while len(under_way) < job.at_once and (run := _next(left, under_way.values())):
                    left.remove(run)
                    under_way[pool.submit(_one, job, run, progress, stopping)] = run
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    del under_way[future]
                    ended = future.result()
                    yield ended
                    if ended.failure and not job.keep_going:
                        left.clear()
    finally:
        stopping.set()
        pool.shutdown(wait=False, cancel_futures=True)
        kill_all()
        while wait(under_way, timeout=0.2).not_done:
            kill_all()  # a kernel that was just being started


def _next(left: list[Run], under_way: Collection[Run]) -> Run | None:
    """What begins next: if there is one, a run whose data, and so whose pieces, no other works on."""
    busy = {run.dataset for run in under_way}
    ready = [run for run in left if run.chapter != stamps.FINDINGS]
    if not ready and not under_way:
        ready = left
    return next((run for run in ready if run.dataset not in busy), next(iter(ready), None))


@contextmanager
def workers(job: Job) -> Iterator[Engine | None]:
    """Have the workers at hand that were asked for, if any; all kernels started meanwhile use them.

    Raises
    ------
    ParameterError
        If they do not fit.
    """
    if not (job.workers or job.cluster):
        yield None
        return
    from helpers.experiment import engine  # Dask takes a second

    with engine.local(job.workers) if job.workers else nullcontext(job.cluster) as address:
        try:
            asked = engine.Engine(address)
            asked.check(job.output.store)
        except EngineError as error:
            raise ParameterError(str(error)) from None
        try:
            # What notebooks compute themselves is done with as many threads as on the workers.
            with engine.environment(engine.ONE_THREAD | {SCHEDULER: asked.address}):
                yield asked
        finally:
            asked.close()
