"""The report's claims (data/claims.yaml), judged by the records of a build."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import yaml

from helpers.evaluation.model_id import ORIGINAL
from helpers.evaluation.record import Record
from helpers.experiment.provenance import git
from helpers.findings.gathering import Gathered
from helpers.findings.special import COMPARISONS
from helpers.findings.verdicts import Claim, Part, Reading, Verdict, corrected
from helpers.paths import PROJECT

FILE = PROJECT / "data" / "claims.yaml"
REPORT_MEMBERS = 10  # of the report's largest ensemble
WORDS = {
    "datasets", "a", "b", "c", "d", "each", "any", "is", "unit", "join", "members", "trainings",
    "epsilons", "needs", "label", "says", "judge", "table", "by_size", "secondary", "matters", "wanted",
    "plan",
}  # fmt: skip
NEEDS = {
    "n_members": "an ensemble of {least:g}; here are {there:g}",
    "most_members": "{least:g} members; here are {there:g}",
    "clean": "an original model with {least:.1%} of the clean images right; here are {there:.1%}",
}


@cache
def content() -> dict[str, Any]:
    """What the file holds: ``rules``, ``changed``, ``models`` and ``claims``."""
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


@cache
def read_claims() -> tuple[Claim, ...]:
    """Read the claims; TypeError or ValueError where one says what is not known here."""
    found = tuple(
        Claim(**{k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()})
        for entry in content()["claims"]
    )
    for claim in found:
        for test in claim.tests:
            unknown = {*test} - WORDS or {test.get("judge", "contrast")} - COMPARISONS.keys()
            if unknown := unknown or {*test.get("needs", {})} - NEEDS.keys():
                raise ValueError(f"{FILE.name}, {claim.name}: {', '.join(unknown)} is not known")
    return found


def criteria_revision() -> str:
    """Say which revision of the criteria is in force: of git, and a digest of the file itself."""
    digest = hashlib.sha256(FILE.read_bytes()).hexdigest()[:12]
    revision = git("log", "-1", "--format=%h of %cs", "--", str(FILE))
    if not revision:
        return f"SHA-256 {digest}"
    changed = " (changed since)" if git("diff", "HEAD", "--", str(FILE)) else ""
    return f"revision {revision}{changed}, SHA-256 {digest}"


def judge_all(records: Sequence[Record]) -> list[Verdict]:
    """Judge every claim by the records of a build, read with their arrays; corrected together."""
    evidence = Gathered(records).without_own_models()
    return corrected(judge(claim, evidence) for claim in read_claims())


def published(verdicts: Sequence[Verdict]) -> Iterator[dict[str, Any]]:
    """Give what of a judgement is published: a record for each reading, for who recomputes it."""
    for verdict in verdicts:
        for number, part in enumerate(verdict.parts):
            for way, reading in enumerate(part.readings):
                about = {"claim": verdict.claim.name, "part": number, "reading": way}
                found = {"absent": reading.absent, "lacks": reading.lacks, "says": reading.says}
                found |= {"verdict": reading.verdict, "of_claim": verdict.verdict}
                told = [e.told | {"adjusted": e.adjusted} for e in reading.estimates]
                yield {
                    "dataset": part.dataset,
                    "parameters": about,
                    "values": found | {"numbers": told},
                }


def judge(claim: Claim, evidence: Gathered) -> Verdict:
    """Judge a claim by what was measured, by itself: all its parts must hold."""
    return Verdict(
        claim, tuple(part for test in claim.tests for part in _parts(claim, test, evidence))
    )


def _parts(claim: Claim, test: Mapping[str, Any], evidence: Gathered) -> Iterator[Part]:
    """Judge one test on each data set of the report; beside it a stand-in has nothing to say."""
    for role in test.get("datasets", claim.datasets):
        for dataset in evidence.standing_for(role):
            part = _part(claim, test, evidence, dataset)
            if (
                part is None
                and not test.get("secondary")
                and evidence.accuracies(dataset, ORIGINAL)
            ):
                part = Part(dataset, (Reading("", lacks="a chapter that measures it"),))
            if part:
                yield part
                if dataset == role:
                    break


def _part(claim: Claim, test: Mapping[str, Any], evidence: Gathered, dataset: str) -> Part | None:
    """Judge one test on one data set, in each of its readings."""
    values = {name: content()[name] for name in ("rules", "models")} | run_of(evidence, dataset)
    values |= {"matters": test.get("matters", claim.matters), "wanted": test.get("wanted")}
    secondary = test.get("secondary", False)
    if lacks := _unmet(evidence, dataset, test, values):
        return Part(dataset, (Reading("", lacks=f"needs {lacks}", absent=True),), secondary)
    compare = COMPARISONS[test.get("judge", "contrast")]
    readings = [compare(evidence, dataset, test, values | one) for one in test.get("any", [{}])]
    readings = tuple(filter(None, readings))
    return Part(dataset, readings, secondary) if readings else None


def _unmet(evidence: Gathered, dataset: str, test: Mapping, values: Mapping) -> str:
    """Say what a test needs and has not; empty if it has all, or if nothing was measured."""
    for name, least in test.get("needs", {}).items():
        if name == "clean":
            found = evidence.accuracies(dataset, ORIGINAL)
            there = max((r.values["accuracy"] for r in found), default=None)
        else:
            there = values[name]
        if there is not None and there < least:
            return NEEDS[name].format(least=least, there=there)
    return ""


def run_of(evidence: Gathered, dataset: str) -> dict[str, int | None]:
    """Values of the run of bagging on a data set, which tests speak of; None without one."""
    about = evidence.one("bagging", dataset=dataset)
    if about is None:
        return dict.fromkeys(("n_members", "most_members", "member", "other", "report_members"))
    size, member = about.values["n_members"], about.values["member"]
    return {
        "n_members": size,
        "most_members": about.values.get("most_members", size),
        "member": member,
        "other": 2 if member == 1 else 1,
        "report_members": min(size, REPORT_MEMBERS),
    }
