"""How a figure or table gets into a notebook's output, and with it onto the page and into files."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import BytesIO
from numbers import Integral, Number
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import HTML, display
from markupsafe import Markup
from matplotlib.figure import Figure

from helpers.figures import svg
from helpers.figures.looks import style
from helpers.files import write_atomically
from helpers.rounding import rounded

PNG_DPI = 108
KINDS = ("svg", "png")
PHONE = "screen and (max-width: 40rem)"
# The tags a caption may use; everything else in it is shown as written.
CAPTION_TAG = re.compile(r"&lt;(/?)(i|b|sub|sup)&gt;")
TAG = r"<\1\2>"
# Text that reads as a number, perhaps with its interval, range or unit, and lines up like one.
NUMBER_LIKE = re.compile(
    r"[≤≥≈~]?\s*[-−+]?\d[\d,]*\.?\d*(e[-−+]?\d+)?\s*%?"
    r"(\s*(±|–|to|\[|\()\s*[-−+]?\d[-−–+\d.,\s%]*[\])]?)?",
    re.IGNORECASE,
)
# JupyterLab sets all cells to the right; the page has a style of its own, and drops this one.
ALIGNED = "<style>figure.table :is(td, th):not(.num) {text-align: left}</style>"
FIXED = re.compile(r"(\+?),?\.(\d+)f")  # a format with so many decimals
MISSING = '<span role="img" aria-label="no value">–</span>'

_folder: Path | None = None


def save_to(folder: str | Path | None) -> None:
    """Also write what is shown from now on below `folder`, as files; None: no longer.

    Figures become ``figures/<id>.svg`` or ``.png``, tables ``tables/<id>.csv``.
    """
    global _folder
    _folder = None if folder is None else Path(folder)


def show_figure(
    figure: Figure,
    number: str,
    *,
    name: str = "",
    dataset: str | None = None,
    caption: str,
    alt: str,
    kind: str = "svg",
) -> None:
    """Show a figure with its number, caption and alt text, and close it.

    Parameters
    ----------
    figure
        A matplotlib figure.
    number
        The report's own number (``7``), or chapter and number for a figure it does not have
        (``03.1``).
    name
        What the id has in the number's place, such as ``03-sizes``: it stays when numbers change.
    dataset
        Name of the data set shown, where a figure exists once for each.
    caption
        What is shown, on which data, how many images, which parameters. May hold ``<i>``, ``<b>``,
        ``<sub>`` and ``<sup>``; all else is escaped.
    alt
        What the picture says, for readers who do not see it.
    kind
        Of the file: ``svg`` for curves and diagrams, ``png`` for grids of images. What is shown is SVG
        in both cases, with a narrow variant for phones where there is one.

    Raises
    ------
    ValueError
        If caption or alt text is empty, the number is none, or the kind does not exist.
    """
    identity = _identity("figure", number, name, dataset)
    if kind not in KINDS:
        raise ValueError(f"kind = {kind!r}; there are {', '.join(KINDS)}")
    if not alt.strip():
        raise ValueError(f"{identity} needs an alt text: what the picture says, in words")
    heading = _caption("Figure", number, dataset, caption)
    file = f"figures/{identity}.{kind}"
    drawn = render(figure, "svg")
    if _folder is not None:
        write_atomically(_folder / file, drawn if kind == "svg" else render(figure, kind))
    plt.close(figure)
    wide, words = svg.compact(drawn.decode()), html.escape(" ".join(alt.split()))
    image = f'<img alt="{words}" src="{svg.as_source(wide)}">'
    if again := getattr(figure, "narrow", None):
        source = svg.as_source(svg.compact(render(again(), "svg").decode()))
        image = f'<picture><source media="{PHONE}" srcset="{source}">{image}</picture>'
    looks = "figure pictures" if svg.has_pictures(wide) else "figure"
    display(
        HTML(
            f'<figure id="{identity}" class="{looks}" data-file="{file}">{image}{heading}</figure>'
        )
    )


def save_data(
    frame: pd.DataFrame, number: str, *, name: str = "", dataset: str | None = None
) -> None:
    """Write what a figure draws beside it, as ``figures/<id>.csv``; an empty table writes nothing."""
    if _folder is not None and len(frame):
        identity = _identity("figure", number, name, dataset)
        write_atomically(_folder / "figures" / f"{identity}.csv", frame.to_csv(index=False))


def render(figure: Figure, kind: str) -> bytes:
    """Draw a figure as SVG or PNG on white; the same figure gives the same bytes."""
    # Both would otherwise name the date or the version that drew them.
    metadata = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}[kind]
    buffer = BytesIO()
    with style():
        figure.savefig(
            buffer,
            format=kind,
            dpi=PNG_DPI if kind == "png" else 150,
            facecolor="white",
            bbox_inches="tight",
            pad_inches=0.08,
            metadata=metadata,
        )
    return buffer.getvalue()


def show_table(
    frame: pd.DataFrame,
    number: str,
    *,
    name: str = "",
    dataset: str | None = None,
    caption: str,
    formats: Mapping[str, str | Callable[[Any], str]] | None = None,
) -> None:
    """Show a table with its number and caption.

    Parameters
    ----------
    frame
        The table; its first column names the rows. A cell that is a ``Markup`` is shown as the HTML
        that it is; all others are escaped.
    number, name, dataset, caption
        As for :func:`show_figure`.
    formats
        Column to format: a format specification (``.1f``) or a function. Missing values are always
        an en dash.

    Raises
    ------
    ValueError
        If the table or the caption is empty, or a format names a column that does not exist.
    """
    identity = _identity("table", number, name, dataset)
    if frame.empty:
        raise ValueError(f"{identity} is empty: {len(frame)} rows, {len(frame.columns)} columns")
    heading = _caption("Table", number, dataset, caption)
    formats = dict(formats or {})
    unknown = [column for column in formats if column not in frame.columns]
    if unknown:
        raise ValueError(f"no column {unknown[0]!r} to format; there are {list(frame.columns)}")
    formats = {name: _decimals(frame[name]) for name in frame.select_dtypes(float)} | formats
    columns = [[_cell(value, formats.get(name)) for value in frame[name]] for name in frame.columns]
    numeric = [_is_numeric(column) for column in columns]
    head = _row(map(html.escape, map(str, frame.columns)), numeric, head=True)
    body = "".join(_row(cells, numeric) for cells in zip(*columns, strict=True))
    if _folder is not None:
        plain = frame.map(_plain).to_csv(index=False)
        write_atomically(_folder / "tables" / f"{identity}.csv", plain)
    display(
        HTML(
            f'<figure id="{identity}" class="table" data-file="tables/{identity}.csv">'
            f"{ALIGNED}{heading}<table><thead>{head}</thead><tbody>{body}</tbody></table></figure>"
        )
    )


def show_headlines(sentences: Iterable[str]) -> None:
    """Show what the report found, a sentence each; the page shows it at its head too.

    A sentence that is a ``Markup`` is shown as the HTML that it is; all others are escaped.
    """
    items = Markup().join(Markup("<li>{}</li>").format(sentence) for sentence in sentences)
    if not items:
        raise ValueError("there are no headlines to show; at least one sentence is needed")
    display(HTML(f'<ul id="headlines">{items}</ul>'))


def _plain(value: Any) -> Any:
    """Turn HTML into text; anything else stays what it is."""
    if not isinstance(value, Markup):
        return value
    return "; ".join(part.striptags() for part in value.split(Markup("<br>")))


def _identity(kind: str, number: str, name: str, dataset: str | None) -> str:
    if not isinstance(number, str) or not re.fullmatch(r"\d+(\.\d+)*", number):
        raise ValueError(f"{kind} number {number!r}: expected text such as '7' or '03.1'")
    if name and not re.fullmatch(r"\d+-\w[\w-]*", name):
        raise ValueError(f"{kind} name {name!r}: expected chapter and word, such as '03-sizes'")
    if dataset is not None and not re.fullmatch(r"\w[\w-]*", dataset):
        raise ValueError(f"data set {dataset!r}: expected a name of letters, digits, _ and -")
    return "-".join([kind, name or number.replace(".", "-"), *([dataset] if dataset else [])])


def _caption(kind: str, number: str, dataset: str | None, caption: str) -> str:
    """Write the figcaption; only the tags that the caption may use stay tags."""
    if not caption.strip():
        raise ValueError(f"{kind} {number} needs a caption: what is shown, on which data")
    text = html.escape(" ".join(caption.split()), quote=False)
    opened: list[str] = []
    for closing, tag in CAPTION_TAG.findall(text):
        if not closing:
            opened.append(tag)
        elif not opened or opened.pop() != tag:
            raise ValueError(f"the caption of {kind} {number} closes <{tag}> where it is not open")
    if opened:
        raise ValueError(f"the caption of {kind} {number} never closes <{opened[-1]}>")
    title = f"{kind} {number} ({dataset})." if dataset else f"{kind} {number}."
    return f"<figcaption><b>{title}</b> {CAPTION_TAG.sub(TAG, text)}</figcaption>"


def _decimals(column: pd.Series) -> str:
    """Choose the decimals that show each number of a column to four digits, the same for all."""
    texts = [f"{value:.4g}" for value in column[column.notna()]]
    if any("e" in text or "n" in text for text in texts):  # 1e-07, inf
        return ".4g"
    return f".{max((len(text.partition('.')[2]) for text in texts), default=0)}f"


def _is_numeric(column: Sequence[str]) -> bool:
    """Whether all of a column's cells read as numbers, but for those that have none."""
    texts = [text for text in column if text not in ("", "–", MISSING)]
    return bool(texts) and all(map(NUMBER_LIKE.fullmatch, texts))


