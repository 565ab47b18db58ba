"""What a build found, as a person would tell it: computed from its records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from helpers.attacks import ATTACKS
from helpers.data import DATASETS
from helpers.evaluation.model_id import ORIGINAL, ModelId
from helpers.evaluation.record import FLOOR, WORST_RUNG, Record
from helpers.evaluation.statistics import Difference
from helpers.findings.evidence import Evidence
from helpers.findings.verdicts import ABSENT, FAILS, HOLDS, PARTLY, UNDECIDED, Verdict, gap, points
from helpers.rounding import percent

ATTACK = "bim"  # the strongest of the report's bounded attacks carries the story
LABEL = ATTACKS[ATTACK].label
HERE = "05_retraining"  # other chapters may retrain for fewer epochs


@dataclass(frozen=True)
class Story:
    """What one attack leaves of each defence, on one data set.

    Attributes
    ----------
    dataset, size
        Its name, and the number of the ensemble's members.
    undefended, transferred, attacked
        The original model attacked itself; the ensemble on the same images; the ensemble attacked
        itself.
    retrained
        The retrained model attacked itself: of the ways of retraining the one that keeps most.
    worst
        The ensemble where each image counts as right only if no attack of the ladder fools it.
    cost
        What the retraining changes on clean images.
    floors
        The ensemble, the retrained and the original model where everything that was tried counts, on
        fewer images.
    """

    dataset: str
    size: int
    undefended: Record
    transferred: Record
    attacked: Record
    retrained: Record | None
    worst: Record | None
    cost: Difference | None
    floors: tuple[Record | None, ...] = (None, None, None)

    @property
    def title(self) -> str:
        return title_of(self.dataset)

    @property
    def heading(self) -> str:
        """Of the page's first chart."""
        return f"{self.title}, {LABEL} with ε = {self.undefended.parameters['epsilon']:g}"

    @cached_property
    def falls(self) -> bool:
        """Whether the ensemble keeps less once it is attacked itself."""
        return gap(self.transferred, self.attacked).low > 0

    @cached_property
    def mostly_transfer(self) -> bool:
        """Whether most of what the ensemble seems to gain is gone once it is attacked itself."""
        before, seeming, after = (
            record.values["accuracy"]
            for record in (self.undefended, self.transferred, self.attacked)
        )
        return after - before < (seeming - before) / 2

    @cached_property
    def retraining_keeps_more(self) -> bool:
        pairs = [(self.attacked, self.retrained), self.floors[:2]]
        known = [(ensemble, model) for ensemble, model in pairs if ensemble and model]
        return self.retrained is not None and all(gap(model, e).low > 0 for e, model in known)

    @property
    def bars(self) -> list[tuple[str, Record]]:
        """What the page's first chart shows, from top to bottom."""
        named = [
            ("no defence", self.undefended),
            (f"ensemble of {self.size}, attacked through another model", self.transferred),
            ("the same ensemble, attacked itself", self.attacked),
            ("retrained model, attacked itself", self.retrained),
        ]
        return [(name, record) for name, record in named if record is not None]


def stories(evidence: Evidence) -> list[Story]:
    """Tell of each data set on which an ensemble was attacked; the report's order."""
    found = [_story(evidence, r.dataset, r.values["n_members"]) for r in evidence.find("bagging")]
    told = {story.dataset: story for story in found if story is not None}
    return [told[name] for name in sorted(told, key=place_of)]


def title_of(dataset: str) -> str:
    """What people call a data set; a file of a reader's own is called what it is."""
    return DATASETS[dataset].title if dataset in DATASETS else dataset


def place_of(dataset: str) -> tuple[int, str]:
    """Where a data set stands among others: the report's order, all others behind it."""
    names = list(DATASETS)
    return (names.index(dataset) if dataset in names else len(names)), dataset


def _story(evidence: Evidence, dataset: str, size: int) -> Story | None:
    ensemble, under = {"kind": "ensemble", "n_members": size}, {"under": ATTACK}
    both = evidence.pair(
        dataset, under | {"of": ensemble, "made_on": ORIGINAL}, under | {"of": ORIGINAL}
    )
    own = evidence.pair(dataset, under | {"of": ensemble}, under | {"of": ORIGINAL})
    if both is None or own is None:
        return None
    ways = [ModelId(kind="original", retrained_on=ATTACK, regenerate=w) for w in ("epoch", "batch")]
    kept = [evidence.accuracy(dataset, way, ATTACK, chapter=HERE) for way in ways]
    retrained = max(filter(None, kept), key=lambda r: r.values["accuracy"], default=None)
    here, cost = {"chapter": HERE}, None
    if retrained is not None:
        pair = evidence.pair(dataset, {"of": retrained.model} | here, {"of": ORIGINAL} | here)
        cost = gap(*pair) if pair else None
    epsilon = both[1].parameters["epsilon"]
    worst = evidence.accuracy(dataset, ensemble, ATTACK, rung=WORST_RUNG, epsilon=epsilon)
    floors = tuple(
        of and evidence.accuracy(dataset, of, "strongest", rung=FLOOR, epsilon=epsilon)
        for of in (ensemble, retrained and retrained.model, ORIGINAL)
    )
    return Story(dataset, size, both[1], both[0], own[0], retrained, worst, cost, floors)


