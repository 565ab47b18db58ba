"""What the finished page adds to its parts: permalinks, data to save, tables that sort."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from bs4 import BeautifulSoup, Tag

from helpers.report.links import HEADING

SORTED = ("table-09-summary",)  # the results, which readers want in an order of their own


def furnish(soup: BeautifulSoup, folder: Path | None = None) -> None:
    """Add permalinks, and to figures and tables their data and the names of their files.

    Parameters
    ----------
    soup
        A chapter.
    folder
        The build's, where figures and tables have their data as files; None: no data.
    """
    for heading in soup.find_all(HEADING):
        if heading.get("id"):
            heading.append(_permalink(soup, heading["id"], "this section"))
    for formula in soup.select("math[display=block]"):
        formula["tabindex"] = "0"  # on a phone it scrolls, by keys too
    for figure in soup.select("figure[id]"):
        caption = figure.find("figcaption")
        if caption is None:
            continue
        caption.append(_permalink(soup, figure["id"], "this item"))
        if data := _data(figure, folder):
            link = soup.new_tag(
                "a",
                attrs={
                    "class": "csv",
                    "download": f"{figure['id']}.csv",
                    "href": f"data:text/csv;charset=utf-8,{quote(data, safe=',.;:/[]()')}",
                },
            )
            link.string = "CSV"
            caption.extend([" ", link])
        if file := figure.attrs.pop("data-file", None):
            name = soup.new_tag("code", attrs={"class": "file"})
            name.string = file
            caption.extend([" ", name])
        if figure["id"] in SORTED and (table := figure.find("table")):
            table["class"] = [*table.get("class", []), "sortable"]


def _permalink(soup: BeautifulSoup, target: str, what: str) -> Tag:
    about = {"class": "permalink", "href": f"#{target}", "aria-label": f"Link to {what}"}
    return soup.new_tag("a", attrs=about)


def _data(figure: Tag, folder: Path | None) -> str:
    """Read what a figure or table shows, from the file beside the page."""
    kind = "tables" if figure["id"].startswith("table") else "figures"
    file = folder / kind / f"{figure['id']}.csv" if folder else None
    return file.read_text(encoding="utf-8") if file is not None and file.is_file() else ""
