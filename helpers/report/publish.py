"""A finished build becomes part of the project: page, records, tables, manifest, README's results."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from helpers import paths
from helpers.evaluation.records import read_records
from helpers.files import remove_if_empty, write_atomically
from helpers.findings.claims import judge_all
from helpers.findings.evidence import Evidence
from helpers.findings.headlines import headlines, stories
from helpers.parameters import ParameterError
from helpers.profiles import load_profile
from helpers.report import drawings
from helpers.report.manifest import LEFT_OUT, run_entry
from helpers.report.output import Output, read_manifest
from helpers.report.owned import FILE, drawn, record_files

MOST_BYTES = 30_000_000
BEGIN, END = "<!-- results: written by build_report.sh --publish -->", "<!-- end of results -->"
DRAWN = "drawn"  # in a published manifest: the files of its figures and tables
PICTURE = "results.svg"  # of a published build, for the README


def publish(folder: Path, reports: Path | None = None, readme: Path | None = None) -> Path:
    """Copy a build to ``reports/<profile>``, and write its results into the README.

    Parameters
    ----------
    folder
        A build's folder; every run of its profile must be done, or left out by ``--only``.
    reports, readme
        Where to (None: the project's own).

    Returns
    -------
    target

    Raises
    ------
    ParameterError
        If no build wrote the folder; it is not finished, has no page, was made with other values than
        its profile's or from files that are not committed; it would take more than 30 MB; or what it
        would replace holds a file that publishing did not write.
    """
    output = Output(folder.resolve())
    manifest = read_manifest(output)
    if manifest is None:
        raise ParameterError(f"--publish {folder}: no build wrote this folder")
    states = {run["name"]: run["status"] for run in manifest["runs"].values()}
    ready = ("done", "reused", "kept", LEFT_OUT)
    unfinished = [name for name, state in states.items() if state not in ready]
    if manifest["status"] != "done" or unfinished or not output.page.is_file():
        raise ParameterError(
            f"--publish {folder}: this build is not finished ({manifest['status']}; "
            f"{', '.join(unfinished) or 'no page'}); run it to its end first"
        )
    found = {run["name"]: run["parameters"] for run in manifest["runs"].values()}
    profile = load_profile(manifest["profile"])
    wanted = {run.name: run_entry(run, "")["parameters"] for run in profile.runs}
    if found != wanted:
        other = [
            name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name)
        ]
        raise ParameterError(
            f"--publish {folder}: {', '.join(sorted(other))} differ from the profile "
            f"{manifest['profile']!r}; publish what the profile makes, without --set"
        )
    if "modified" in (manifest["revision"] or "modified"):
        raise ParameterError(
            f"--publish {folder}: made from files that are not committed; commit them and build again"
        )
    written = _written(output.folder)
    size = sum(path.stat().st_size for path in written)
    if size > MOST_BYTES:
        raise ParameterError(
            f"--publish {folder}: {size / 1e6:.0f} MB, more than {MOST_BYTES / 1e6:.0f} MB"
        )
    target = (reports or paths.PROJECT / "reports") / manifest["profile"]
    part, former = (target.with_name(f"{target.name}.{end}") for end in ("part", "former"))
    for path in (target, part, former):
        _refuse_foreign(path)
    _remove(part)
    for path in written:
        copy = part / path.relative_to(output.folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
    shown = [path.relative_to(output.folder).as_posix() for path in written]
    listed = {DRAWN: [name for name in shown if name.startswith(("figures/", "tables/"))]}
    write_atomically(part / "manifest.json", json.dumps(manifest | listed, indent=1) + "\n")
    readme = readme or paths.PROJECT / "README.md"
    found, picture = results(part)
    write_atomically(part / PICTURE, picture)
    text = with_results(readme.read_text(encoding="utf-8"), found)  # before anything is replaced
    _remove(former)
    if target.exists():
        target.rename(former)
    part.rename(target)
    write_atomically(readme, text)
    _remove(former)
    return target


def _written(folder: Path) -> list[Path]:
    """List the files of a build, or of a published one, that publishing copies and may remove."""
    output = Output(folder)
    manifest = read_manifest(output) or {"runs": {}}
    runs = manifest["runs"]
    records = [folder / "records" / name for run in runs.values() for name in record_files(run)]
    if DRAWN in manifest:  # published: the notebooks stayed behind
        listed = [n for n in manifest[DRAWN] if re.fullmatch(rf"(?:figures|tables)/{FILE}", str(n))]
        shown = [folder / name for name in (*listed, PICTURE)]
    else:
        found = {path for slug in runs for path in drawn(output, output.notebook(slug))}
        shown = sorted(path for path in found if path.is_file())
    return [output.page, output.manifest, *records, *shown]


def _refuse_foreign(folder: Path) -> None:
    """Refuse to replace a folder that holds more than publishing wrote."""
    written = set(_written(folder))
    foreign = [path for path in sorted(folder.rglob("*")) if path.is_symlink() or not path.is_dir()]
    foreign = [path for path in foreign if path.is_symlink() or path not in written]
    if folder.is_symlink() or foreign:
        raise ParameterError(
            f"--publish: {folder} would be replaced, but publishing did not write "
            f"{foreign[0].relative_to(folder) if foreign else 'this link'}; move it elsewhere, then "
            "publish again"
        )


def _remove(folder: Path) -> None:
    """Remove a published folder; what is not publishing's own keeps its place."""
    for path in _written(folder):
        path.unlink(missing_ok=True)
    for place in (*(folder / name for name in ("records", "figures", "tables")), folder):
        remove_if_empty(place)


def with_results(text: str, found: str) -> str:
    """Put the results between their marks in a text."""
    if BEGIN not in text or END not in text:
        raise ParameterError(f"the README has no place for the results: {BEGIN} ... {END}")
    return re.sub(
        f"{re.escape(BEGIN)}.*?{re.escape(END)}",
        lambda _: f"{BEGIN}\n{found}{END}",
        text,
        flags=re.S,
    )


def results(folder: Path) -> tuple[str, str]:
    """Write the README's results from the records of a published build.

    Returns
    -------
    text, picture
        What was found and its limits, as Markdown; the page's first chart as an SVG file.
    """
    records = read_records(folder)
    manifest = read_manifest(Output(folder))
    charts = [(story.heading, story.bars) for story in stories(Evidence(records))]
    place = f"reports/{manifest['profile']}"
    absent = [run["name"] for run in manifest["runs"].values() if run["status"] == LEFT_OUT]
    without = f" Not in it: {', '.join(absent)}." if absent else ""
    said = ". ".join(drawings.in_words(bars, heading) for heading, bars in charts)
    lines = [
        "",
        f"Profile `{manifest['profile']}`, revision {manifest['revision']}, {manifest['started'][:10]}; "
        f"[page]({place}/report.html).{without}",
        "",
        *(
            f"* {getattr(sentence, 'striptags', lambda sentence=sentence: sentence)()}"
            for sentence in headlines(records, judge_all(records))
        ),
        "",
        "Images still classified correctly under attack, with 95 % intervals:",
        "",
        f'<img src="{place}/{PICTURE}" alt="{said}">',
        "",
    ]
    return "\n".join(lines) + "\n", drawings.picture(charts)
