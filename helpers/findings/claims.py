"""The report's claims (data/claims.yaml), judged by the records of a build."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import yaml

from helpers.evaluation.record import Record
from helpers.findings.comparisons import COMPARISONS
from helpers.findings.evidence import Evidence
from helpers.findings.verdicts import ABSENT, Claim, Part, Verdict, best, worst
from helpers.paths import PROJECT

FILE = PROJECT / "data" / "claims.yaml"
REPORT_MEMBERS = 10  # of the report's largest ensemble
WORDS = {
    "datasets", "a", "b", "each", "any", "is", "unit", "over", "needs", "least_images", "fails_from",
    "label", "says", "judge", "table", "by_size",
}  # fmt: skip


@cache
def _content() -> dict[str, Any]:
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


@cache
def read_claims() -> tuple[Claim, ...]:
    """Read the claims; TypeError or ValueError where one says what is not known here."""
    found = tuple(
        Claim(**{k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()})
        for entry in _content()["claims"]
    )
    for claim in found:
        for test in claim.tests:
            if unknown := {*test} - WORDS or {test.get("judge", "gaps")} - COMPARISONS.keys():
                raise ValueError(f"{FILE.name}, {claim.name}: {', '.join(unknown)} is not known")
    return found


def judge_all(records: Sequence[Record]) -> list[Verdict]:
    """Judge every claim by the records of a build, read with their arrays."""
    evidence = Evidence(records).without_own_models()
    return [judge(claim, evidence) for claim in read_claims()]


def judge(claim: Claim, evidence: Evidence) -> Verdict:
    """Judge a claim by what was measured: all its parts must hold."""
    parts = tuple(part for test in claim.tests for part in _parts(claim, test, evidence))
    return Verdict(claim, worst(part.verdict for part in parts), parts)


def _parts(claim: Claim, test: Mapping[str, Any], evidence: Evidence) -> Iterator[Part]:
    """Judge one test on each data set of the report; beside it a stand-in has nothing to say."""
    for role in test.get("datasets", claim.datasets):
        for dataset in evidence.standing_for(role):
            part = _part(claim, test, evidence, dataset)
            if part:
                yield part
                if dataset == role:
                    break


def _part(claim: Claim, test: Mapping[str, Any], evidence: Evidence, dataset: str) -> Part | None:
    """Judge one test on one data set, in each of its readings."""
    values = {"matters": claim.matters, "models": _content()["models"]} | _run(evidence, dataset)
    for name, least in test.get("needs", {}).items():
        if values[name] is not None and values[name] < least:
            text = f"needs at least {least} members; here are {values[name]}"
            return Part(dataset, ABSENT, text)
    compare = COMPARISONS[test.get("judge", "gaps")]
    readings = []
    for reading in test.get("any", [{}]):
        readings += compare(evidence, dataset, test, values | reading)
    if not readings:
        return None
    texts = dict.fromkeys(reading.text for reading in readings)
    return Part(dataset, best(r.verdict for r in readings), "; ".join(texts), tuple(readings))


def _run(evidence: Evidence, dataset: str) -> dict[str, int | None]:
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