def title(told: Sequence[Story]) -> str:
    """Say the finding in a sentence: what the numbers of all data sets support."""
    fall = bool(told) and all(story.falls for story in told)
    better = bool(told) and all(story.retraining_keeps_more for story in told)
    if fall:
        most = all(story.mostly_transfer for story in told)
        look = "Ensembles only look robust" if most else "Ensembles look more robust than they are"
        if better:
            return f"{look}; adversarial retraining protects more"
        return f"{look}, until they are attacked themselves" if most else look
    if better:
        return "Adversarial retraining protects more than an ensemble"
    return "How far ensembles and retraining protect image classifiers"


def headlines(records: Sequence[Record], verdicts: Sequence[Verdict]) -> list[str]:
    """Say what came out in three or four sentences, and what limits them.

    Parameters
    ----------
    records, verdicts
        Of one build, read with their arrays; and its judged claims.
    """
    evidence = Evidence(records).without_own_models()
    told = stories(evidence)
    said = [_ensemble(story) for story in told]
    if retrained := [_retraining(story) for story in told if story.retrained is not None]:
        said.append(f"Retraining on {LABEL} images, attacked itself: {'; '.join(retrained)}.")
    where = "On these stand-ins, of" if stand_ins(records) else "Of"
    return [*said, f"{where} {_verdicts(verdicts)}", " ".join(_limits(evidence, told))]


def _ensemble(story: Story) -> str:
    more = [f"{_share(story.worst)} by the worst of several ways"] if story.worst else []
    floor, undefended = story.floors[0], story.floors[2]
    beside = f", without a defence {_share(undefended)}" if floor and undefended else ""
    ways = _in_brackets(*more, _tried(floor) + beside)
    return (
        f"{story.heading}: without a defence "
        f"{_share(story.undefended)} of the images are still classified correctly. "
        f"An ensemble of {story.size} seems to keep {_share(story.transferred)}, as long as the "
        f"attacker works on another model. Attacked itself, it keeps {_share(story.attacked)}{ways}."
    )


def _retraining(story: Story) -> str:
    cost = f"on clean images {points(story.cost)} points" if story.cost else ""
    way, more = story.retrained.model.regenerate, _in_brackets(_tried(story.floors[1]), cost)
    return f"{_share(story.retrained)} on {story.title}, with new examples for each {way}{more}"


def _tried(floor: Record | None) -> str:
    if not floor:
        return ""
    return f"{_share(floor)} of {floor.values['n']:,} images under everything that was tried"


def _in_brackets(*parts: str) -> str:
    said = "; ".join(filter(None, parts))
    return f" ({said})" if said else ""


def _share(record: Record) -> str:
    return percent(record.values["accuracy"])


def _verdicts(verdicts: Sequence[Verdict]) -> str:
    words = {
        HOLDS: ("holds", "hold"),
        PARTLY: ("holds under one reading only", "hold under one reading only"),
        FAILS: ("does not hold", "do not hold"),
        UNDECIDED: ("is not decided by what was run", "are not decided by what was run"),
        ABSENT: ("cannot be tested here",) * 2,
    }
    counts = {name: sum(v.verdict == name for v in verdicts) for name in words}
    told = ", ".join(f"{n} {words[name][n > 1]}" for name, n in counts.items() if n)
    return f"the report's {len(verdicts)} claims, {told}."


def _limits(evidence: Evidence, told: Sequence[Story]) -> Iterator[str]:
    """Say what the numbers do not say."""
    seeds = {r.model.training_seed for r in evidence.find("repeat")}
    trained = "Each model was trained once"
    if len(seeds) > 1:
        trained = f"Models were trained from one to {len(seeds)} seeds"
    sizes = sorted({story.undefended.values["n"] for story in told})
    if sizes:
        images = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
        yield f"{trained} and tested on {images} images, by slow attacks on fewer."
    yield "The report does not give its ε; ours is named with each number."
    checks = evidence.find("sanity")
    compared = sum(check.values["compared"] for check in checks)
    found = sum(len(check.values["warnings"]) for check in checks)
    if compared:
        yield (
            f"{compared:,} checks looked for signs of broken attacks and found {found or 'none'}."
        )


def stand_ins(records: Sequence[Record]) -> str:
    """Say which data sets are not the report's own; empty if all are."""
    found = sorted({r.dataset for r in records if r.dataset in DATASETS})
    pairs = {name: DATASETS[name].stands_in_for for name in found if DATASETS[name].stands_in_for}
    if not pairs:
        return ""
    named = ", ".join(f"{name} for {DATASETS[role].title}" for name, role in pairs.items())
    return (
        f"Stand-ins were used: {named}. They show that the experiments run, and how. They say nothing "
        "about the report's own data."
    )
