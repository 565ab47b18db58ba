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


def collect(soups: Iterable[BeautifulSoup]) -> Explorer | None:
    """Take what ``Chapter.explore`` has shown out of the chapters; a link stays in its place.

    Of each data set one gallery stays, its first, and each image is kept once.

    Parameters
    ----------
    soups
        The chapters; what is taken is replaced in them.

    Returns
    -------
    explorer
        None where no chapter has anything for it.
    """
    merged: dict[tuple, dict[str, Any]] = {}
    galleries: dict[tuple, Markup] = {}
    for soup in soups:
        for figure in soup.select("figure.explored"):
            script = figure.select_one("script.explored")
            if script is None:
                continue
            data = json.loads(script.get_text())
            script.decompose()
            galleries.setdefault(_place(merged, data), Markup(figure))
            figure.replace_with(_link(soup))
    if not merged:
        return None
    text = json.dumps(list(merged.values()), ensure_ascii=False, separators=(",", ":"))
    return Explorer(Markup(text.replace("<", "\\u003c")), tuple(galleries.values()))


def _place(merged: dict[tuple, dict[str, Any]], data: dict[str, Any]) -> tuple:
    """Put a block to that of its data set and images; give the place that it has there."""
    about = data["dataset"], json.dumps([data[key] for key in ("images", "clean", "classes")])
    if about not in merged:
        others = any(dataset == data["dataset"] for dataset, _ in merged)
        merged[about] = data | {"label": data["label"] + ", other images" * others}
        return about
    there = merged[about]
    there["seen"] |= data["seen"]
    stored = {(s["attack"], s["made_on"]): s["stops"] for s in there["attacked"]}
    for series in data["attacked"]:
        if set(series["stops"]) - set(stored.get((series["attack"], series["made_on"]), ())):
            there["attacked"].append(series)
    answered = [_answered(series) for series in there["answers"]]
    there["answers"] += [s for s in data["answers"] if _answered(s) not in answered]
    return about


def _answered(series: dict[str, Any]) -> tuple[str, str, str]:
    return series["model"], series["attack"], series["made_on"]


def _link(soup: BeautifulSoup) -> Any:
    paragraph, link = soup.new_tag("p"), soup.new_tag("a", href="#explore")
    link.string = "Explore these images"
    paragraph.append(link)
    return paragraph
