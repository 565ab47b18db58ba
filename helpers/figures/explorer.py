"""What a reader can explore: a dozen test images, attacked, with a model's answers to them.

A chapter stores one output: the data as JSON, for the page's explorer, and the same images as a gallery
that needs no script. Both come from what the chapter has scored; no attack is run for them.
"""

from __future__ import annotations

import base64
import html
import json
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from IPython.display import HTML, display
from PIL import Image
from scipy.special import softmax

from helpers.attacks import ATTACKS
from helpers.evaluation.model_id import ORIGINAL
from helpers.evaluation.record import Record, select
from helpers.figures.svg import webp

if TYPE_CHECKING:
    from helpers.experiment.experiment import Experiment
    from helpers.experiment.subjects import Images, Subject

EXPLORED = ("fgsm", "bim", "lbfgs")
DOZEN = 12
NUMBERS = 50_000  # in all clean images at most: a dozen of 32 x 32 x 3, four of 64 x 64 x 3


def chosen(y: np.ndarray, first: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Choose the images: one of each class in turn, those in `first` before all others.

    The choice depends on no model and no attack, so that every chapter on the data makes the same one.

    Parameters
    ----------
    y
        Labels of all test images.
    first
        Rows that every attack was made on.
    shape
        Of an image; the larger it is, the fewer are taken, down to none.

    Returns
    -------
    rows
        int (at most 12,), in the order of their classes.
    """
    n = min(DOZEN, NUMBERS // int(np.prod(shape)))
    others = np.setdiff1d(np.arange(len(y)), first)
    turns: list[tuple[int, int, int]] = []
    for place, rows in enumerate((first, others)):
        met: dict[int, int] = {}
        for row in rows:
            turn = met[int(y[row])] = met.get(int(y[row]), -1) + 1
            turns.append((place, turn, int(row)))
    rows = [row for *_, row in sorted(turns, key=lambda t: (t[0], t[1], y[t[2]], t[2]))[:n]]
    return np.array(sorted(rows, key=lambda row: (y[row], row)), int)


def explored(experiment: Experiment, records: Sequence[Record], subject: Subject) -> dict[str, Any]:
    """Gather what the explorer needs of one model.

    Parameters
    ----------
    records
        Among them the subject's accuracies: each one under FGSM, BIM or L-BFGS, made on the subject
        itself or on the original model, becomes a stop of a series. Without any, the model has only its
        answers to clean images.

    Returns
    -------
    data
        Plain JSON values. Pixels are bytes, packed (:func:`packed`); ``changes`` are taken modulo 256.
        ``shares`` are probabilities in thousandths, [stop][image][class]; ``rows`` are the places, among
        the images, of those that were attacked. The one stop of an attack without ε is None.
    """
    p, clean = experiment.p, experiment.clean()
    first = np.arange(len(clean.y))[ATTACKS["lbfgs"].rows(p, len(clean.y))]
    rows = chosen(clean.y, first, clean.x.shape[1:])
    pixels = _bytes(clean.x[rows])
    attacked, answers = [], []
    for attack in EXPLORED:
        for source in _sources(experiment, subject):
            series = _series(experiment, records, subject, attack, source)
            if not series:
                continue
            about = {
                "attack": attack, "label": ATTACKS[attack].label, "made_on": str(source.id),
                "stops": list(series),
            }  # fmt: skip
            made = [images for images, _ in series.values()]
            theirs = np.arange(len(clean.y))[ATTACKS[attack].rows(p, len(clean.y))]
            there = np.flatnonzero(np.isin(rows, theirs))
            at = np.searchsorted(theirs, rows[there])
            changes = [_bytes(i.x_adv[_at(i, at, rows[there])]) - pixels[there] for i in made]
            shares = [
                _thousandths(experiment.logits(subject, i)[_at(i, at, rows[there])]) for i in made
            ]
            about["rows"] = there.tolist()
            attacked.append(about | {"changes": packed(np.stack(changes))})
            accuracy = [_told(record) for _, record in series.values()]
            answers.append(
                about | {"model": str(subject.id), "shares": shares, "accuracy": accuracy}
            )
    return {
        "dataset": experiment.data.name,
        "label": experiment.data.label,
        "classes": [str(name) for name in experiment.data.class_names],
        "shape": list(clean.x.shape[1:]),
        "epsilon": p.epsilon,
        "images": [{"index": int(row), "y": int(clean.y[row])} for row in rows],
        "clean": packed(pixels),
        "seen": {str(subject.id): _thousandths(experiment.logits(subject, clean)[rows])},
        "attacked": attacked,
        "answers": answers,
    }


def _sources(experiment: Experiment, subject: Subject) -> list[Subject]:
    return [subject] if subject.id == ORIGINAL else [subject, experiment.original()]


def _series(
    experiment: Experiment,
    records: Sequence[Record],
    subject: Subject,
    attack: str,
    source: Subject,
) -> dict[float | None, tuple[Images, Record]]:
    """Find the images that the subject was scored on, and the scores, by ε; from 0, without attack."""
    found: dict[float | None, tuple[Images, Record]] = {}
    scores = select(records, quantity="accuracy", model=subject.id)
    for record in select(scores, attack=attack, made_on=source.id):
        bounded = ATTACKS[attack].bounded
        epsilon = record.parameters["epsilon"] if bounded else None
        images = experiment.attacked(attack, source, **({"epsilon": epsilon} if bounded else {}))
        if images.parameters.items() <= record.parameters.items():
            found.setdefault(epsilon, (images, record))
    before = select(scores, attack="none")
    if found and ATTACKS[attack].bounded and before:
        found.setdefault(0.0, (experiment.clean(), before[0]))
    return dict(sorted(found.items())) if len(found) > 1 else found


def _at(images: Images, among_attacked: np.ndarray, among_all: np.ndarray) -> np.ndarray:
    return among_all if images.attack == "none" else among_attacked


def _told(record: Record) -> list[float]:
    values = record.values
    return [values["n_correct"], values["n"], round(values["low"], 5), round(values["high"], 5)]


def _bytes(x: np.ndarray) -> np.ndarray:
    return np.round(255 * x.astype(np.float64)).astype(np.uint8)


def _thousandths(logits: np.ndarray) -> list[list[int]]:
    return np.round(1000 * softmax(logits.astype(np.float64), axis=-1)).astype(int).tolist()


def packed(pixels: np.ndarray) -> str:
    """Pack bytes, uint8 of any shape, as text: deflated, then base64."""
    return base64.b64encode(zlib.compress(np.ascontiguousarray(pixels).tobytes(), 9)).decode()


def unpacked(text: str, shape: Sequence[int]) -> np.ndarray:
    """Undo :func:`packed`."""
    content = zlib.decompress(base64.b64decode(text))
    return np.frombuffer(content, np.uint8).reshape(shape)


def as_script(data: Any) -> str:
    """Write data as a block that a browser reads as no script, and that nothing in it can end."""
    content = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" class="explored">{content}</script>'


def gallery_of(data: dict[str, Any]) -> str:
    """Write the images as HTML: each before and after the attacks on the model itself, and its answers.

    Of an attack with several ε, the chapter's own is shown.
    """
    n, (model,) = len(data["images"]), data["seen"]
    clean = unpacked(data["clean"], (n, *data["shape"]))
    columns = {"no attack": dict(enumerate(zip(clean, data["seen"][model], strict=True)))}
    for series in data["answers"]:
        if series["made_on"] != model:
            continue
        stops, rows = series["stops"], series["rows"]
        stop = stops.index(data["epsilon"]) if data["epsilon"] in stops else len(stops) - 1
        (changes,) = (
            one["changes"]
            for one in data["attacked"]
            if (one["attack"], one["made_on"]) == (series["attack"], model)
        )
        shape = (len(stops), len(rows), *data["shape"])
        images = clean[rows] + unpacked(changes, shape)[stop]
        columns[series["label"]] = dict(
            zip(rows, zip(images, series["shares"][stop], strict=True), strict=True)
        )
    head = "".join(
        f'<th scope="col">{html.escape(name)}</th>' for name in ("right answer", *columns)
    )
    rows = "".join(
        f'<tr><th scope="row">{html.escape(data["classes"][image["y"]])}</th>'
        + "".join(
            _cell(label, *column[number], data["classes"]) if number in column else "<td></td>"
            for label, column in columns.items()
        )
        + "</tr>"
        for number, image in enumerate(data["images"])
    )
    sentence = (
        f"Test images of {data['label']} and the answers of the {model}, before and after attacks made "
        f"on it; ε = {data['epsilon']:g}."
    )
    return (
        f'<figcaption>{html.escape(sentence)}</figcaption><table class="images">'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _cell(label: str, image: np.ndarray, shares: list[int], classes: list[str]) -> str:
    best = int(np.argmax(shares))
    seen = html.escape(classes[best])
    shown = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).convert("RGB")
    return (
        '<td><img width="56" height="56" style="image-rendering: pixelated; display: block" '
        f'alt="{label}: seen as {seen} ({shares[best] / 10:.0f}\N{NO-BREAK SPACE}%)" '
        f'src="data:image/webp;base64,{webp(shown)}">{seen}</td>'
    )


def show_explored(data: dict[str, Any], chapter: str) -> None:
    """Show what :func:`explored` gathered: the gallery, and the data that the page's explorer reads."""
    identity = f"explored-{chapter[:2]}-{data['dataset']}"
    display(
        HTML(
            f'<figure class="explored" id="{identity}">{gallery_of(data)}{as_script(data)}</figure>'
        )
    )
