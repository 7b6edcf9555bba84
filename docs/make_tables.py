"""Make every table of numbers on the pages, docs/tables, from the datasets: python docs/make_tables.py

Pages include these files and hold no numbers of their own; tests/test_pages.py makes them again and compares.
Intervals are 95 %. Where networks of several training seeds are taken together, a seed is the unit and the interval is
Student's t; a rate of one machine has Clopper-Pearson's.
"""

from pathlib import Path

from page_tables.attention import attention_table, seeds_table, study
from page_tables.capacity import capacity_table
from page_tables.images import IMAGES, images_table, machines_table, path_table, snapshots_table, windows_table
from page_tables.reliability import reliability_table
from page_tables.schema import schema_tables
from page_tables.select import result
from page_tables.toy import toy_agreement, toy_counts, toy_rates, toy_short

DOCS = Path(__file__).parent
ATTENTION = {"attention-toy": ("cnn-top1", "cnn-identity", "cnn-learned"), "attention-toy-gap": ("cnn-learned",)}


def tables() -> dict[str, str]:
    """Return every table, by the name of its file."""
    found = {"images.md": images_table(IMAGES), "images-short.md": images_table(IMAGES[:4] + IMAGES[5:]),
             "toy-short.txt": toy_short(), "toy-rates.md": toy_rates(), "toy-agreement.md": toy_agreement(),
             "toy-counts.md": toy_counts(), "reliability.md": reliability_table(), **schema_tables()}
    for images in IMAGES:
        name = f"{images.folder}-{images.variant}"
        found |= {f"{name}-machines.md": machines_table(images), f"{name}-path.md": path_table(images),
                  f"{name}-windows.md": windows_table(images)}
        if "snapshot_pearson_r" in result(images.folder):
            found[f"{name}-snapshots.md"] = snapshots_table(images)
    for folder, studied in ATTENTION.items():
        for variant in studied:
            found[f"{folder}-{variant}.md"] = attention_table(study(folder, variant))
    found["attention-toy-gap-cnn-learned-seeds.md"] = seeds_table(study("attention-toy-gap", "cnn-learned"))
    return found | {f"{folder}.md": capacity_table(folder) for folder in
                    ("approach-gap", "approach-toy", "approach-toy-end")}


if __name__ == "__main__":
    for name, text in tables().items():
        (DOCS / "tables" / name).write_text(text)
