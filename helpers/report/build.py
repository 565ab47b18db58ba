"""A build: run what is not there yet, keep the manifest, stitch and check the page."""

from __future__ import annotations

import contextlib
import errno
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TextIO

from helpers.files import write_atomically
from helpers.parameters import ParameterError
from helpers.profiles import Run
from helpers.report import manifest, running, stamps
from helpers.report.kernel import ChapterFailed, split_off
from helpers.report.output import KERNELS, locked, read_manifest
from helpers.report.owned import clear, remove_left_overs, remove_run
from helpers.report.plan import Job, why
from helpers.report.progress import Progress, duration
from helpers.vocabulary import CHAPTERS

DONE, FAILED = 0, 1


class Stopped(KeyboardInterrupt):
    """A signal asked the build to end."""

    def __init__(self, number: int):
        super().__init__()
        self.number = number


@contextmanager
def _signals() -> Iterator[None]:
    """Let a request to end unwind the stack, so that the kernel is stopped too."""

    def stop(number, frame):
        raise Stopped(number)

    numbers = [signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)]
    previous = {}
    for number in numbers:
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup and `&` stay as they were
            previous[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


Write = Callable[[], None]  # of the manifest, as it then stands


def _told(entry: dict[str, Any] | None) -> dict[str, Any]:
    names = ("started", "seconds", "peak_memory_mib", "records", "pieces")
    return {key: (entry or {}).get(key) for key in names}


def _execute_all(
    job: Job, record: dict[str, Any], past: dict[str, float], write: Write, stream: TextIO
) -> dict[str, ChapterFailed]:
    """Run or reuse every selected run; returns the failures, by slug."""
    runs, failures = job.runs(), {}
    for run in runs:
        causes = job.outdated(run)
        if run.chapter != stamps.FINDINGS and causes == []:
            past[run.name] = 0.0
    progress = Progress([run.name for run in runs], past, stream, job.at_once)
    all_ended = running.side_by_side(job, progress)
    with contextlib.closing(progress), contextlib.closing(all_ended):
        for ended in all_ended:
            run, entry = ended.run, ended.entry
            if ended.failure:
                failures[run.slug] = ended.failure
                progress.say(_failure_text(job, run, ended.failure))
            extra = {key: entry[key] for key in ("cell", "error") if key in entry}
            told = manifest.run_entry(run, ended.status, **_told(entry), **extra)
            record["runs"][run.slug] = told
            record["datasets"] = manifest.datasets(job.output, job.profile.runs)
            write()
    return failures


def _failure_text(job: Job, run: Run, failure: ChapterFailed) -> str:
    notebook = job.output.failed(run.slug)
    place = notebook if notebook.exists() else job.output.log(run.slug)
    error = "\n".join(f"    {line}" for line in failure.error.splitlines())
    return (
        f"{run.name} failed at {failure.cell}\n{error}\n"
        f"  executed notebook: {place}\n  log: {job.output.log(run.slug)}"
    )


def stitch_page(job: Job, record: dict[str, Any], failures: dict[str, ChapterFailed]) -> list[str]:
    """Write the page from what is there; returns the problems that keep it from being written."""
    from helpers.evaluation.records import read_table
    from helpers.report import chapters, check, stitch  # nbconvert takes seconds to import
    from helpers.report.mathml import FormulaError

    parts, absent, problems = [], [], []
    for run in job.profile.runs:
        failure, causes = failures.get(run.slug), job.outdated(run)
        if failure is not None:
            parts.append(chapters.failed_chapter(run, failure.cell, failure.error))
        elif causes == []:
            try:
                parts.append(chapters.read_chapter(run, job.output.notebook(run.slug)))
            except FormulaError as error:
                problems.append(str(error))
        else:
            absent.append((run.name, why(causes)))
    if problems:
        job.output.rejected.unlink(missing_ok=True)
        return problems
    # Of what stands on the page only: the folder may hold records of runs that are outdated.
    tables = sorted(job.output.records(part.run) for part in parts if not part.failed)
    records = [record for table in tables if table.is_file() for record in read_table(table)]
    html = stitch.build_page(parts, record, absent, records, job.output.folder)
    whole = not failures and not absent
    whole = whole and {part.run.chapter for part in parts} >= set(CHAPTERS)
    problems = check.check_page(html, expected=check.REPORT_ITEMS if whole else ())
    write_atomically(job.output.rejected if problems else job.output.page, html)
    if not problems:
        job.output.rejected.unlink(missing_ok=True)
    return problems


def _begin(job: Job, record: dict[str, Any]) -> dict[str, float]:
    """Clean the folder as far as asked, and write the first manifest; returns past times."""
    remove_left_overs(job.output)
    before = read_manifest(job.output) or {}
    earlier = before.get("runs", {})
    past = {
        entry["name"]: entry["seconds"]
        for entry in earlier.values()
        if entry.get("seconds") and entry["status"] != "failed"
    }
    slugs = {run.slug for run in job.profile.runs}
    if job.fresh and before:
        clear(job.output, slugs | set(earlier))
    else:  # an interrupted build took its time too
        record["spent_seconds"] = before.get("spent_seconds", 0.0)
    for slug in set(earlier) - slugs:  # the findings must not read what the profile dropped
        remove_run(job.output, slug)
    for run in job.profile.runs:
        kept = _told(stamps.read(job.output, run.slug) or {"seconds": past.get(run.name)})
        record["runs"][run.slug] = manifest.run_entry(run, "waiting", **kept)
    manifest.write(job.output, record)
    return past


def _writer(job: Job, record: dict[str, Any]) -> Write:
    """Write the manifest with the time spent up to then."""
    before, begun = record["spent_seconds"], time.monotonic()

    def write() -> None:
        record["spent_seconds"] = round(before + time.monotonic() - begun, 1)
        manifest.write(job.output, record)

    return write


def build(job: Job, stream: TextIO) -> int:
    """Make the report.

    Parameters
    ----------
    job
        What to build.
    stream
        For the progress.

    Returns
    -------
    exit_code
        0 done; 1 if a chapter failed or the page did not pass its checks; 128 + the signal's number
        if a signal ended the build (130 for Ctrl-C).

    Raises
    ------
    ParameterError
        If another build is running in the output folder, or it cannot be written.
    """
    begun = time.monotonic()
    with locked(job.output), running.workers(job) as engine:
        record = manifest.start(job.profile)
        write: Write = partial(manifest.write, job.output, record)
        try:
            past = _begin(job, record)
            write = _writer(job, record)
            with _signals(), split_off(job.output.log(KERNELS)):
                failures = _execute_all(job, record, past, write, stream)
                if engine:
                    record["workers"] = engine.peak_memory()
                code = _finish(job, record, failures, write, stream)
        except KeyboardInterrupt as error:
            _close(job, record, "interrupted", write)
            stream.write("\nInterrupted. Finished chapters are kept: the same command goes on.\n")
            return 128 + getattr(error, "number", signal.SIGINT)
        except ParameterError:  # a data set that may no longer be read
            _close(job, record, "failed", write)
            raise
        except OSError as error:
            _close(job, record, "failed", write)
            stream.write(_stopped_text(job, error))
            return FAILED
    stream.write(f"Took {duration(time.monotonic() - begun)}.\n")
    return code


def _close(job: Job, record: dict[str, Any], status: str, write: Write) -> None:
    """Write the manifest's last state; on a full disk its copy gives the place for it."""
    if not record["runs"]:
        return  # nothing has begun, and what the earlier build's manifest says is still true
    record["status"], record["ended"] = status, manifest.now()
    try:
        write()
    except OSError:
        with contextlib.suppress(OSError):
            job.output.backup.unlink(missing_ok=True)
            write()


def _stopped_text(job: Job, error: OSError) -> str:
    where = error.filename or job.output.folder
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    cure = "free some space" if full else "put that right"
    return (
        f"\nThe build stopped: {error.strerror or error} ({where}). "
        f"Finished chapters are kept: {cure}, and the same command goes on.\n"
    )


def _finish(
    job: Job,
    record: dict[str, Any],
    failures: dict[str, ChapterFailed],
    write: Write,
    stream: TextIO,
) -> int:
    record["status"], record["ended"] = "failed" if failures else "done", manifest.now()
    for run in job.profile.runs:  # beside the selected ones, what else the page may show
        entry = record["runs"][run.slug]
        if entry["status"] == "waiting":
            entry["status"] = "kept" if job.outdated(run) == [] else manifest.LEFT_OUT
    if failures and not job.keep_going:
        write()
        stream.write(
            "No page was made. With --keep-going the other chapters are built, and a box "
            "stands in place of a failed one.\n"
        )
        return FAILED
    stream.write("Stitching the page\n")
    problems = stitch_page(job, record, failures)
    if problems:
        record["status"] = "failed"
        job.output.page.unlink(missing_ok=True)
        stream.write("The page does not pass its checks:\n")
        stream.writelines(f"  {problem}\n" for problem in problems)
        if job.output.rejected.exists():
            stream.write(f"It lies in {job.output.rejected}\n")
    elif failures:
        stream.write(f"INCOMPLETE, {len(failures)} failed: {', '.join(sorted(failures))}\n")
    write()
    return FAILED if problems or failures else DONE
