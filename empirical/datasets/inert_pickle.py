"""Pickles read without executing them: a stack machine over pickletools' opcodes that builds data and calls nothing.

Where a pickle would import or call something, there is a `Call` that says what it asked for. Arrays are then made from
the one call that numpy's arrays are (`numpy.core.multiarray._reconstruct`, filled by BUILD).
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from typing import Any

import numpy as np

from theory.errors import UserError

CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
VALUES = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
          "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES", "GLOBAL"}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
RECONSTRUCT = ("numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct")


@dataclass
class Call:
    """What a pickle wanted called: `function` with `arguments`, its result then given `state`."""

    function: Any
    arguments: tuple
    state: Any = None


def loads(content: bytes) -> Any:
    """The data of a pickle. UserError if it is broken or needs more than plain data and calls that are not made.

    Python 2's byte strings come as str, decoded as latin-1.
    """
    try:
        return _run(content)
    except (IndexError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"pickle: got a broken one ({type(error).__name__}: {error})") from error


def _run(content: bytes) -> Any:
    stack, marks, memo = [], [], {}

    def since_mark() -> list:
        at = marks.pop()
        items = stack[at:]
        del stack[at:]
        return items

    for opcode, value, _ in pickletools.genops(content):
        name = opcode.name
        if name in VALUES:
            stack.append(value)
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name])
        elif name in EMPTY:
            stack.append(EMPTY[name]())
        elif name == "MARK":
            marks.append(len(stack))
        elif name in TUPLES:
            items = [stack.pop() for _ in range(TUPLES[name])]
            stack.append(tuple(reversed(items)))
        elif name in ("TUPLE", "LIST"):
            stack.append((tuple if name == "TUPLE" else list)(since_mark()))
        elif name in ("APPEND", "APPENDS"):
            items = since_mark() if name == "APPENDS" else [stack.pop()]
            stack[-1].extend(items)
        elif name in ("SETITEM", "SETITEMS", "DICT"):
            items = [stack.pop(-2), stack.pop()] if name == "SETITEM" else since_mark()
            if name == "DICT":
                stack.append({})
            stack[-1].update(zip(items[::2], items[1::2]))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            memo[value] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[value])
        elif name == "STACK_GLOBAL":
            attribute, module = stack.pop(), stack.pop()
            stack.append(f"{module} {attribute}")
        elif name == "REDUCE":
            arguments, function = stack.pop(), stack.pop()
            stack.append(Call(function, arguments))
        elif name == "BUILD":
            state = stack.pop()
            stack[-1].state = state
        elif name not in ("PROTO", "FRAME", "STOP"):
            raise UserError(f"pickle: got opcode {name}, want plain data and arrays")
    return stack.pop()


def array(call: Any) -> np.ndarray:
    """The uint8 array that a call stands for. UserError if it is anything else."""
    if not isinstance(call, Call) or call.function not in RECONSTRUCT or call.state is None:
        raise UserError(f"pickle: got {str(call)[:60]!r}, want a numpy array")
    _, shape, dtype, fortran, content = call.state
    if not isinstance(dtype, Call) or dtype.function != "numpy dtype" or dtype.arguments[0] != "u1":
        raise UserError(f"pickle: got an array of {str(dtype)[:60]!r}, want bytes ('u1')")
    if isinstance(content, Call) and content.function == "_codecs encode":  # how Python 3 writes bytes in protocol 2
        content = content.arguments[0]
    if isinstance(content, str):
        content = content.encode("latin-1")
    if len(content) != np.prod(shape, dtype=np.int64):
        raise UserError(f"pickle: got {len(content)} bytes for an array of shape {shape}")
    return np.frombuffer(content, np.uint8).reshape(shape, order="F" if fortran else "C")
