"""A finished build becomes part of the project: page, records, tables, manifest, README's results."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from helpers import paths
from helpers.evaluation import Record, on_itself, plain, read_records, select
from helpers.files import write_atomically
from helpers.parameters import ParameterError
from helpers.profiles import load_profile
from helpers.report.manifest import run_entry
from helpers.report.output import Output, read_manifest

KEPT = ("report.html", "manifest.json", "records", "tables")
MOST_BYTES = 30_000_000
BEGIN, END = "<!-- results: written by build_report.sh --publish -->", "<!-- end of results -->"
LARGE = "06_tiny_imagenet"
COLUMNS = {"none": "clean", "fgsm": "FGSM", "bim": "BIM", "pgd": "PGD", "lbfgs": "L-BFGS"}


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
        its profile's or from files that are not committed; or it would take more than 30 MB.
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
    size = sum(p.stat().st_size for name in KEPT for p in _files(output.folder / name))
    if size > MOST_BYTES:
        raise ParameterError(
            f"--publish {folder}: {size / 1e6:.0f} MB, more than {MOST_BYTES / 1e6:.0f} MB"
        )
    target = (reports or paths.PROJECT / "reports") / manifest["profile"]
    part = target.with_name(f"{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for name in KEPT:
        source = output.folder / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, part / name)
    readme = readme or paths.PROJECT / "README.md"
    text = with_results(readme.read_text(), results(part))  # before anything is replaced
    former = target.with_name(f"{target.name}.former")
    shutil.rmtree(former, ignore_errors=True)
    if target.exists():
        target.rename(former)
    part.rename(target)
    write_atomically(readme, text)
    shutil.rmtree(former, ignore_errors=True)
    return target


def _files(path: Path) -> list[Path]:
    return [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]


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
    from helpers.claims import judge_all
    from helpers.headlines import headlines

    records = read_records(folder, arrays=True)
    manifest = read_manifest(Output(folder))
    lines = [
        "",
        f"Profile `{manifest['profile']}`, revision {manifest['revision']}, {manifest['started'][:10]}; "
        f"[page](reports/{manifest['profile']}/report.html). Accuracy in percent; attacks made on the "
        "tested model unless said.",
        "",
        "| data | model | ε | " + " | ".join(COLUMNS.values()) + " |",
        "|---|---|---:|" + "---:|" * len(COLUMNS),
    ]
    shown = select(records, quantity="bagging") + select(records, chapter=LARGE)
    for dataset in dict.fromkeys(r.dataset for r in shown):
        lines += [_row(dataset, name, found) for name, found in _models(records, dataset)]
    said = headlines(records, judge_all(records))
    lines += [
        "",
        *(f"* {getattr(text, 'striptags', lambda text=text: text)()}" for text in said),
        "",
    ]
    return "\n".join(lines) + "\n"


def _models(records: Sequence[Record], dataset: str):
    """Find the records of each model's row."""
    from helpers.figures import name_of
    from helpers.ladder import WORST_RUNG
    from helpers.reported import PER_BATCH, kept_first

    accuracies = select(records, dataset=dataset, quantity="accuracy")
    main = plain(accuracies)
    about = select(records, dataset=dataset, quantity="bagging")
    alone = "05_retraining" if about else LARGE
    single = select(on_itself(main), chapter=alone)
    rows = {"original": select(single, model="original")}
    if about:
        size = about[0].values["n_members"]
        held = select(main, chapter="04_ensembles", model="ensemble")
        transfer = {"n_members": size, "made_on": "original", "vote": "mean"}
        rows |= {
            f"ensemble of {size}, attack on original": select(held, **transfer),
            f"ensemble of {size}": select(held, white_box=True),
            f"ensemble of {size}, worst of its ladder": select(accuracies, rung=WORST_RUNG),
        }
    else:
        rows |= {
            "noise and subsampling": select(single, model="member 1"),
            "ensemble, attack on original": select(main, model="ensemble", vote="mean"),
            "ensemble": select(single, model="ensemble", white_box=True),
        }
    histories = select(records, dataset=dataset, chapter=alone)
    for model in (f"retrained {a}{way}" for way in ("", PER_BATCH) for a in ("fgsm", "bim", "pgd")):
        first = ", examples of the original" if kept_first(histories, model) else ""
        rows[name_of(model) + first] = select(single, model=model)
    for title, found in rows.items():
        if found:
            yield title, {r.attack: r for r in found if r.attack in COLUMNS}


def _row(dataset: str, title: str, found: dict[str, Record]) -> str:
    sizes = {r.parameters["epsilon"] for r in found.values() if "epsilon" in r.parameters}
    cells = [
        f"{100 * found[attack].values['accuracy']:.1f}" if attack in found else "–"
        for attack in COLUMNS
    ]
    epsilons = ", ".join(f"{e:g}" for e in sorted(sizes))
    return f"| {dataset} | {title} | {epsilons} | {' | '.join(cells)} |"
