"""Small drawings in the page itself: they take the page's colours, and so are dark where it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap

from markupsafe import Markup

from helpers.evaluation.record import Record
from helpers.findings.verdicts import Estimate, written
from helpers.rounding import percent

TEMPLATES = Path(__file__).parent / "template"
# Widths are in percent of the drawing, so that text keeps its size on a phone.
FULL = 82.0  # of an accuracy of 100 %; the number stands beside it
LEFT, RIGHT = 42.0, 98.0  # of the field of an interval plot; labels stand left of it
ROW, BAR = 46, 16
LINE, MORE = 19, 13  # of a row, and of each further line of its label
LONGEST = 22  # characters of a line of a label
WIDE, EDGE, HEAD = 640, 16, 30  # of a file of drawings: its width, its margin, room for a heading
NEAR = 12.0  # of the drawing's width: numbers of two bounds would touch


def in_words(named: Sequence[tuple[str, Record]], title: str) -> str:
    """Say what a drawing of bars shows."""
    said = "; ".join(f"{name} {percent(record.values['accuracy'])}" for name, record in named)
    return f"{title}: {said}"


def bars(named: Sequence[tuple[str, Record]], title: str) -> Markup:
    """Draw accuracies with their intervals, a bar each."""
    drawn = []
    for k, (name, record) in enumerate(named):
        share, low, high = (record.values[key] for key in ("accuracy", "low", "high"))
        top = k * ROW + 20
        drawn.append(
            Markup(
                '<text x="0" y="{}">{}</text>'
                '<rect class="bar b{}" x="0" y="{}" width="{:.2f}%" height="{}" rx="2"/>'
                '<line class="whisker" x1="{:.2f}%" x2="{:.2f}%" y1="{}" y2="{}"/>'
                '<text class="value" x="{:.2f}%" dx="8" y="{}">{}</text>'
            ).format(
                top - 6, name, k + 1, top, FULL * share, BAR, FULL * low, FULL * high, top + BAR / 2,
                top + BAR / 2, FULL * high, top + 13, percent(share),
            )
        )  # fmt: skip
    return _svg(in_words(named, title), len(named) * ROW, Markup().join(drawn), "bars")


def picture(charts: Sequence[tuple[str, Sequence[tuple[str, Record]]]]) -> str:
    """Draw charts of bars, each under its heading, as an SVG file of its own."""
    style = "".join(
        (TEMPLATES / f"{name}.css").read_text(encoding="utf-8") for name in ("colours", "drawings")
    )
    drawn, top = [], EDGE
    for title, named in charts:
        drawn.append(
            Markup(
                '<text class="value" x="{}" y="{}">{}</text><svg x="{}" y="{}" width="{}">{}</svg>'
            ).format(EDGE, top + 14, title, EDGE, top + HEAD, WIDE - 2 * EDGE, bars(named, title))
        )
        top += HEAD + len(named) * ROW + EDGE
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" width="{}" height="{}" font-family="sans-serif">'
        '<style>{}</style><rect width="100%" height="100%" fill="var(--page)"/>{}</svg>\n'
    ).format(WIDE, top, Markup(style), Markup().join(drawn))


def intervals(rows: Sequence[tuple[str, Estimate]]) -> Markup:
    """Draw estimates of one unit with their intervals, the range in which the claim holds shaded.

    Parameters
    ----------
    rows
        Label and estimate of each; the ranges may differ.
    """
    ends = [v for _, e in rows for v in (e.low, e.high, e.least, e.most) if v is not None]
    low, high = min(ends), max(ends)
    low, high = low - 0.06 * (high - low or 1), high + 0.06 * (high - low or 1)

    def at(value: float) -> float:
        return LEFT + (RIGHT - LEFT) * (value - low) / (high - low)

    drawn, floor = [], 0
    for label, e in rows:
        lines = wrap(label, LONGEST)
        top, height = floor, LINE + MORE * (len(lines) - 1)
        middle, floor = top + height / 2, top + height
        start, end = (
            at(low if e.least is None else e.least),
            at(high if e.most is None else e.most),
        )
        drawn.append(
            Markup(
                '<rect class="holds-here" x="{:.2f}%" y="{}" width="{:.2f}%" height="{}"/>'
            ).format(start, top, end - start, height)
        )
        drawn += [
            Markup('<line class="bound" x1="{0:.2f}%" x2="{0:.2f}%" y1="{1}" y2="{2}"/>').format(
                at(bound), top, top + height
            )
            for bound in (e.least, e.most)
            if bound is not None
        ]
        drawn.append(
            Markup(
                '<line class="whisker" x1="{:.2f}%" x2="{:.2f}%" y1="{}" y2="{}"/>'
                '<circle class="dot {}" cx="{:.2f}%" cy="{}" r="4"/>'
            ).format(
                at(e.low), at(e.high), middle, middle, e.verdict.replace(" ", "-"),
                at(e.value), middle,
            )
        )  # fmt: skip
        drawn += [
            Markup('<text x="0" y="{}">{}</text>').format(top + 13 + MORE * k, line)
            for k, line in enumerate(lines)
        ]
    bounds = sorted({b for _, e in rows for b in (e.least, e.most) if b is not None})
    floor += 13
    near = len(bounds) == 2 and at(bounds[1]) - at(bounds[0]) < NEAR
    for bound in bounds:
        side = "middle" if not near else "end" if bound == bounds[0] else "start"
        drawn.append(
            Markup('<text class="tick" x="{:.2f}%" y="{}" text-anchor="{}">{}</text>').format(
                at(bound), floor, side, number(bound)
            )
        )
    drawn.append(Markup('<text class="tick" x="0" y="{}">{}</text>').format(floor, rows[0][1].unit))
    said = "; ".join(f"{label}: {written(e)}" for label, e in rows)
    return _svg(f"Intervals. {said}", floor + 5, Markup().join(drawn), "intervals")


def number(value: float) -> str:
    """Write a bound."""
    return f"{value:g}".replace("-", "−")


def _svg(label: str, height: float, content: Markup, kind: str) -> Markup:
    return Markup(
        '<svg class="{}" role="img" aria-label="{}" width="100%" height="{:g}">{}</svg>'
    ).format(kind, label, height, content)
