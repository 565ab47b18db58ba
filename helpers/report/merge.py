"""A chapter that ran on several data sets stands once: its prose once, the outputs of each below it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count, zip_longest

from bs4 import BeautifulSoup, Tag

from helpers.report.chapters import Chapter
from helpers.report.links import HEADING
from helpers.report.stamps import FINDINGS
from helpers.vocabulary import CHAPTERS

SHORT = 400  # characters of printed text that stand without tabs


def merge(parts: Sequence[Chapter]) -> list[Chapter]:
    """Join the runs of each chapter, cell by cell.

    Parameters
    ----------
    parts
        One for each run, in the profile's order; their cells correspond one to one, as one notebook
        made them.

    Returns
    -------
    chapters
        The findings first, the others in their own order. Without headings that nothing follows.
    """
    names = sorted({part.run.chapter for part in parts}, key=_order)
    return [_merged([p for p in parts if p.run.chapter == name]) for name in names]


def _order(name: str) -> tuple[bool, int, str]:
    known = list(CHAPTERS).index(name) if name in CHAPTERS else len(CHAPTERS)
    return name != FINDINGS, known, name


def _merged(parts: list[Chapter]) -> Chapter:
    soup = BeautifulSoup("", "html.parser")
    whole = [part for part in parts if not part.failed]
    block, numbers = _Block(soup, whole), count(1)
    for cells in zip_longest(*(part.soup.select("[data-cell]") for part in whole)):
        first = next(cell for cell in cells if cell is not None)
        if first["data-cell"] == "code":
            block.add(cells)
            continue
        block.close(next(numbers))
        for child in list(first.contents):
            soup.append(child)
    block.close(next(numbers))
    _place_notes(soup, parts)
    if whole:
        drop_empty(soup)
    failed = [part.run.name for part in parts if part.failed]
    return Chapter(parts[0].run, soup, runs=tuple(p.run for p in parts), failed=bool(failed))


def _place_notes(soup: BeautifulSoup, parts: Sequence[Chapter]) -> None:
    """Put the boxes of runs that failed below the chapter's title."""
    title = soup.find("h1")
    place = title.parent if title is not None else None
    for part in parts:
        if part.failed:
            for box in part.soup.select(".failure"):
                place.insert_after(box) if place is not None else soup.insert(0, box)


class _Block:
    """Code cells that no prose parts: their outputs, then their code, folded."""

    def __init__(self, soup: BeautifulSoup, parts: Sequence[Chapter]):
        self.soup, self.parts = soup, parts
        self.code: list[Tag] = []
        self.outputs: list[list[Tag]] = [[] for _ in parts]

    def add(self, cells: Sequence[Tag | None]) -> None:
        sources = [cell.select_one("details.code") for cell in cells if cell is not None]
        self.code += [source for source in sources if source is not None][:1]
        for found, cell in zip(self.outputs, cells, strict=True):
            if cell is not None:
                found += [area for area in cell.select(".output_area") if area.find(True)]

    def close(self, number: int) -> None:
        """Put what was gathered on the page."""
        for output in self._shown(number):
            self.soup.append(output)
        if self.code:
            first, *others = self.code
            for other in others:
                first.extend([tag.extract() for tag in other.find_all("div", recursive=False)])
            self.soup.append(first)
        self.__init__(self.soup, self.parts)

    def _shown(self, number: int) -> Iterator[Tag]:
        there = [
            (part.run.dataset or "", areas)
            for part, areas in zip(self.parts, self.outputs, strict=True)
            if areas
        ]
        if len({"".join(map(str, areas)) for _, areas in there}) <= 1:
            # Of one run, or the same for all.
            there = there[:1]
        if len(there) > 1 and all(_is_short(areas) for _, areas in there):
            yield from (_panel(self.soup, name, areas, "said") for name, areas in there)
        elif len(there) > 1:
            yield self._tabs(there, number)
        else:
            yield from (_panel(self.soup, name, areas, "alone") for name, areas in there)

    def _tabs(self, there: Sequence[tuple[str, list[Tag]]], number: int) -> Tag:
        """Draw tabs that work without script: a radio button for each data set."""
        group = f"{self.parts[0].run.chapter[:2]}-tabs-{number}"
        tabs = _tag(self.soup, "div", "tabs", role="group", **{"aria-label": "Data sets"})
        for position, (name, _) in enumerate(there):
            about = {"type": "radio", "name": group, "id": f"{group}-{name}", "data-tab": name}
            about |= {} if position else {"checked": ""}
            tabs.append(self.soup.new_tag("input", attrs=about))
            label = self.soup.new_tag("label", attrs={"for": f"{group}-{name}"})
            label.string = name
            tabs.append(label)
        tabs.extend([_panel(self.soup, name, areas, "panel") for name, areas in there])
        return tabs


def _tag(soup: BeautifulSoup, name: str, kind: str, **attributes: str) -> Tag:
    return soup.new_tag(name, attrs={"class": kind, **attributes})


def _panel(soup: BeautifulSoup, name: str, areas: Sequence[Tag], kind: str) -> Tag:
    panel = _tag(soup, "div", kind, **({"data-set": name} if name else {}))
    panel.extend([child.extract() for area in areas for child in list(area.contents)])
    return panel


def _is_short(areas: Sequence[Tag]) -> bool:
    pictures = any(area.find(["figure", "img", "table", "ul"]) for area in areas)
    return not pictures and sum(len(area.get_text()) for area in areas) <= SHORT


def drop_empty(soup: BeautifulSoup) -> None:
    """Remove headings that nothing follows before the next of their level or above.

    Code that then stands beside other code is joined with it.
    """
    for heading in reversed(soup.find_all(HEADING)):
        level = int(heading.name[1])
        for after in heading.next_elements:
            if not isinstance(after, Tag):
                continue
            if HEADING.match(after.name) and int(after.name[1]) <= level:
                heading.decompose()
                break
            if after.name in SHOWS and not after.find_parent("details", class_="code"):
                break
        else:
            heading.decompose()
    for prose in soup.select(".prose"):
        if not prose.get_text(strip=True) and not prose.find(["img", "figure"]):
            prose.decompose()
    for code in soup.select("details.code"):
        while (other := code.find_next_sibling()) is not None and "code" in other.get("class", []):
            code.extend([tag.extract() for tag in other.find_all("div", recursive=False)])
            other.decompose()


SHOWS = ("p", "li", "pre", "figure", "table", "math", "dl", "img", "svg")
