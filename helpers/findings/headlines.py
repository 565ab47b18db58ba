"""What a build found, in a few sentences that are computed from its records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from helpers.attacks import ATTACKS
from helpers.data import DATASETS
from helpers.evaluation.identity import ORIGINAL, ModelId
from helpers.evaluation.records import WORST_RUNG, Record
from helpers.findings.evidence import Evidence
from helpers.findings.reported import kept_note
from helpers.findings.verdicts import VERDICTS, Verdict, points


def headlines(records: Sequence[Record], verdicts: Sequence[Verdict]) -> list[str]:
    """Say what came out: the verdicts, what is left of each defence, and how sound the evaluation is.

    Parameters
    ----------
    records, verdicts
        Of one build, read with their arrays; and its judged claims.
    """
    evidence = Evidence(records)
    said = [_verdicts(verdicts), *_clean(evidence)]
    for about in evidence.find("bagging"):
        said += _ensemble(evidence, about.dataset, about.values["n_members"])
        said += _retraining(evidence, about.dataset)
    said += _soundness(evidence)
    return said


def stand_ins(records: Sequence[Record]) -> str:
    """Say which data sets are not the report's own; empty if all are."""
    found = sorted({r.dataset for r in records if r.dataset in DATASETS})
    pairs = {name: DATASETS[name].stands_in_for for name in found if DATASETS[name].stands_in_for}
    if not pairs:
        return ""
    named = ", ".join(f"{name} for {DATASETS[role].title}" for name, role in pairs.items())
    return (
        f"Stand-ins were used: {named}. What is measured on a stand-in shows that the experiment runs, "
        "and how; it is no evidence about the report's own data."
    )


def _verdicts(verdicts: Sequence[Verdict]) -> Markup:
    parts = []
    for verdict in VERDICTS:
        names = [v.claim.name for v in verdicts if v.verdict == verdict]
        if names:
            links = (Markup('<a href="#claim-{}">{}</a>').format(name, name) for name in names)
            words = Markup("<b>{}:</b> {} (").format(verdict, len(names))
            parts.append(words + Markup(", ").join(links) + ")")
    head = Markup("Of the report's {} claims, on the data of this build: ").format(len(verdicts))
    return head + Markup("; ").join(parts) + "."


def _clean(evidence: Evidence) -> Iterator[str]:
    parts = []
    for dataset in sorted({record.dataset for record in evidence.records}):
        found = evidence.accuracies(dataset, ORIGINAL)
        most = max(found, key=lambda record: record.values["n"], default=None)
        parts += [f"{dataset} {_percent(most)} of {most.values['n']:,}"] if most else []
    if parts:
        yield f"Clean test images that the original models get right: {', '.join(parts)}."


def _percent(record: Record) -> str:
    return f"{100 * record.values['accuracy']:.1f} %"


def _ensemble(evidence: Evidence, dataset: str, size: int) -> Iterator[str]:
    attack, label = "bim", ATTACKS["bim"].label
    ensemble = {"kind": "ensemble", "n_members": size}
    alone, on_original = {"of": ORIGINAL}, {"of": ensemble, "made_on": ORIGINAL}
    under = {"under": attack}
    both = evidence.pair(dataset, under | on_original, under | alone)
    own = evidence.pair(dataset, under | {"of": ensemble}, under | alone)
    if both is None or own is None:
        return
    transfer, alone = both
    epsilon = alone.parameters["epsilon"]
    worst = evidence.accuracy(dataset, ensemble, attack, rung=WORST_RUNG, epsilon=epsilon)
    more = f", and if every {label} of its ladder counts, on {_percent(worst)}" if worst else ""
    yield (
        f"{dataset}, {label} at ε = {epsilon:g}: the original model "
        f"is right on {_percent(alone)}. On the same images the ensemble of {size} is right on "
        f"{_percent(transfer)}; when the ensemble itself is attacked, on {_percent(own[0])}{more}."
    )


def _retraining(evidence: Evidence, dataset: str) -> Iterator[str]:
    attack, label = "bim", ATTACKS["bim"].label
    here = {"chapter": "05_retraining"}  # others may retrain for fewer epochs
    before, ways = evidence.accuracy(dataset, ORIGINAL, attack, **here), []
    for when in ("epoch", "batch"):
        retrained = ModelId(kind="original", retrained_on=attack, regenerate=when)
        after = evidence.accuracy(dataset, retrained, attack, **here)
        cost = evidence.gap(dataset, {"of": retrained} | here, {"of": ORIGINAL} | here)
        if None not in (before, after, cost):
            ways.append(
                f"to {_percent(after)} with examples made for each {when} (clean accuracy "
                f"{points(cost)} points)"
            )
    if ways:
        note = kept_note(evidence.find("history", dataset=dataset, **here), [attack])
        yield (
            f"{dataset}, retraining on {label}: accuracy under {label} made on the tested model goes "
            f"from {_percent(before)} {', '.join(ways)}. {note}".strip()
        )


def _soundness(evidence: Evidence) -> Iterator[str]:
    checks = evidence.find("sanity")
    compared = sum(check.values["compared"] for check in checks)
    found = sum(len(check.values["warnings"]) for check in checks)
    if compared:
        yield Markup(
            "Checks for signs of a broken evaluation looked at {} cases; they found {} "
            '(see <a href="#table-09-sanity">the sanity checks</a>).'
        ).format(f"{compared:,}", found or "none")
