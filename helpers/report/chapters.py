"""From an executed notebook to a section of the page."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import nbformat
from bs4 import BeautifulSoup
from jinja2 import pass_context
from nbconvert.exporters import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from helpers.profiles import Run
from helpers.report import links, mathml
from helpers.report.stamps import NO_RESULT
from helpers.vocabulary import VOCABULARY

HERE = Path(__file__).parent
MIME_TYPES = [
    "text/html",
    "text/markdown",
    "image/svg+xml",
    "image/png",
    "image/jpeg",
    "text/plain",
]
NUMERIC = re.compile(
    r"^[<>≤≥≈~]?\s*[-−+]?\d[\d,]*\.?\d*(e[-−+]?\d+)?\s*%?"
    r"(\s*(±|–|to|\[|\()\s*[-−+]?\d[-−–\d.,\s%]*[\])]?)?$",
    re.IGNORECASE,
)


@dataclass
class Chapter:
    """One section of the page."""

    run: Run
    html: str | None = None
    title: str = ""
    sections: list[tuple[str, str]] = field(default_factory=list)
    failed: bool = False
    soup: BeautifulSoup | None = None

    @property
    def slug(self) -> str:
        return self.run.slug


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
        return MarkdownWithMath(renderer=renderer).render(source)


def _show(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def parameters_table(run: Run) -> str:
    """Draw the run's parameters with their meanings, folded."""
    rows = "".join(
        f'<tr><th scope="row"><code>{escape(name)}</code></th><td>{escape(_show(value))}</td>'
        f"<td>{escape(VOCABULARY[name].meaning)}</td></tr>"
        for name, value in run.parameters.items()
        if name not in NO_RESULT
    )
    return (
        '<details class="parameters"><summary>Parameters of this run</summary><table><thead>'
        '<tr><th scope="col">Parameter</th><th scope="col">Value</th><th scope="col">Meaning'
        f"</th></tr></thead><tbody>{rows}</tbody></table></details>"
    )


def _dress_table(soup: BeautifulSoup, table: Any, label: str) -> None:
    """Give a table header scopes, aligned numbers, and a scrolling box of its own."""
    for name in ("border", "style", "width"):
        del table[name]
    for cell in table.find_all("th"):
        if not cell.get("scope"):
            in_body = cell.find_parent("tbody") is not None
            cell["scope"] = "row" if in_body or not cell.find_parent("thead") else "col"
    rows = [row.find_all(["td", "th"], recursive=False) for row in table.find_all("tr")]
    body = [row for row in rows if any(cell.name == "td" for cell in row)]
    spans = any(cell.get("colspan") or cell.get("rowspan") for row in rows for cell in row)
    for row in body:
        for cell in row:
            if cell.name == "td" and NUMERIC.match(cell.get_text(" ", strip=True)):
                cell["class"] = [*cell.get("class", []), "num"]
    if not spans:  # with spans, a cell's place in its row is not its column
        for row in rows:
            for column, cell in enumerate(row):
                below = [other[column] for other in body if column < len(other)]
                if cell.get("scope") == "col" and any("num" in c.get("class", []) for c in below):
                    cell["class"] = [*cell.get("class", []), "num"]
    box = soup.new_tag(
        "div",
        attrs={
            "class": "scroll",
            "role": "group",
            "tabindex": "0",
            "aria-label": f"Table: {label}",
        },
    )
    table.wrap(box)


def _dress(soup: BeautifulSoup) -> None:
    for style in soup.find_all("style"):  # pandas brings one with every table
        style.decompose()
    for table in soup.find_all("table"):
        if table.find_parent(class_="scroll"):
            continue
        figure = table.find_parent("figure")
        name = figure.find(["b", "strong"]) if figure else None
        folded = table.find_parent("details")
        label = name or (folded and folded.summary) or table.find_previous(links.HEADING)
        _dress_table(soup, table, label.get_text(" ", strip=True) if label else "data")


def _number(chapter: str) -> int:
    return int(chapter.partition("_")[0])


def read_chapter(run: Run, notebook: Path) -> Chapter:
    """Turn an executed notebook into a section of the page.

    Raises
    ------
    FormulaError
        If a formula of its markdown cannot be drawn; the message names the run and the cell.
    """
    content = nbformat.read(notebook, as_version=4)
    for number, cell in enumerate(content.cells, start=1):
        cell.id = f"{run.slug}-{number}"[-64:]  # notebooks made from one another share cell ids
        if cell.cell_type == "markdown":
            try:  # once more below, but only here is it known which cell it is
                MarkdownWithMath(renderer=_Renderer(escape=False)).render(cell.source)
            except mathml.FormulaError as error:
                raise mathml.FormulaError(f"{run.name}, cell {number}: {error}") from None
    content.metadata.pop("widgets", None)
    fragment, _ = ChapterExporter().from_notebook_node(
        content, resources={"parameters": parameters_table(run)}
    )
    soup = BeautifulSoup(fragment, "html.parser")
    _dress(soup)
    title, sections = links.number_headings(soup, run.slug, _number(run.chapter), run.dataset)
    if title is None:
        title = _plain_title(run)
        heading = soup.new_tag("h2", id=run.slug)
        heading.string = title
        soup.insert(0, heading)
    return Chapter(run, title=title, sections=sections, soup=soup)


def _plain_title(run: Run) -> str:
    words = run.chapter.partition("_")[2].replace("_", " ").capitalize() or run.chapter
    return f"{_number(run.chapter)}. {words}" + (f" · {run.dataset}" if run.dataset else "")


def failed_chapter(run: Run, cell: str, error: str) -> Chapter:
    """Put a visible box in the place of a chapter that failed."""
    title = _plain_title(run)
    html = (
        f'<h2 id="{run.slug}">{escape(title)}</h2><div class="failure" role="note">'
        f"<p><strong>This chapter failed</strong> at {escape(cell)}, and its results are "
        f"missing here.</p><pre>{escape(error)}</pre></div>"
    )
    return Chapter(run, title=title, failed=True, soup=BeautifulSoup(html, "html.parser"))
