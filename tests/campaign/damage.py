"""Files that are read are cut short, emptied, flipped bit by bit or hostile: one line, or the right answer."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import pickle
import resource
import struct
import tarfile
import tempfile
import time
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
from PIL import Image
from tqdm import tqdm

from tests.campaign import FAULT
from tests.campaign.commands import Ended, forked, one_thread

SECONDS = 60.0
MEMORY = 2 * 2**30
"""Bytes that reading a damaged file may need beyond what the process has: all files here state less, or lie."""

SAME, OTHER = 0, 9
"""How a reader ends: with the answer of the whole file, or with another one."""

ANSWERS = {SAME: "the right answer", OTHER: "pixels as the file now has them"}


class Kind(NamedTuple):
    """A kind of file. make(folder): write it, and what belongs to it; returns it. read(path): a digest of what it says.

    checked: it carries a digest, so that no flipped bit may change the answer; remade: damage is no error, since what
    it says can be made again.
    """

    make: Callable[[Path], Path]
    read: Callable[[Path], str]
    checked: bool = False
    remade: bool = False


def run(seed: int, minutes: float) -> Counter:
    """Search until the minutes are over; see `tests.campaign`."""
    end, counts, tried = time.monotonic() + 60 * minutes, Counter(), 0
    with tqdm(desc="damaged files", disable=None) as bar:
        while time.monotonic() < end:
            for name in KINDS:
                counts += few(seed * 1_000_003 + tried, name, 12)
                bar.update(12)
            tried += 1
    return counts


def few(seed: int, name: str, files: int) -> Counter:
    """Damage files of a kind in so many ways: every hostile one, and the rest by chance."""
    one_thread()
    counts, kind, rng = Counter(), KINDS[name], np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as top, mock.patch.dict(os.environ, XDG_CACHE_HOME=f"{top}/cache"):
        whole = _made(kind, Path(top) / "whole")
        expected, content = kind.read(whole), whole.read_bytes()
        damaged = [*HOSTILE.get(whole.suffix, ()), *_damage(content, rng, files)]
        for i, (how, spoilt) in enumerate(damaged):
            path = _made(kind, Path(top) / str(i))
            path.write_bytes(spoilt)
            ended = forked(lambda path=path: _read(kind, path, expected), Path(top), seconds=SECONDS)
            counts[f"{name}: damaged"] += 1
            wrong = _wrong(ended, kind, how)
            counts[f"{name}: {ANSWERS.get(ended.status, 'one line')}"] += not wrong
            if wrong:
                counts[f"{FAULT}{name}, {how}, seed {seed}: {wrong}"] += 1
    return counts


def _made(kind: Kind, folder: Path) -> Path:
    folder.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kind.make(folder)


def _read(kind: Kind, path: Path, expected: str) -> int:
    """In the child: read as a command does, with little memory."""
    from compare.cli import run as command

    size = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        status = command("read", lambda: found.append(kind.read(path)))
    return status or (SAME if found == [expected] else OTHER)


def _wrong(ended: Ended, kind: Kind, how: str) -> str | None:
    lines = ended.said.strip().splitlines()
    if ended.status is None:
        return f"hangs for {SECONDS:g} s"
    if ended.status == SAME:
        return None
    if ended.status == OTHER:  # pixels have no digest of their own
        return "another answer, silently" if kind.checked or kind.remade or not how.startswith("bit") else None
    if ended.status == 2 and len(lines) == 1 and lines[0].startswith("read: error: ") and len(lines[0]) < 2000:
        return "an error, want it made again" if kind.remade else None
    return f"status {ended.status}: {(lines or ['nothing said'])[-1][:300]}"


def _damage(content: bytes, rng: np.random.Generator, count: int) -> Iterator[tuple[str, bytes]]:
    """Yield (how, what is left): nothing, cuts, flipped bits, stretches of zeros, rubbish."""
    yield "empty", b""
    for _ in range(count - 1):
        at = int(rng.integers(len(content)))
        match rng.integers(6):
            case 0:
                yield f"cut at {at}", content[:at]
            case 1:
                yield f"bit: zeros from {at}", content[:at] + bytes(min(512, len(content) - at)) + content[at + 512:]
            case 2:
                yield f"bit: {at} bytes of rubbish", rng.bytes(at)
            case 3:
                at = int(rng.integers(min(len(content), 256)))  # headers are at the front
                yield f"bit 4 of {at}", _flipped(content, at, 4)
            case 4:
                at = len(content) - 1 - int(rng.integers(min(len(content), 256)))  # or at the end
                yield f"bit 6 of {at}", _flipped(content, at, 6)
            case _:
                bit = int(rng.integers(8))
                yield f"bit {bit} of {at}", _flipped(content, at, bit)


def _flipped(content: bytes, at: int, bit: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1:]


# Hostile files, by suffix


def _npy(header: str) -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def _zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def _png(width: int, height: int) -> bytes:
    """A PNG that states so many pixels and holds none."""
    chunk = lambda kind, content: (struct.pack(">I", len(content)) + kind + content
                                   + struct.pack(">I", zlib.crc32(kind + content)))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b""))


class _Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/executed-by-a-pickle",)


HUGE = "{'descr': '|u1', 'fortran_order': False, 'shape': (4000000, 1000, 1000, 3), }"
OBJECTS = "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
DEEP = b"[" * 100_000
EVIL = pickle.dumps(_Evil())
_ENDLESS = b"\x80\x02" + b"(" + b"".join(b"(h\x00h\x00tq\x00" for _ in range(40)) + b"."

HOSTILE = {
    ".npy": [("hostile: huge shape", _npy(HUGE)), ("hostile: pickled", _npy(OBJECTS) + EVIL),
             ("hostile: deep header", _npy("(" * 5000)), ("hostile: negative", _npy(HUGE.replace("4000000", "-4")))],
    ".npz": [("hostile: huge shape", _zipped(x=_npy(HUGE), images=_npy(HUGE), code=_npy(HUGE))),
             ("hostile: pickled", _zipped(x=_npy(OBJECTS) + EVIL, images=_npy(OBJECTS) + EVIL)),
             ("hostile: another zip", _zipped(other=b"text")), ("hostile: no arrays", _zipped())],
    ".png": [("hostile: many pixels", _png(100_000, 100_000)), ("hostile: no pixels", _png(0, 0)),
             ("hostile: none inside", _png(64, 64))],
    ".json": [("hostile: deep", DEEP), ("hostile: list", b"[1]"), ("hostile: null", b"null"), ("hostile: {}", b"{}"),
              ("hostile: not UTF-8", b"\xff\xfe{}"), ("hostile: long number", b'{"a": ' + b"9" * 10_000 + b"}"),
              ("hostile: NaN", b'{"layout": NaN, "config": NaN, "network": NaN, "weights_sha256": 3}')],
    ".safetensors": [("hostile: long header", struct.pack("<Q", 2**40) + b"{}"),
                     ("hostile: deep header", struct.pack("<Q", len(DEEP)) + DEEP)],
    ".pickle": [("hostile: runs a command", EVIL), ("hostile: repeats itself", _ENDLESS),
                ("hostile: deep", b"\x80\x02" + b"]" * 10**6 + b"."),
                ("hostile: far memo", b"\x80\x02r\xff\xff\xff\xff.")],
    ".gz": [("hostile: a bomb", gzip.compress(bytes(16) + bytes(3 * 10**7)))],
}


# The kinds


def _digest(*values) -> str:
    sha = hashlib.sha256()
    for value in values:
        sha.update(value if isinstance(value, bytes) else np.ascontiguousarray(value).tobytes()
                   if isinstance(value, np.ndarray) else repr(value).encode())
    return sha.hexdigest()


def _pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def _data(name: str, **options) -> str:
    from empirical.datasets import load

    dataset = load(name, **options)
    return _digest(dataset.images, dataset.labels, dataset.classes)


def _image_file(suffix: str, **options) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        Image.fromarray(_pixels(16, 16, 3)).save(folder / f"image{suffix}", **options)
        return folder / f"image{suffix}"

    return make


def _array_file(suffix: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / f"images{suffix}"
        images = _pixels(6, 8, 8, 3)
        if suffix == ".npy":
            np.save(path, images)
        else:
            np.savez_compressed(path, x=images, y=np.arange(6) % 2)
        return path

    return make


def _idx(which: int, compressed: bool) -> Callable[[Path], Path]:
    """Images (0) or labels (1) of a small MNIST."""
    def make(folder: Path) -> Path:
        images, labels = _pixels(5, 28, 28), np.arange(5, dtype=np.uint8)
        end = ".gz" if compressed else ""
        paths = [folder / f"train-{name}{end}" for name in ("images-idx3-ubyte", "labels-idx1-ubyte")]
        for path, array in zip(paths, (images, labels)):
            content = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
            path.write_bytes(gzip.compress(content) if compressed else content)
        return paths[which]

    return make


def _cifar(folder: Path) -> Path:
    path = folder / "batch.pickle"
    path.write_bytes(pickle.dumps({"data": _pixels(3, 3072), "labels": [1, 2, 3]}, protocol=2))
    return path


def _read_cifar(path: Path) -> str:
    from empirical.datasets.cifar import CifarSource

    raw = CifarSource().read([path], "train", 32)
    return _digest(raw.images, raw.labels)


def _cifar_archive(folder: Path) -> Path:
    path, content = folder / "cifar-10-python.tar.gz", _cifar(folder).read_bytes()
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo("cifar-10-batches-py/test_batch")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return path


def _celeba(folder: Path) -> Path:
    (folder / "img_align_celeba").mkdir()
    for i in range(3):
        Image.fromarray(_pixels(16, 16, 3)).save(folder / "img_align_celeba" / f"00000{i}.jpg")
    path = folder / "list_eval_partition.txt"
    path.write_text("".join(f"00000{i}.jpg {part}\n" for i, part in enumerate((0, 0, 2))))
    return path


def _part(folder: Path) -> Path:
    from compare.study.folder import RunFolder

    run = RunFolder(folder / "run", {"a": 1})
    run.cached("part", lambda: {"images": _pixels(40, 8)})
    run.close()
    return run.part_file("part")


def _read_part(path: Path) -> str:
    from compare.study.folder import RunFolder

    run = RunFolder(path.parents[1], {"a": 1})
    try:
        return _digest(*sorted((name, values.tobytes()) for name, values in run.cached(
            "part", lambda: {"images": _pixels(40, 8)}).items()))
    finally:
        run.close()


def _run_config(folder: Path) -> Path:
    from compare.study.folder import RunFolder

    RunFolder(folder / "run", {"samples": 1, "layout": {"pairs": 2}}).close()
    return folder / "run" / "config.json"


def _read_run_config(path: Path) -> str:
    from compare.study.folder import RunFolder

    RunFolder(path.parent, {"samples": 1, "layout": {"pairs": 2}}).close()
    return "the same configuration"


def _result(folder: Path) -> Path:
    path = folder / "result.nc"
    path.write_bytes(_result_content())
    return path


@cache
def _result_content() -> bytes:
    """Made once: it takes a second."""
    from compare.result.schema import save
    from tests.compare.synthetic_results import toy_result

    with tempfile.TemporaryDirectory() as top:
        save(toy_result(), Path(top) / "result.nc")
        return (Path(top) / "result.nc").read_bytes()


def _read_result(path: Path) -> str:
    from compare.result.schema import load

    dataset = load(path)
    return _digest(*(values.values.tolist() for _, values in sorted(dataset.variables.items())),
                   sorted(dataset.attrs.items()))


def _checkpoint(suffix: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        from empirical import checkpoint
        from empirical.toy_networks import shipped

        for end in (".safetensors", ".json"):
            stem = shipped("cnn", 0)
            (folder / f"net{end}").write_bytes(stem.with_name(stem.name + end).read_bytes())
        return checkpoint._file(folder / "net", suffix)

    return make


def _read_checkpoint(path: Path) -> str:
    from compare.study.networks import load_network

    entry, fingerprint = load_network(path.with_suffix(""), "cpu")
    state = entry.denoiser.network.state_dict()
    return _digest(*(tensor.numpy() for tensor in state.values()), fingerprint, entry.variant, entry.training_seed)


def _resume_state(folder: Path) -> Path:
    import torch

    from empirical.checkpoint import save_state

    path = folder / "net.resume.safetensors"
    save_state(path, {"losses": torch.arange(50.0), "weight": torch.ones(3, 4)}, {"step": 3, "config": {"a": 1}})
    return path


def _read_resume_state(path: Path) -> str:
    from empirical.checkpoint import load_state

    tensors, record = load_state(path)
    return _digest(*(tensors[name].numpy() for name in sorted(tensors)), record)


def _layout(folder: Path) -> Path:
    from empirical.training.toy_config import TrainConfig

    path = folder / "config.json"
    path.write_text(json.dumps(TrainConfig().to_json()))
    return path


def _read_layout(path: Path) -> str:
    from empirical.training.toy_config import TrainConfig
    from theory.errors import UserError

    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: no JSON") from error
    return repr(TrainConfig.from_json(record))


def _resized(folder: Path) -> Path:
    """The kept resized images of a folder of images: found by the only file of the cache."""
    _image_file(".png")(folder)
    _read_resized(folder / "cache" / "resized" / "x.npz")
    return next((folder / "cache" / "resized").iterdir())


def _read_resized(path: Path) -> str:
    with mock.patch("empirical.datasets.cache.cache_folder", lambda: path.parents[1]):
        return _data(f"folder:{path.parents[2] / 'image.png'}", size=8)


KINDS = {
    "part of a run": Kind(_part, _read_part, checked=True, remade=True),
    "resized images": Kind(_resized, _read_resized, checked=True, remade=True),
    "config.json of a run": Kind(_run_config, _read_run_config),
    "result.nc": Kind(_result, _read_result, checked=True),
    "weights": Kind(_checkpoint(".safetensors"), _read_checkpoint, checked=True),
    "record of weights": Kind(_checkpoint(".json"), _read_checkpoint),
    "training state": Kind(_resume_state, _read_resume_state, checked=True),
    "json of a layout": Kind(_layout, _read_layout),
    "npz": Kind(_array_file(".npz"), lambda path: _data(f"npz:{path}", size=8)),
    "npy": Kind(_array_file(".npy"), lambda path: _data(f"npy:{path}", size=8)),
    "png": Kind(_image_file(".png"), lambda path: _data(f"folder:{path}", size=None)),
    "jpeg": Kind(_image_file(".jpg", quality=90), lambda path: _data(f"folder:{path}", size=None)),
    "gif": Kind(_image_file(".gif"), lambda path: _data(f"folder:{path}", size=None)),
    "tiff": Kind(_image_file(".tif"), lambda path: _data(f"folder:{path}", size=None)),
    "webp": Kind(_image_file(".webp"), lambda path: _data(f"folder:{path}", size=None)),
    "idx images": Kind(_idx(0, False), lambda path: _data("mnist", data_dir=path.parent, size=None)),
    "idx labels": Kind(_idx(1, False), lambda path: _data("mnist", data_dir=path.parent, size=None)),
    "idx images, gzip": Kind(_idx(0, True), lambda path: _data("mnist", data_dir=path.parent, size=None)),
    "cifar pickle": Kind(_cifar, _read_cifar),
    "cifar archive": Kind(_cifar_archive, lambda path: _data("cifar10", data_dir=path.parent, size=None, split="test")),
    "celeba partition": Kind(_celeba, lambda path: _data("celeba", data_dir=path.parent, size=8)),
}
