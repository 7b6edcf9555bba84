"""The documentation's build: sphinx-build -W -b html docs docs/_build/html"""

import importlib.metadata
import re
import sys
from pathlib import Path

import torch

import empirical.networks  # noqa: F401 -- so that torch knows ours

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "patchmosaic"
author = copyright = "the patchmosaic developers"
version = release = importlib.metadata.version("patchmosaic")

extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc",
              "sphinx_gallery.gen_gallery", "svg_math"]
exclude_patterns = ["_build", "examples", "tables", "sg_execution_times.rst"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
suppress_warnings = ["toc.not_included"]  # a page may be reached by a link alone
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
default_role = "code"

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_preserve_defaults = True
autodoc_typehints = "signature"
numpydoc_class_members_toctree = False
numpydoc_citation_re = r"[0-9]+"  # others are keys of the one bibliography, in `theory`
numpydoc_show_inherited_class_members = {  # of a network not the hundred of torch
    f"{network.__module__}.{network.__qualname__}": False for network in torch.nn.Module.__subclasses__()}

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"plot_",
    "abort_on_example_error": True,
    "show_memory": False,
    "capture_repr": ("_repr_html_",),  # not the empty list that a call of matplotlib returns
    "write_computation_times": False,  # its page would fetch scripts
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "reference_url": {"patchmosaic": None},
}

html_theme = "pydata_sphinx_theme"
WIDE = "results/attention", "results/toy-networks"  # pages of wide tables, without a list of their sections
html_theme_options = {"show_toc_level": 2, "navigation_with_keys": True,
                      "secondary_sidebar_items": {"**": ["page-toc"]} | dict.fromkeys(WIDE, [])}
html_static_path = ["static"]
html_css_files = ["site.css"]
html_title = "patchmosaic"
html_show_sourcelink = False

SPECIAL = re.compile(r"([\\*|_<>])")
SECTION = re.compile(r"-{3,}\s*$")


def with_literal_formulas(lines):
    """Return the lines in which indented blocks before the first section, aligned formulas, stand as they are."""
    found, inside = [], False
    first = next((i - 1 for i, line in enumerate(lines) if SECTION.match(line)), len(lines))
    for i, line in enumerate(lines):
        indented = i < first and line.startswith("    ") and (inside or not lines[i - 1].strip())
        literal = any(part.rstrip().endswith("::") or part.startswith("..") for part in [*found, ""][-3:])
        if indented and not inside and not literal:
            found += ["::", ""]
        if inside and line.strip() and not line.startswith("    "):
            found.append("")
        inside = indented or (inside and not line.strip())
        found.append(line)
    return found


def plain(app, what, name, obj, options, lines):
    """Take docstrings without numpydoc sections as plain text: the first paragraph as prose, the rest as it stands."""
    if name == "theory":
        return
    if any(SECTION.match(line) for line in lines):
        lines[:] = with_literal_formulas(lines)
        return
    end = lines.index("") if "" in lines else len(lines)
    prose = " ".join(line.strip() for line in lines[:end]).split("`")
    rest = lines[end:]
    lines[:] = ["".join(f"``{part}``" if i % 2 else SPECIAL.sub(r"\\\1", part) for i, part in enumerate(prose))]
    if any(line.strip() for line in rest):
        lines += ["", "::", "", *(f"    {line}" for line in rest), ""]


def unmarked(app, what, name, obj, options, lines):
    """Without numpydoc's comment that it was here, which breaks paragraphs of one line."""
    lines[:] = [line for line in lines if line != ".." and "!! processed by numpydoc !!" not in line]


def setup(app):
    app.connect("autodoc-process-docstring", plain, priority=400)     # before numpydoc, which adds the methods' tables
    app.connect("autodoc-process-docstring", unmarked, priority=600)
