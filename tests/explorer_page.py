"""A page with nothing but an explorer, of made-up images and answers."""

from __future__ import annotations

from pathlib import Path

import jinja2
import numpy as np
from bs4 import BeautifulSoup
from markupsafe import Markup

from helpers.figures.explorer import as_script, gallery_of, packed
from helpers.report import explorer
from helpers.report.check import script_hash
from helpers.report.stitch import STYLES, TEMPLATES


def block(name, shape, model, made_on, stops):
    """Two images, of the classes yes and no, which FGSM turns around from the second stop on."""
    clean = np.full((2, *shape), 100, np.uint8)
    changes = np.stack([np.full((2, *shape), 10 * k % 256, np.uint8) for k in range(len(stops))])
    right, wrong = [[900, 100], [200, 800]], [[300, 700], [750, 250]]
    series = {
        "attack": "fgsm", "label": "FGSM", "made_on": made_on, "stops": stops, "rows": [0, 1],
    }  # fmt: skip
    lbfgs = {
        "attack": "lbfgs", "label": "L-BFGS", "made_on": model, "stops": [None], "rows": [1],
    }  # fmt: skip
    accuracy = [[190 - 60 * k, 200, 0.9 - 0.3 * k, 1 - 0.3 * k] for k in range(len(stops))]
    return {
        "dataset": name, "label": f"{name} <unverified>", "classes": ["yes", "no"],
        "shape": list(shape), "epsilon": stops[1],
        "images": [{"index": 3, "y": 0}, {"index": 5, "y": 1}],
        "clean": packed(clean), "seen": {model: right},
        "attacked": [
            series | {"changes": packed(changes)},
            lbfgs | {"changes": packed(np.zeros((1, 1, *shape), np.uint8))},
        ],
        "answers": [
            series | {"model": model, "shares": [right] + [wrong] * (len(stops) - 1),
                      "accuracy": accuracy},
            lbfgs | {"model": model, "shares": [right[1:]], "accuracy": [[1, 1, 0.2, 1.0]]},
        ],
    }  # fmt: skip


def write_page(path: Path) -> Path:
    """Write the page: digits with two models, shapes with one."""
    original = "original model"
    blocks = [
        block("digits", (4, 4, 1), original, original, [0.0, 0.05, 0.1]),
        block("digits", (4, 4, 1), "ensemble of 2", "ensemble of 2", [0.0, 0.1]),
        block("digits", (4, 4, 1), "ensemble of 2", original, [0.0, 0.05, 0.1]),
        block("shapes", (4, 4, 3), original, original, [0.0, 0.2]),
    ]
    figures = [f'<figure class="explored">{gallery_of(b)}{as_script(b)}</figure>' for b in blocks]
    found = explorer.collect([BeautifulSoup("".join(figures), "html.parser")])
    loader = jinja2.FileSystemLoader(TEMPLATES)
    inside = jinja2.Environment(loader=loader, autoescape=True).get_template("explorer.html.j2")
    style, script = (
        "".join((TEMPLATES / name).read_text() for name in names)
        for names in ((*STYLES, "explorer.css"), ("explorer.js",))
    )
    path.write_text(
        f"""<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>T</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:;
style-src 'unsafe-inline'; script-src '{script_hash(script)}'; base-uri 'none'; form-action 'none'">
<style>{style}</style></head><body><main><h1>T</h1>{inside.render(explorer=found)}</main>
<script>{Markup(script)}</script></body></html>"""
    )
    return path
