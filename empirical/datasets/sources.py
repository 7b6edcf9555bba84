"""Where the files of a data set are looked for: the user's folder, the cache, the system's, then the network.

pooch is imported where it is used: it is slow to import, and `--help` needs the names of the data sets only.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple, Protocol

from empirical.datasets.raw import RawImages, Size
from theory.errors import UserError

CACHE = "patchmosaic"
TIMEOUT = 30  # seconds that a server may be silent


class DatasetNotFound(UserError):
    """Say that a data set, or a split of it, is not there; one that is there and broken is another UserError."""


class DatasetSource(Protocol):
    """A data set in files: where they are, and what is in them."""

    def files(self, data_dir: str | Path | None, split: str) -> list[Path]:
        """Return the files of "train" or "test", looked for in `data_dir` first; raise DatasetNotFound without them."""

    def read(self, files: list[Path], split: str, size: Size) -> RawImages:
        """Return their images, of that size, and what belongs to them; raise a UserError for what cannot be read."""


class Download(NamedTuple):
    """Mirrors of one file, tried in turn, and its checksum as pooch writes it, "sha256:..."."""

    urls: tuple[str, ...]
    checksum: str


def cache_folder() -> Path:
    """Return $XDG_CACHE_HOME/patchmosaic, or what the system has for it."""
    import pooch

    return Path(pooch.os_cache(CACHE))


def find(dataset: str, names: tuple[str, ...], data_dir: str | Path | None, folders: tuple[str, ...],
         download: Download | None) -> Path:
    """Return the first of `names` in data_dir or the cache, at their top or in one of `folders`; else fetch it.

    DatasetNotFound, if there is none and it cannot be fetched: which file to put where.
    """
    tops = [Path(top) for top in (data_dir, cache_folder() / dataset) if top is not None]
    for folder in [top / below for top in tops for below in ("", *folders)]:
        for name in names:
            if (folder / name).is_file():
                return folder / name
    if download is None:
        raise DatasetNotFound(f"{dataset}: found no {names[0]}, want it in --data-dir or in {tops[-1]}")
    return fetch(dataset, names[-1], download)


def fetch(dataset: str, name: str, download: Download) -> Path:
    """Download one file into the cache, checked; raise DatasetNotFound if no mirror gives it."""
    import pooch

    pooch.get_logger().setLevel("WARNING")
    folder, reasons = cache_folder() / dataset, []
    downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=TIMEOUT)
    for url in download.urls:
        try:
            return Path(pooch.retrieve(url, download.checksum, fname=name, path=folder, downloader=downloader))
        except OSError as error:
            reasons.append(f"{type(error).__name__} at {url}")
        except ValueError:
            reasons.append(f"not {download.checksum} at {url}")
    raise DatasetNotFound(f"{dataset}: found no {name}, want it in --data-dir or in {folder}; "
                          f"it could not be fetched ({', '.join(reasons)})")
