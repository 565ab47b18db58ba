"""What a build found, in a few sentences that are computed from its records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from helpers.data import DATASETS
from helpers.evaluation import Record, plain, select
from helpers.experiment.ladder import WORST_RUNG
from helpers.figures import ATTACK_NAMES
from helpers.findings.reported import PER_BATCH, kept_note
from helpers.findings.verdicts import VERDICTS, Verdict, first, gap, points


def headlines(records: Sequence[Record], verdicts: Sequence[Verdict]) -> list[str]:
    """Say what came out: the verdicts, what is left of each defence, and how sound the evaluation is.

    Parameters
    ----------
    records, verdicts
        Of one build, read with their arrays; and its judged claims.
    """
    said = [_verdicts(verdicts), *_clean(records)]
    datasets = dict.fromkeys(record.dataset for record in select(records, quantity="bagging"))
    for dataset in datasets:
        said += _ensemble(select(records, dataset=dataset, chapter="04_ensembles"), dataset)
        said += _retraining(select(records, dataset=dataset, chapter="05_retraining"), dataset)
    said += _soundness(records)
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


def _clean(records: Sequence[Record]) -> Iterator[str]:
    parts = []
    for chapter in ("02_models", "06_tiny_imagenet"):
        found = select(
            records, chapter=chapter, quantity="accuracy", model="original", attack="none"
        )
        parts += [
            f"{dataset} {_percent(first(found, dataset=dataset))} of "
            f"{first(found, dataset=dataset).values['n']:,}"
            for dataset in dict.fromkeys(record.dataset for record in found)
        ]
    if parts:
        yield f"Clean test images that the original models get right: {', '.join(parts)}."


def _percent(record: Record) -> str:
    return f"{100 * record.values['accuracy']:.1f} %"


def _ensemble(records: Sequence[Record], dataset: str) -> Iterator[str]:
    about = first(records, quantity="bagging")
    if about is None:
        return
    size, attack = about.values["n_members"], "bim"
    alone = first(records, model="original", attack=attack, source="original")
    made = {"n_members": size, "made_on": "original", "vote": "mean"}
    transfer = first(records, model="ensemble", attack=attack, **made)
    own = first(records, model="ensemble", attack=attack, white_box=True)
    if None in (alone, transfer, own):
        return
    worst = first(records, model="ensemble", attack=attack, rung=WORST_RUNG)
    more = (
        f", and if every {ATTACK_NAMES[attack]} of its ladder counts, on {_percent(worst)}"
        if worst
        else ""
    )
    yield (
        f"{dataset}, {ATTACK_NAMES[attack]} at ε = {alone.parameters['epsilon']:g}: the original model "
        f"is right on {_percent(alone)}. On the same images the ensemble of {size} is right on "
        f"{_percent(transfer)}; when the ensemble itself is attacked, on {_percent(own)}{more}."
    )


def _retraining(records: Sequence[Record], dataset: str) -> Iterator[str]:
    attack, note = "bim", kept_note(records, ["bim"])
    records = plain(records)
    name = ATTACK_NAMES[attack]
    before, clean = (first(records, model="original", attack=a) for a in (attack, "none"))
    ways = []
    for way, words in (("", "for each epoch"), (PER_BATCH, "for each batch")):
        model = f"retrained {attack}{way}"
        after = first(records, model=model, attack=attack, source=model)
        still = first(records, model=model, attack="none")
        if None not in (before, clean, after, still):
            ways.append(
                f"to {_percent(after)} with examples made {words} (clean accuracy "
                f"{points(gap(still, clean))} points)"
            )
    if ways:
        yield (
            f"{dataset}, retraining on {name}: accuracy under {name} made on the tested model goes "
            f"from {_percent(before)} {', '.join(ways)}. {note}".strip()
        )


def _soundness(records: Sequence[Record]) -> Iterator[str]:
    checks = select(records, quantity="validity")
    compared = sum(check.values["compared"] for check in checks)
    found = sum(len(check.values["warnings"]) for check in checks)
    if compared:
        yield Markup(
            "Checks for signs of a broken evaluation looked at {} cases; they found {} "
            '(<a href="#table-08-6">Table 08.6</a>).'
        ).format(f"{compared:,}", found or "none")
