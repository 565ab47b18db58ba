"""The page's first screen: the finding, an adversarial example, one chart, and what limits it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from markupsafe import Markup
from PIL import Image

from helpers.attacks import ATTACKS
from helpers.data import DATASETS
from helpers.evaluation.record import Record, select
from helpers.findings import headlines
from helpers.findings.evidence import Evidence
from helpers.findings.verdicts import Verdict
from helpers.report import drawings
from helpers.report.cards import Card
from helpers.rounding import percent

UNVERIFIED = "a re-encoded copy, not byte-identical to the official files"


@dataclass(frozen=True)
class Front:
    """What stands before the contents."""

    title: str
    takeaways: list[str]
    charts: list[tuple[str, Markup]]
    pictures: list[dict[str, Any]]
    cards: list[Card]
    cast: list[tuple[str, str]]  # each stand-in, and what it stands for
    unverified: list[str]


def front(
    records: Sequence[Record], verdicts: Sequence[Verdict], manifest: Mapping[str, Any]
) -> Front:
    """Make the first screen from a build's records.

    Parameters
    ----------
    records
        Read with their arrays.
    verdicts
        The judged claims.
    manifest
        Of the build.
    """
    told = headlines.stories(Evidence(records))
    charts = [(story.heading, drawings.bars(story.bars, story.heading)) for story in told]
    status = {entry["name"]: entry["status"] for entry in manifest["datasets"]}
    return Front(
        title=headlines.title(told),
        takeaways=headlines.headlines(records, verdicts),
        charts=charts,
        pictures=pictures(records),
        cards=[*map(Card, verdicts)],
        cast=[
            (DATASETS[name].title, DATASETS[DATASETS[name].stands_in_for].title)
            for name in status
            if name in DATASETS and DATASETS[name].stands_in_for
        ],
        unverified=[
            headlines.title_of(name) for name, state in status.items() if state == "unverified"
        ],
    )


def pictures(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Draw an image, what an attack changed, magnified, and the result; empty where none is stored.

    Returns
    -------
    pictures
        ``source`` (a data URI), ``alt``, ``name`` and ``says`` of each.
    """
    found = sorted(select(records, quantity="example"), key=lambda r: headlines.place_of(r.dataset))
    if not found:
        return []
    record, said = found[0], found[0].values
    x, x_adv = (record.arrays[name].astype(np.float64) for name in ("x", "x_adv"))
    change = x_adv - x
    factor = max(int(0.5 / max(np.abs(change).max(), 1e-6)), 1)
    attack, title = ATTACKS[record.attack].label, headlines.title_of(record.dataset)
    sure = [percent(said[f"confidence_{when}"], 0) for when in ("before", "after")]
    return [
        {
            "source": _png(x),
            "alt": f"An image of {title}: {said['label']}.",
            "name": "Image",
            "says": f"{said['before']} ({sure[0]})",
        },
        {
            "source": _png(0.5 + factor * change),
            "alt": f"What {attack} changes, as a pattern of light and dark pixels.",
            "name": f"Change × {factor}",
            "says": f"{attack}, ε = {record.parameters['epsilon']:g}",
        },
        {
            "source": _png(x_adv),
            "alt": f"The image after {attack}; people still see {said['label']}.",
            "name": "Attacked image",
            "says": f"{said['after']} ({sure[1]})",
        },
    ]


def _png(image: np.ndarray) -> str:
    """Turn an image (h, w, c) of 0 to 1 into a data URI."""
    pixels = np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)
    buffer = BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
