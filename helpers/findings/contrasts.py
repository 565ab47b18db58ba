"""Sums and differences of accuracies, image by image, that are fair: same images, same ε, same tries.

A side of a comparison is a question to the evidence (who, under which attack, made on which model).
What answers it is gathered over trainings, over members where their number is left open, and over the ε
at which the attack was run. An ε counts where the attack is neither idle nor total: unless it leaves all
compared models more than `idle` of the original model's clean accuracy, or all less than `total`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from types import SimpleNamespace
from typing import Any

import numpy as np

from helpers.attacks import ATTACKS
from helpers.evaluation.model_id import ORIGINAL
from helpers.evaluation.record import Record
from helpers.findings.evidence import ITSELF
from helpers.findings.gathering import Gathered, is_open

TEAM = 3  # members from which on an ensemble counts as several trainings
# Parameters that say how many images a slow attack takes.
SHARES = ("lbfgs_n_test", "outside_n_test", "cw_n_test", "strong_n_test")
Draw = tuple[int, int]  # seed of the training, and number of the member where it is left open


@dataclass(frozen=True)
class Answer:
    """Which test images were attacked (their rows), which answers were right, and the record."""

    rows: np.ndarray
    right: np.ndarray
    record: Record


@dataclass(frozen=True)
class Contrast:
    """A difference, image by image.

    Attributes
    ----------
    matrix
        float (trainings, images): the mean over the ε that count, and have enough trainings.
    chosen
        These ε; None stands for attacks without a bound, and clean images.
    at
        The same at each ε that counts, however many trainings it has.
    last, last_at
        float (trainings, images): the last side alone, for relative gains; and at each ε.
    terms, terms_at, terms_last
        Where each comes from: for each training a sum, of weights and the records that they are of
        (several records: right in all of them).
    attacks
        Of which each image's worst was taken; empty where there was one.
    """

    matrix: np.ndarray
    chosen: Sequence[float | None]
    at: Mapping[float | None, np.ndarray]
    last: np.ndarray
    last_at: Mapping[float | None, np.ndarray]
    terms: list
    terms_at: Mapping[float | None, list]
    terms_last: list
    attacks: tuple[str, ...]


def images_of(evidence: Gathered, record: Record) -> tuple[tuple, np.ndarray]:
    """Name the population of test images that a record is of, and the rows that its attack took."""
    total = evidence.n_test(record.chapter, record.dataset)
    n, seed = len(record.arrays["correct"]), record.seed
    if getattr(record.model, "training_seed", -1) >= 0:
        seed = record.model.training_seed
    p = SimpleNamespace(seed=seed, **dict.fromkeys(SHARES, n))
    rows = np.arange(total)
    if n < total:
        rows = rows[ATTACKS[record.attack].rows(p, total)]
        rows = rows if len(rows) == n else np.arange(n)
    return (record.seed, evidence.population(record.chapter, record.dataset)), rows


def answers(
    evidence: Gathered, dataset: str, side: Mapping[str, Any]
) -> dict[tuple, dict[float | None, dict[str, dict[Draw, Answer]]]]:
    """Gather what answers one side: by population, ε, attack and draw."""
    about = dict(side)
    of, made_on = about.pop("of"), about.pop("made_on", ITSELF)
    attacks = about.pop("under", "none")
    found: dict = {}
    for attack in [attacks] if isinstance(attacks, str) else attacks:
        gathered = evidence.everywhere(dataset, of, attack, made_on, **about)
        for record in gathered if "chapter" in about else evidence.of_one_training(gathered):
            population, rows = images_of(evidence, record)
            epsilon = record.parameters.get("epsilon") if ATTACKS[attack].bounded else None
            seed = getattr(record.model, "training_seed", -1)
            k = (
                record.model.member if is_open(of)
                else record.made_on.member if is_open(made_on) and record.made_on else 0
            )  # fmt: skip
            draws = found.setdefault(population, {}).setdefault(epsilon, {}).setdefault(attack, {})
            answer = Answer(rows, record.arrays["correct"], record)
            draw = (seed if seed >= 0 else record.seed, k)
            draws[draw] = min(draws.get(draw, answer), answer, key=_strength)
    for draws in (d for by in found.values() for some in by.values() for d in some.values()):
        # L-BFGS takes other images for each seed: those of the first count.
        rows = draws[min(draws)].rows
        for draw in [d for d, answer in draws.items() if not np.array_equal(answer.rows, rows)]:
            del draws[draw]
    return found


def _strength(answer: Answer) -> tuple:
    """Of several ways to make one attack, more images count, and then the one that leaves least."""
    return -len(answer.right), answer.right.mean()


def contrast(
    evidence: Gathered,
    dataset: str,
    sides: Sequence[tuple[int, Mapping[str, Any]]],
    *,
    rules: Mapping[str, Any],
    members: bool = False,
) -> Contrast | None:
    """Add and subtract sides; None where one was not measured, or nowhere fairly.

    Parameters
    ----------
    sides
        A sign and a question each. A list of attacks as ``under`` asks for the worst of those that all
        sides were attacked by, on the images that all share.
    rules
        ``idle`` and ``total``, shares of the clean accuracy.
    members
        Whether members count as trainings.
    """
    found = [answers(evidence, dataset, side) for _, side in sides]
    populations = set.intersection(*(set(each) for each in found))
    made = [
        made
        for population in sorted(populations)
        if (made := _on(evidence, dataset, sides, [f[population] for f in found], rules, members))
    ]
    return max(made, key=lambda c: (len(c.matrix), len(c.at), c.matrix.shape[1]), default=None)


def _on(evidence, dataset, sides, found, rules, members) -> Contrast | None:
    """The contrast on one population of images."""
    sizes = [{e for e in each if e is not None} for each in found]
    bounded = [s for s in sizes if s]
    shared = sorted(set.intersection(*bounded) - {0.0}) if bounded else [None]
    clean = evidence.accuracy(dataset, ORIGINAL) if bounded else None
    cells: dict = {}
    for epsilon in shared:
        parts = [each.get(epsilon, each.get(None)) for each in found]
        if any(part is None for part in parts):
            continue
        cell = _cell(parts, [side.get("under", "none") for _, side in sides])
        if cell is None:
            continue
        if epsilon is not None and clean is not None:
            left = [
                np.mean([answer.right.mean() for answer in part.values()])
                for part, each in zip(cell[0], found, strict=True)
                if epsilon in each  # clean images, and attacks without a bound, are of no size
            ]
            whole = clean.values["accuracy"]
            if min(left) > rules["idle"] * whole or max(left) < rules["total"] * whole:
                continue
        cells[epsilon] = cell
    if not cells:
        return None
    of_cell = {epsilon: {*_draws(cell[0])} for epsilon, cell in cells.items()}
    # Beside models trained one by one, members are shared out: each of these is one training.
    apart = members and all(_is_several(side, True) for cell, _ in cells.values() for side in cell)

    def grouped(epsilons) -> list[list[Draw]]:
        groups: dict[Any, list[Draw]] = {}
        for seed, k in sorted(set.intersection(*(of_cell[e] for e in epsilons))):
            groups.setdefault((seed, k) if apart else seed, []).append((seed, k))
        return list(groups.values())

    # Where only some of the ε have enough trainings, these are tested; the others must not contradict.
    chosen, least = list(cells), rules.get("trainings", 1)
    if len(grouped(chosen)) < least:
        chosen = [e for e in cells if len(grouped([e])) >= least] or chosen
    groups = grouped(chosen)
    if not groups:
        return None

    def matrix(epsilons, groups, signs):
        """On the images that all sides have at these ε, the sides with these signs."""
        parts = [cells[e][0] for e in epsilons]
        draws = [draw for group in groups for draw in group]
        used = [_get(side, draw).rows for part in parts for side in part for draw in draws]
        rows = reduce(np.intersect1d, used)
        return np.array([
            np.mean([_sum(part, signs, draw, rows) for part in parts for draw in group], axis=0)
            for group in groups
        ])  # fmt: skip

    def told(epsilons, groups, signs) -> list:
        """Of each training its sum: weights, and the records that they are of."""
        return [
            [
                [sign / (len(epsilons) * len(group)), *_records(evidence, part, draw)]
                for e in epsilons
                for draw in group
                for sign, part in zip(signs, cells[e][0], strict=True)
                if sign
            ]
            for group in groups
        ]

    signs = [sign for sign, _ in sides]
    alone = [0] * (len(sides) - 1) + [1]  # the last side
    own = {e: each for e in cells if (each := grouped([e]))}
    made = matrix(chosen, groups, signs)
    if not made.shape[1]:
        return None
    return Contrast(
        made,
        chosen,
        {e: matrix([e], each, signs) for e, each in own.items()},
        matrix(chosen, groups, alone),
        {e: matrix([e], each, alone) for e, each in own.items()},
        told(chosen, groups, signs),
        {e: told([e], each, signs) for e, each in own.items()},
        told(chosen, groups, alone),
        tuple(dict.fromkeys(name for _, common in cells.values() for name in common)),
    )


def _cell(parts, under) -> tuple[list[dict[Draw, Any]], tuple[str, ...]] | None:
    """Of each side the answers by draw: under its one attack, or the worst of those that all share."""
    common: tuple[str, ...] = ()
    if any(not isinstance(names, str) for names in under):
        listed = [p for p, names in zip(parts, under, strict=True) if not isinstance(names, str)]
        common = tuple(n for n in listed[0] if all(n in part for part in listed))
        if not common:
            return None
    cell = []
    for part, names in zip(parts, under, strict=True):
        if isinstance(names, str):
            cell.append(part[names])
            continue
        draws = set.intersection(*(set(part[name]) for name in common))
        cell.append({draw: _worst([part[name][draw] for name in common]) for draw in draws})
    return cell, common


@dataclass(frozen=True)
class _Worst(Answer):
    records: tuple[Record, ...] = ()


def _worst(several: Sequence[Answer]) -> Answer:
    if len(several) == 1:
        return several[0]
    rows = several[0].rows
    for answer in several[1:]:
        rows = np.intersect1d(rows, answer.rows)
    right = np.all([_taken(answer, rows) for answer in several], axis=0)
    return _Worst(rows, right, several[0].record, tuple(a.record for a in several))


def _taken(answer: Answer, rows: np.ndarray) -> np.ndarray:
    return answer.right[np.searchsorted(answer.rows, rows)]


def _draws(cell: Sequence[Mapping[Draw, Answer]]) -> Iterator[Draw]:
    """Draws that all sides have; one that names no member serves for all, as an ensemble does.

    An ensemble, or members, are several trainings by themselves: trained once, an ensemble stands
    beside each training of the other sides, and each of these has members of its own: none counts twice.
    Of both the first seed counts; an ensemble without members beside it may have more.
    """
    members = sorted({k for side in cell for _, k in side if k} or {0})
    varied = [side for side in cell if not _is_several(side, members != [0])] or cell
    seeds = sorted(set.intersection(*({seed for seed, _ in side} for side in varied)))
    shared_out = len(varied) < len(cell) and members != [0]
    for place, k in enumerate(members):
        of_member = [seeds[place % len(seeds)]] if shared_out and seeds else seeds
        yield from ((s, k) for s in of_member if all(_find(side, (s, k)) for side in cell))


def _is_several(side: Mapping[Draw, Answer], beside_members: bool) -> bool:
    """Whether a side is several trainings by itself: members, or an ensemble that counts once."""
    once = len({seed for seed, _ in side}) == 1
    team = all(answer.record.model.n_members >= TEAM for answer in side.values())
    return all(k for _, k in side) or (team and (once or beside_members))


def _find(side: Mapping[Draw, Answer], draw: Draw) -> Answer | None:
    seed, k = draw
    if _is_several(side, bool(k)):
        seed = min(side)[0]
    return side.get((seed, k), side.get((seed, 0)))


def _get(side: Mapping[Draw, Answer], draw: Draw) -> Answer:
    answer = _find(side, draw)
    assert answer is not None  # draws are those that all sides have
    return answer


def _values(side, draw, rows) -> np.ndarray:
    return _taken(_get(side, draw), rows).astype(np.float64)


def _sum(parts, signs, draw, rows) -> np.ndarray:
    return sum(s * _values(part, draw, rows) for s, part in zip(signs, parts, strict=True))


def _records(evidence, side, draw) -> list[str]:
    answer = _get(side, draw)
    return [evidence.place(r) for r in getattr(answer, "records", ()) or (answer.record,)]