def _row(cells: Iterable[str], numeric: Sequence[bool], *, head: bool = False) -> str:
    """Write a row of cells; columns of numbers stand on the right."""
    row = ""
    for place, (text, number) in enumerate(zip(cells, numeric, strict=True)):
        kind = ' class="num"' if number else ""
        if head or not place:
            row += f'<th scope="{"col" if head else "row"}"{kind}>{text}</th>'
        else:
            row += f"<td{kind}>{text}</td>"
    return f"<tr>{row}</tr>"


def _formatted(value: Any, how: str) -> str:
    fixed = FIXED.fullmatch(how) if isinstance(value, Number) else None
    return rounded(value, int(fixed[2]), sign=bool(fixed[1])) if fixed else format(value, how)


def _cell(value: Any, how: str | Callable[[Any], str] | None) -> str:
    """Write a cell's content as HTML."""
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return MISSING
    if isinstance(value, Markup):
        return str(value)
    if callable(how):
        text = str(how(value))
    elif how is not None:
        text = _formatted(value, how)
    elif pd.api.types.is_bool(value):
        text = "yes" if value else "no"
    elif isinstance(value, Integral):
        text = f"{value:,}"
    elif isinstance(value, Number):
        text = f"{value:.4g}"
    else:
        text = str(value)
    return html.escape(text)
