"""From an executed notebook to a section of the page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape, unescape
from pathlib import Path
from typing import Any

import nbformat
from bs4 import BeautifulSoup
from jinja2 import pass_context
from nbconvert.exporters import HTMLExporter
from nbconvert.filters import Highlight2HTML
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from helpers.profiles import Run
from helpers.report import links, mathml
from helpers.report.stamps import FINDINGS, NO_RESULT
from helpers.vocabulary import VOCABULARY

HERE = Path(__file__).parent
HIDDEN = {*NO_RESULT, "dataset"}  # parameters that the page does not show
MIME_TYPES = [
    "text/html",
    "text/markdown",
    "image/svg+xml",
    "image/png",
    "image/jpeg",
    "text/plain",
]


CODE = re.compile(r'<div class="highlight"><pre>(.*?)</pre></div>', re.DOTALL)
# Names, punctuation and spaces, which the page does not colour.
PLAIN_WORD = re.compile(
    r'<span class="(?:n|p|o|w|nn|bp|nv|ln|err|fm|vm)">([^<]*)</span>|<span></span>'
)


WIDE = 9  # on paper, a table with more columns and more rows lies across


@dataclass
class Chapter:
    """One run of a chapter, or all of them, merged: a section of the page."""

    run: Run
    soup: BeautifulSoup
    failed: bool = False
    runs: tuple[Run, ...] = ()
    title: str = ""
    sections: list[tuple[str, str]] = field(default_factory=list)
    html: str = ""

    @property
    def slug(self) -> str:
        return self.run.chapter


class _Renderer(IPythonRenderer):
    """Markdown with formulas as MathML."""

    def inline_math(self, body: str) -> str:
        return mathml.render(body)

    def block_math(self, body: str) -> str:
        return mathml.render(body, block=True)

    def latex_environment(self, name: str, body: str) -> str:
        return mathml.render(rf"\begin{{{name}}}{body}\end{{{name}}}", block=True)


class ChapterExporter(HTMLExporter):
    """nbconvert's exporter with the template of this folder."""

    @property
    def default_config(self):
        config = super().default_config
        config.NbConvertBase.display_data_priority = MIME_TYPES
        return config

    def __init__(self, **options):
        super().__init__(template_name="template", extra_template_basedirs=[str(HERE)], **options)
        self.exclude_input_prompt = self.exclude_output_prompt = True

    @pass_context
    def markdown2html(self, context, source):
        cell = context.get("cell", {})
        renderer = _Renderer(
            escape=False, attachments=cell.get("attachments", {}), exclude_anchor_links=True
        )
        try:
            return MarkdownWithMath(renderer=renderer).render(source)
        except mathml.FormulaError as error:
            raise mathml.FormulaError(f"{cell['metadata']['place']}: {error}") from None


@cache
def _exporter() -> ChapterExporter:
    return ChapterExporter()  # its templates are compiled once


def coloured(html: str) -> str:
    """Colour the code of a chapter that is finished: only words that the page shows otherwise."""
    colour = Highlight2HTML(pygments_lexer="ipython3")
    return CODE.sub(lambda found: PLAIN_WORD.sub(r"\1", colour(unescape(found[1]))), html)


def _show(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def parameters(chapters: Sequence[Chapter]) -> list[tuple[str, str, str]]:
    """List the parameters of the page's runs: name, values, meaning.

    A value that all runs share stands alone; others say whose they are: a data set's, or one chapter's.
    What is empty in all of them is left out.
    """
    runs = [run for chapter in chapters for run in chapter.runs]
    return [
        (name, _values(name, [run for run in runs if name in run.parameters]), about.meaning)
        for name, about in VOCABULARY.items()
        if name not in HIDDEN and any(run.parameters.get(name, "") != "" for run in runs)
    ]


def _values(name: str, runs: Sequence[Run]) -> str:
    """Write a parameter's values in `runs`, each with those that have it."""
    found = [(run, _show(run.parameters[name])) for run in runs]
    of_data: dict[str, set[str]] = {}
    for run, value in found:
        of_data.setdefault(run.dataset or "", set()).add(value)
    named: dict[str, dict[str, None]] = {}
    for run, value in found:
        of = run.dataset if run.dataset and len(of_data[run.dataset]) == 1 else run.name
        named.setdefault(value, {})[of] = None
    if len(named) == 1:
        return next(iter(named))
    return "; ".join(f"{value or '–'} ({', '.join(of)})" for value, of in named.items())


def dress(soup: BeautifulSoup) -> None:
    """Give each table of a chapter a box of its own to scroll in."""
    for table in soup.select("figure table"):
        rows = [row.find_all(["td", "th"]) for row in table.find_all("tr")]
        if max(map(len, rows), default=0) > WIDE and len(rows) > WIDE:
            table["class"] = [*table.get("class", []), "wide"]
        name = table.find_parent("figure").b
        label = f"Table: {name.get_text(' ', strip=True) if name else 'data'}"
        about = {"class": "scroll", "role": "group", "tabindex": "0", "aria-label": label}
        table.wrap(soup.new_tag("div", attrs=about))


def number(chapter: str) -> int:
    """Tell a chapter's number from its name."""
    return int(chapter.partition("_")[0])


def read_chapter(run: Run, notebook: Path) -> Chapter:
    """Read an executed notebook as cells of HTML.

    Raises
    ------
    FormulaError
        If a formula of its markdown cannot be drawn; the message names the run and the cell.
    """
    content = nbformat.read(notebook, as_version=4)
    for place, cell in enumerate(content.cells, start=1):
        cell.id = f"{run.chapter}-{place}"[-64:]  # notebooks made from one another share cell ids
        cell.metadata["place"] = f"{run.name}, cell {place}"
    content.metadata.pop("widgets", None)
    fragment, _ = _exporter().from_notebook_node(content)
    soup = BeautifulSoup(fragment, "html.parser")
    for style in soup.find_all("style"):  # for JupyterLab; the page has its own
        style.decompose()
    return Chapter(run, soup)


def finish(chapter: Chapter) -> None:
    """Give a merged chapter its title, its numbers, and tables in shape."""
    dress(chapter.soup)
    chapter.title, chapter.sections = links.number_headings(
        chapter.soup,
        chapter.slug,
        None if chapter.run.chapter == FINDINGS else number(chapter.slug),
    )
    if chapter.title is None:
        chapter.title = _plain_title(chapter.run.chapter)
        heading = chapter.soup.new_tag("h2", id=chapter.slug)
        heading.string = chapter.title
        chapter.soup.insert(0, heading)


def _plain_title(chapter: str) -> str:
    words = chapter.partition("_")[2].replace("_", " ").capitalize() or chapter
    return words if chapter == FINDINGS else f"{number(chapter)}. {words}"


def failed_chapter(run: Run, cell: str, error: str) -> Chapter:
    """Put a visible box in the place of a run that failed."""
    html = (
        f'<div class="failure" role="note"><p><strong>{escape(run.name)} failed</strong> at '
        f"{escape(cell)}, and its results are missing here.</p><pre>{escape(error)}</pre></div>"
    )
    return Chapter(run, BeautifulSoup(html, "html.parser"), failed=True)
