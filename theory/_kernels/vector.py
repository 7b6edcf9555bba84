"""Vectors of 64 bytes as numba values: sixteen float32 or eight float64, whatever the processor's registers are.

Loops that numba leaves to the compiler's vectoriser come out scalar, or half as wide, at the compiler's discretion, and
every array passed on costs reference counts. Here a kernel says what it means: `pointer(array)` once, then `load`,
`store`, `fma`, `+ - *`, `larger`, `exp2` on whole vectors, `total` and `largest` across one. LLVM turns a vector into
one 512-bit register, two of 256 bits or four of 128. The order of a sum is fixed by the code, not by the processor.
"""

import math
import operator

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic, models, overload, register_model

from theory._kernels.cache import renamed

BYTES = 64


class Vector(types.Type):
    """The numba type of a vector of float32 or float64."""

    def __init__(self, dtype):
        self.dtype, self.lanes = dtype, BYTES * 8 // dtype.bitwidth
        super().__init__(f"Vector({dtype} x {self.lanes})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, vector):
        element = ir.FloatType() if vector.dtype == types.float32 else ir.DoubleType()
        super().__init__(manager, vector, ir.VectorType(element, vector.lanes))


@intrinsic
def own_frame(typingctx):
    """Give the function that calls this a stack frame of its own, aligned like a vector.

    A loop that needs more registers than there are keeps some vectors on the stack. Where these lie across two lines of
    the cache, or two pages, they take several times as long; whether they do would depend on who calls the kernel.
    """

    def codegen(context, builder, signature, args):
        builder.function.attributes.add("noinline")
        builder.function.attributes.alignstack = BYTES
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def pointer(typingctx, array):
    """Where the numbers of a C-contiguous array begin."""
    if array.layout != "C":
        raise TypingError(f"pointer: got {array}, want a C-contiguous array")

    def codegen(context, builder, signature, args):
        return context.make_array(signature.args[0])(context, builder, args[0]).data

    return types.CPointer(array.dtype)(array), codegen


@intrinsic
def at(typingctx, place, i):
    """The pointer i numbers further on."""
    return place(place, types.intp), lambda context, builder, signature, args: builder.gep(args[0], [args[1]])


@intrinsic
def item(typingctx, place, i):
    """The number at place + i."""

    def codegen(context, builder, signature, args):
        return builder.load(builder.gep(args[0], [args[1]]))

    return place.dtype(place, types.intp), codegen


@intrinsic
def put(typingctx, place, i, x):
    """Make x the number at place + i."""

    def codegen(context, builder, signature, args):
        number = context.cast(builder, args[2], signature.args[2], place.dtype)
        builder.store(number, builder.gep(args[0], [args[1]]))
        return context.get_dummy_value()

    return types.void(place, types.intp, x), codegen


@intrinsic
def lanes(typingctx, place):
    """Numbers in a vector of what is pointed at."""
    count = Vector(place.dtype).lanes
    return types.intp(place), lambda context, builder, signature, args: context.get_constant(types.intp, count)


def _vector_at(context, builder, vector, place, i):
    return builder.bitcast(builder.gep(place, [i]), context.get_value_type(vector).as_pointer())


@intrinsic
def load(typingctx, place, i):
    """The vector at place + i, aligned like a number."""
    vector = Vector(place.dtype)

    def codegen(context, builder, signature, args):
        return builder.load(_vector_at(context, builder, vector, *args), align=place.dtype.bitwidth // 8)

    return vector(place, types.intp), codegen


@intrinsic
def store(typingctx, place, i, vector):
    """Put a vector at place + i."""

    def codegen(context, builder, signature, args):
        builder.store(args[2], _vector_at(context, builder, vector, *args[:2]), align=place.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(place, types.intp, vector), codegen


@intrinsic
def splat(typingctx, place, x):
    """A vector of the kind that is pointed at, with x in every lane."""
    vector = Vector(place.dtype)

    def codegen(context, builder, signature, args):
        kind = context.get_value_type(vector)
        number = context.cast(builder, args[1], signature.args[1], place.dtype)
        nothing = ir.Constant(kind, ir.Undefined)
        first = builder.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0))
        return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(ir.IntType(32), kind.count), None))

    return vector(place, x), codegen


def _constant(kind, value):
    return ir.Constant(kind, [ir.Constant(kind.element, value)] * kind.count)


def _filled(value):
    @intrinsic
    def make(typingctx, place):
        vector = Vector(place.dtype)

        def codegen(context, builder, signature, args):
            return _constant(context.get_value_type(vector), value)

        return vector(place), codegen

    return make


zeros = _filled(0.0)
lowest = _filled(-math.inf)
"""zeros(place), lowest(place): a vector of 0, of minus infinity, of the kind that is pointed at."""


