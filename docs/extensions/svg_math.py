"""Formulas as inline SVG, drawn while the site is built: pages need no network and no script to show them."""

from html import escape

import ziamath
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.writers.html import HTMLTranslator

INLINE_SIZE, DISPLAY_SIZE = 17, 18


def svg(latex: str, *, inline: bool) -> str:
    """Return the formula as an SVG element in the colour of the text around it; inline, on the text's base line."""
    drawn = ziamath.Latex(latex.replace("\n", " "), size=INLINE_SIZE if inline else DISPLAY_SIZE, inline=inline,
                          color="currentColor")
    style = f' style="vertical-align: {drawn.getyofst():.2f}px"' if inline else ""
    return drawn.svg().replace("<svg ", f'<svg role="img" aria-label="{escape(latex)}"{style} ', 1)


def visit_math(self: HTMLTranslator, node: nodes.math) -> None:
    """Write a formula within a line."""
    self.body.append(f'<span class="formula">{svg(node.astext(), inline=True)}</span>')
    raise nodes.SkipNode


def visit_math_block(self: HTMLTranslator, node: nodes.math_block) -> None:
    """Write a formula on a line of its own."""
    self.body.append(f'<div class="formula">{svg(node.astext(), inline=False)}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer."""
    app.add_html_math_renderer("svg", (visit_math, None), (visit_math_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
