"""Draw the attention study's picture, docs/images/attention-answer.png: python docs/make_study_picture.py

What closed forms and constant blends explain of a network with attention at noisy images, and how much nearer to its
drawn samples than ELS they are; mean and 95 % interval over three training seeds.
"""

from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
from page_tables.attention import FORMS, Study, above_els, at_noised, blend_r2, form_r2, study

from compare.measure import residual
from compare.measure.intervals import Interval

DOCS = Path(__file__).parent
STUDY = "attention-toy-gap"
CLOSED_FORM, NULL = "#0072b2", "#888888"
Rows = list[tuple[str, str, Interval, Interval]]


def rows_of(which: Study) -> Rows:
    """Return title, colour, explained at noised images and r2 above ELS's of each row."""
    rows = [(form.title, CLOSED_FORM, at_noised(which, form.against, residual.explained),
             above_els(which, partial(form_r2, which, form))) for form in FORMS[:4]]
    return rows + [(f"null: constant blend, w = {weight}", NULL, at_noised(which, "ideal", residual.explained),
                    above_els(which, partial(blend_r2, which, weight)))
                   for weight in which.controls.weight.values.tolist()]


def draw_points(axis: plt.Axes, rows: Rows, column: int) -> None:
    """Draw one column of intervals, the first row on top."""
    for y, row in enumerate(rows):
        found = row[2 + column]
        axis.plot([found.low, found.high], [y, y], color=row[1], linewidth=2)
        axis.plot(found.estimate, y, "o", color=row[1])
    axis.set(yticks=range(len(rows)), yticklabels=[row[0] for row in rows], ylim=(len(rows) - 0.5, -0.5))
    axis.axvline(0.0, color="black", linewidth=0.8)


def draw() -> plt.Figure:
    """Return the picture: a column a measure."""
    figure, axes = plt.subplots(1, 2, figsize=(10.5, 2.8), layout="constrained", sharey=True)
    rows = rows_of(study(STUDY, "cnn-learned"))
    for column, axis in enumerate(axes):
        draw_points(axis, rows, column)
    axes[0].set_xlabel("at noisy images: explained share of (network - ELS)")
    axes[1].set_xlabel("drawn samples: mean r2 above that of ELS")
    return figure


if __name__ == "__main__":
    draw().savefig(DOCS / "images" / "attention-answer.png", dpi=130)
