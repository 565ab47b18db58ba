"""A finished build becomes part of the project: page, records, tables, manifest, README's results."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path

from helpers import paths
from helpers.attacks import ATTACKS
from helpers.evaluation.model_id import ORIGINAL, ModelId
from helpers.evaluation.record import WORST_RUNG, Record
from helpers.evaluation.records import read_records
from helpers.files import remove_if_empty, write_atomically
from helpers.findings.claims import judge_all
from helpers.findings.evidence import Evidence
from helpers.findings.headlines import headlines
from helpers.findings.reported import kept_first
from helpers.parameters import ParameterError
from helpers.profiles import load_profile
from helpers.report.manifest import run_entry
from helpers.report.output import Output, read_manifest
from helpers.report.owned import FILE, drawn, record_files
from helpers.rounding import rounded

MOST_BYTES = 30_000_000
BEGIN, END = "<!-- results: written by build_report.sh --publish -->", "<!-- end of results -->"
DRAWN = "drawn"  # in a published manifest: the files of its figures and tables
LARGE = "06_tiny_imagenet"
COLUMNS = ("none", "fgsm", "bim", "pgd", "lbfgs")


def publish(folder: Path, reports: Path | None = None, readme: Path | None = None) -> Path:
    """Copy a build to ``reports/<profile>``, and write its results into the README.

    Parameters
    ----------
    folder
        A build's folder; every run of its profile must be done.
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
    unfinished = [name for name, state in states.items() if state not in ("done", "reused", "kept")]
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
            f"{manifest['profile']!r}; publish what the profile alone makes, without --only and --set"
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
    text = with_results(
        readme.read_text(encoding="utf-8"), results(part)
    )  # before anything is replaced
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
        shown = [folder / name for name in listed]
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


def with_results(text: str, table: str) -> str:
    """Put the results between their marks in a text."""
    if BEGIN not in text or END not in text:
        raise ParameterError(f"the README has no place for the results: {BEGIN} ... {END}")
    return re.sub(
        f"{re.escape(BEGIN)}.*?{re.escape(END)}",
        lambda _: f"{BEGIN}\n{table}{END}",
        text,
        flags=re.S,
    )


def results(folder: Path) -> str:
    """Write the README's results from the records of a published build, as Markdown."""
    records = read_records(folder)
    manifest = read_manifest(Output(folder))
    lines = [
        "",
        f"Profile `{manifest['profile']}`, revision {manifest['revision']}, {manifest['started'][:10]}; "
        f"[page](reports/{manifest['profile']}/report.html).",
        "",
        *(f"* {getattr(text, 'striptags', lambda text=text: text)()}" for text in said(records)),
        "",
        "Accuracy in percent; attacks made on the tested model unless said:",
        "",
        *table(records),
        "",
    ]
    return "\n".join(lines) + "\n"


def said(records: Sequence[Record]) -> list[str]:
    """Say what came out, as the page's head does."""
    return headlines(records, judge_all(records))


def table(records: Sequence[Record]) -> list[str]:
    """List how often each main model is right, under attacks made on itself and on the original."""
    names = [ATTACKS[name].label if name != "none" else "clean" for name in COLUMNS]
    lines = [f"| data | model | ε | {' | '.join(names)} |", "|---|---|---:|" + "---:|" * len(names)]
    evidence = Evidence(records)
    shown = evidence.find("bagging") + evidence.find("accuracy", chapter=LARGE)
    for dataset in dict.fromkeys(record.dataset for record in shown):
        lines += [_row(dataset, name, found) for name, found in _models(evidence, dataset)]
    return lines


def _models(evidence: Evidence, dataset: str) -> Iterator[tuple[str, dict[str, Record]]]:
    """Find the accuracies of each row: of each model in one chapter, and so on the same images."""
    bagging = evidence.one("bagging", dataset=dataset)
    alone = {"chapter": "05_retraining" if bagging else LARGE}
    here = {"chapter": "04_ensembles" if bagging else LARGE}
    ensemble, size = {"kind": "ensemble"}, "ensemble"
    if bagging:
        ensemble["n_members"] = bagging.values["n_members"]
        size = f"ensemble of {bagging.values['n_members']}"
    rows = [
        ("original", ORIGINAL, alone),
        ("noise and subsampling", {"kind": "member", "member": 1}, alone),
        (f"{size}, attack on original", ensemble, here | {"made_on": ORIGINAL}),
        (size, ensemble, here),
        (f"{size}, worst of its ladder", ensemble, {"rung": WORST_RUNG}),
    ]
    histories = evidence.find("history", dataset=dataset, **alone)
    for when, attack in product(("epoch", "batch"), ("fgsm", "bim", "pgd")):
        first = ", examples of the original" if kept_first(histories, attack, when) else ""
        model = ModelId(kind="original", retrained_on=attack, regenerate=when)
        rows.append((f"{model}{first}", model, alone))
    for title, model, about in rows:
        found = {a: evidence.accuracy(dataset, model, a, **about) for a in COLUMNS}
        if any(found.values()):
            yield title, {attack: record for attack, record in found.items() if record}


def _row(dataset: str, title: str, found: Mapping[str, Record]) -> str:
    sizes = sorted({r.parameters["epsilon"] for r in found.values() if "epsilon" in r.parameters})
    cells = [rounded(100 * found[a].values["accuracy"]) if a in found else "–" for a in COLUMNS]
    return f"| {dataset} | {title} | {', '.join(f'{e:g}' for e in sizes)} | {' | '.join(cells)} |"