def _fused(builder, a, b, c):
    kind = a.type
    name = f"llvm.fma.v{kind.count}f{32 if isinstance(kind.element, ir.FloatType) else 64}"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name)
    return builder.call(function, [a, b, c])


@intrinsic
def fma(typingctx, a, b, c):
    """a * b + c in one rounding."""
    return a(a, b, c), lambda context, builder, signature, args: _fused(builder, *args)


def _larger(builder, a, b):
    return builder.select(builder.fcmp_ordered(">", a, b), a, b)


@intrinsic
def larger(typingctx, a, b):
    """The larger of a and b, lane by lane."""
    return a(a, b), lambda context, builder, signature, args: _larger(builder, *args)


def _lane_by_lane(symbol, instruction):
    @intrinsic
    def apply(typingctx, a, b):
        return a(a, b), lambda context, builder, signature, args: getattr(builder, instruction)(*args)

    @overload(symbol)
    def _(a, b):
        if isinstance(a, Vector) and a == b:
            return renamed(lambda a, b: apply(a, b), instruction)


for _symbol, _instruction in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul")):
    _lane_by_lane(_symbol, _instruction)


@intrinsic
def any_above(typingctx, a, b):
    """Whether some lane of a exceeds that of b."""

    def codegen(context, builder, signature, args):
        above = builder.fcmp_ordered(">", *args)
        bits = builder.bitcast(above, ir.IntType(above.type.count))
        return builder.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0))

    return types.boolean(a, b), codegen


def _across(builder, vector, combine):
    """Halve the vector until one number is left."""
    nothing, count = ir.Constant(vector.type, ir.Undefined), vector.type.count
    while count > 1:
        count //= 2
        halves = [ir.Constant(ir.VectorType(ir.IntType(32), count), list(range(s, s + count))) for s in (0, count)]
        low, high = (builder.shuffle_vector(vector, nothing, half) for half in halves)
        vector = combine(builder, low, high)
        nothing = ir.Constant(vector.type, ir.Undefined)
    return builder.extract_element(vector, ir.Constant(ir.IntType(32), 0))


@intrinsic
def total(typingctx, a):
    """The sum of the lanes, in pairs."""
    return a.dtype(a), lambda context, builder, signature, args: _across(builder, args[0], lambda b, x, y: b.fadd(x, y))


@intrinsic
def largest(typingctx, a):
    """The largest lane."""
    return a.dtype(a), lambda context, builder, signature, args: _across(builder, args[0], _larger)


# Rounding constant, shift to the exponent, smallest exponent taken, and the polynomial for 2^r, highest power first.
_EXP2 = {
    types.float32: (1.5 * 2.0**23, 23, -100.0,
                    (0.00132764641, 0.00967554127, 0.055507133, 0.240221197, 0.693146967, 1.00000007)),
    types.float64: (1.5 * 2.0**52, 52, -1000.0,
                    tuple(math.log(2.0) ** k / math.factorial(k) for k in range(13, -1, -1))),
}


@intrinsic
def exp2(typingctx, a):
    """2^a, a <= 126, within 3e-7 (float32) or 4e-16 (float64) of itself; 2^-100 or 2^-1000 for what is below.

    a = n + r, |r| <= 1/2: adding 1.5 * 2^23 (1.5 * 2^52) rounds a to the integer n and leaves n in the low bits of the
    sum, from where a shift puts it into the exponent of the polynomial's value.
    """
    magic, shift, smallest, coefficients = _EXP2[a.dtype]

    def codegen(context, builder, signature, args):
        x = args[0]
        kind = x.type
        integers = ir.VectorType(ir.IntType(a.dtype.bitwidth), kind.count)
        constant = lambda value: _constant(kind, value)
        x = _larger(builder, x, constant(smallest))
        rounded = builder.fadd(x, constant(magic))
        r = builder.fsub(x, builder.fsub(rounded, constant(magic)))
        p = constant(coefficients[0])
        for coefficient in coefficients[1:]:
            p = _fused(builder, p, r, constant(coefficient))
        places = ir.Constant(integers, [ir.Constant(integers.element, shift)] * kind.count)
        exponent = builder.shl(builder.bitcast(rounded, integers), places)
        return builder.bitcast(builder.add(builder.bitcast(p, integers), exponent), kind)

    return a(a), codegen


@njit
def aligned(count, dtype):
    """An uninitialised array of `count` numbers that begins at a multiple of a vector's size: no load crosses lines."""
    array = np.empty(count + BYTES, dtype)
    first = (-array.ctypes.data % BYTES) // array.itemsize
    return array[first : first + count]
