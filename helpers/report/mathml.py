"""Formulas of the notebooks' markdown, as MathML that browsers draw without any script."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from html import escape

NAMESPACE = "{http://www.w3.org/1998/Math/MathML}"
# Elements with a fixed number of children: latex2mathml accepts a \frac with one argument.
ARITY = {
    "mfrac": 2,
    "msub": 2,
    "msup": 2,
    "msubsup": 3,
    "mover": 2,
    "munder": 2,
    "munderover": 3,
    "mroot": 2,
}
STRAY = {
    "&": "an & outside of an environment that aligns (matrix, cases, align)",
    "{": "an unbalanced brace",
    "}": "an unbalanced brace",
}


class FormulaError(ValueError):
    """A formula that would not be drawn as it was written."""


def _faults(tree: ElementTree.Element) -> list[str]:
    faults = []
    for element in tree.iter():
        name, text = element.tag.removeprefix(NAMESPACE), element.text or ""
        if name in ("mi", "mo", "mn") and text.startswith("\\"):
            faults.append(f"the command {text} is not known")
        elif name == "mtext" and "\\" in text:
            faults.append(f"the text {text!r} shows its backslash")
        elif name == "mi" and text.strip() in STRAY:
            faults.append(STRAY[text.strip()])
        if name in ARITY and len(element) != ARITY[name]:
            faults.append(f"{len(element)} instead of {ARITY[name]} parts in a {name}")
        variant = element.get("mathvariant", "normal")
        if name == "mi" and variant != "normal":
            faults.append(
                f"browsers do not draw the variant {variant}; use \\mathbf, \\mathrm, "
                "\\mathcal or \\mathbb"
            )
    return faults


def render(latex: str, *, block: bool = False) -> str:
    r"""Turn a formula into a ``<math>`` element.

    Parameters
    ----------
    latex
        The formula, without its dollar signs.
    block
        Whether it stands on a line of its own.

    Raises
    ------
    FormulaError
        If the formula cannot be read, or anything in it would be shown as its source:
        latex2mathml passes an unknown ``\foo``, a stray ``&`` and ``\frac{1`` without a word.
    """
    from latex2mathml import converter

    latex = latex.strip()
    unescaped = re.sub(r"\\[{}\\]", "", latex)
    if unescaped.count("{") != unescaped.count("}"):
        raise FormulaError(f"formula {latex!r}: an unbalanced brace")
    try:
        text = converter.convert(latex, display="block" if block else "inline")
        tree = ElementTree.fromstring(re.sub(r"&(?!#?\w+;)", "&amp;", text))
    except ElementTree.ParseError as error:
        raise FormulaError(f"formula {latex!r}: {error}") from None
    except Exception as error:  # latex2mathml has twenty kinds of error with no common parent
        told = f"{type(error).__name__} {error}".strip()
        raise FormulaError(f"formula {latex!r} cannot be read: {told}") from None
    faults = _faults(tree)
    if faults:
        raise FormulaError(f"formula {latex!r}: " + "; ".join(dict.fromkeys(faults)))
    return text.replace("<math ", f'<math alttext="{escape(latex)}" ', 1)
