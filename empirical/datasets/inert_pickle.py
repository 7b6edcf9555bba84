"""Pickled arrays of bytes read without executing anything: `pickle` with an allow-list of names, all of them inert.

What is allowed are the four names that an array of numpy is pickled by, and they stand for the functions below, which
only look at what they are given. Everything else is refused, before it is imported.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from typing import Any

import numpy as np

from theory.errors import UserError

LIMIT = 2**28  # bytes of a pickle; a batch of CIFAR-10 has 31 million
MOST_REFERENCES = 32  # back to what was there before; many of them make a few bytes an endless tree
MOST_MEMORIES = 10**6  # pickle makes room for the highest number of one


class _Array:
    """Take an array's state, which must be that of bytes, as `value`."""

    def __init__(self, *_):
        self.value = None

    def __setstate__(self, state):
        _, shape, dtype, fortran, content = state
        if not isinstance(dtype, _Dtype) or dtype.name != "u1":
            raise UserError("got an array of another dtype, want bytes ('u1')")
        content = content.encode("latin-1") if isinstance(content, str) else content
        self.value = np.frombuffer(content, np.uint8).reshape(shape, order="F" if fortran else "C")


class _Dtype:
    def __init__(self, name, *_):
        self.name = name

    def __setstate__(self, state):
        """Leave the byte order: bytes have none."""


def _encode(text: str, _: str) -> bytes:
    return text.encode("latin-1")  # how Python 3 writes bytes in protocol 2


ALLOWED = {("numpy", "ndarray"): _Array, ("numpy", "dtype"): _Dtype, ("_codecs", "encode"): _encode,
           ("numpy.core.multiarray", "_reconstruct"): _Array, ("numpy._core.multiarray", "_reconstruct"): _Array}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise UserError(f"got a pickle that asks for {module[:40]}.{name[:40]}, want plain data and arrays of "
                            "bytes")
        return ALLOWED[module, name]


def loads(content: bytes) -> Any:
    """Return the data of a pickle, arrays of bytes as `numpy.ndarray` at the top level of a dict.

    Python 2's byte strings come as str, decoded as latin-1.

    Raises
    ------
    UserError
        It is broken, too large, or needs more than plain data and arrays of bytes.
    """
    if len(content) > LIMIT:
        raise UserError(f"got a pickle of {len(content)} bytes, want at most {LIMIT}")
    try:
        _check(content)
        data = _Unpickler(io.BytesIO(content), encoding="latin1").load()
    except UserError:
        raise
    except Exception as error:  # a broken pickle makes pickle raise nearly anything
        raise UserError(f"got a broken pickle ({type(error).__name__}), want a whole one") from error
    if isinstance(data, dict):
        return {key: value.value if isinstance(value, _Array) else value for key, value in data.items()}
    return data


def _check(content: bytes) -> None:
    """Raise a UserError for a pickle of a few bytes that would need a lot of time or memory."""
    references = 0
    for opcode, value, _ in pickletools.genops(content):
        references += "GET" in opcode.name or opcode.name == "DUP"
        if references > MOST_REFERENCES or ("PUT" in opcode.name and value > MOST_MEMORIES):
            raise UserError("got a pickle that repeats itself, want plain data and arrays of bytes")
