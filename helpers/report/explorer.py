"""The page's explorer: what chapters have stored for it, collected into one part."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bs4 import BeautifulSoup
from markupsafe import Markup


@dataclass(frozen=True)
class Explorer:
    """What the page shows: data for its script, and a gallery for readers without."""

    data: Markup
    galleries: tuple[Markup, ...]


def collect(chapters: Iterable[tuple[str, BeautifulSoup]]) -> Explorer | None:
    """Take what ``Chapter.explore`` has shown out of the chapters; a link stays in its place.

    Of each data set one gallery stays, its first, and each image is kept once.

    Parameters
    ----------
    chapters
        Name and content of each; the content is changed.

    Returns
    -------
    explorer
        None where no chapter has anything for it.
    """
    merged: dict[str, dict[str, Any]] = {}
    galleries: dict[str, Markup] = {}
    for _, soup in chapters:
        for figure in soup.select("figure.explored"):
            script = figure.select_one("script.explored")
            if script is None:
                continue
            data = json.loads(script.get_text())
            script.decompose()
            name = _place(merged, data)
            galleries.setdefault(name, Markup(figure))
            figure.replace_with(_link(soup))
    if not merged:
        return None
    text = json.dumps(list(merged.values()), ensure_ascii=False, separators=(",", ":"))
    return Explorer(Markup(text.replace("<", "\\u003c")), tuple(galleries.values()))


def _place(merged: dict[str, dict[str, Any]], data: dict[str, Any]) -> str:
    """Put a block to that of its data set, unless it shows other images; give the name it has there."""
    name = data["dataset"]
    there = merged.setdefault(name, data)
    if there is data:
        return name
    if any(there[key] != data[key] for key in ("images", "clean", "classes")):
        name = f"{name}, other images"
        if name not in merged:
            merged[name] = data | {"label": f"{data['label']}, other images"}
            return name
        there = merged[name]
    there["seen"] |= data["seen"]
    stored = {(s["attack"], s["made_on"]): s["stops"] for s in there["attacked"]}
    for series in data["attacked"]:
        if set(series["stops"]) - set(stored.get((series["attack"], series["made_on"]), ())):
            there["attacked"].append(series)
    answered = [_answered(series) for series in there["answers"]]
    there["answers"] += [s for s in data["answers"] if _answered(s) not in answered]
    return name


def _answered(series: dict[str, Any]) -> tuple[str, str, str]:
    return series["model"], series["attack"], series["made_on"]


def _link(soup: BeautifulSoup) -> Any:
    paragraph, link = soup.new_tag("p"), soup.new_tag("a", href="#explore")
    link.string = "Explore these images"
    paragraph.append(link)
    return paragraph
