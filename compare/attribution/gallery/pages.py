"""A page for each sample, made in parallel; those that are there and would be the same are left as they are."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import xarray as xr

from compare.attribution.inspected import Inspection, subject_of
from compare.attribution.page.document import page
from compare.cli import set_threads
from empirical.atomic import write_text
from empirical.datasets import Dataset
from theory.errors import UserError

HEAD = 2_000
"""Letters at the start of a page, among which its key stands."""


def make_pages(result: xr.Dataset, training: Dataset, asked: Inspection, folder: Path, source: str,
               jobs: int) -> Iterator[bool]:
    """Write folder/sample-N.html for every sample that has images; yield for each whether it had to be made.

    jobs: processes of one thread each
    """
    asked = asked.of(result)
    key, samples = key_of(result, asked), samples_of(result)
    missing = [sample for sample in samples if not _is_there(path_of(folder, sample), key)]
    yield from (False for _ in range(len(samples) - len(missing)))
    state = result, training, asked, folder, source, key, samples
    if jobs == 1 or len(missing) < 2:
        for sample in missing:
            yield _make(state, sample)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(missing)), context, _start, (state,)) as pool:
        yield from pool.map(_make_here, missing)


def samples_of(result: xr.Dataset) -> list[int]:
    """Return the samples whose images the result holds. UserError: none."""
    samples = result.sample.values[: result.attrs.get("images_kept")].tolist()
    if not samples:
        raise UserError("result: got no sample with images, want one")
    return samples


def path_of(folder: Path, sample: int) -> Path:
    """Return the page of a sample."""
    return folder / f"sample-{sample}.html"


def key_of(result: xr.Dataset, asked: Inspection) -> str:
    """Return by what a page is known: the result's record and what is asked of it."""
    record = [result.attrs[name] for name in ("created_at", "config_json", "data_fingerprint", "versions_json")]
    return hashlib.sha256(json.dumps([*record, *asked]).encode()).hexdigest()[:16]


def _is_there(path: Path, key: str) -> bool:
    if not path.is_file():
        return False
    with path.open(encoding="utf-8") as file:
        return f'<meta name="patchmosaic" content="{key}">' in file.read(HEAD)


def _make(state: tuple, sample: int) -> bool:
    result, training, asked, folder, source, key, samples = state
    text = page(subject_of(result, sample, training, asked, source=source), _links(samples, sample), key)
    write_text(path_of(folder, sample), text)
    return True


def _links(samples: Sequence[int], sample: int) -> str:
    """To the index and the neighbours, as HTML."""
    at = list(samples).index(sample)
    link = lambda file, text, rel: f'<a href="{file}" rel="{rel}">{text}</a>'
    near = [(at - 1, "prev", "Previous: sample"), (at + 1, "next", "Next: sample")]
    neighbours = [link(path_of(Path(), samples[i]), f"{text} {samples[i]}", rel) for i, rel, text in near
                  if 0 <= i < len(samples)]
    return (f'<nav id="links" aria-label="Gallery">{link("index.html", "All samples", "index")}'
            f'{"".join(neighbours)}</nav>')


_state: tuple


def _start(state: tuple) -> None:
    """In a process of the pool, once."""
    global _state
    _state = state
    set_threads(1)


def _make_here(sample: int) -> bool:
    return _make(_state, sample)
