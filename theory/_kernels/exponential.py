"""exp(x) as straight-line arithmetic in either precision, so that a loop over it becomes vector code.

numba's wheels carry no vector maths library: math.exp is a scalar call, and a loop with it stays scalar.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

f32 = np.float32


@intrinsic
def _bits(typingctx, x):
    """The bits of a float64 or float32 as an integer of its size."""
    integer = types.int64 if x == types.float64 else types.int32

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(integer.bitwidth))

    return integer(x), codegen


@intrinsic
def _from_bits(typingctx, n):
    """The float that has the bits of an int64 or int32."""
    real, name = (types.float64, ir.DoubleType()) if n == types.int64 else (types.float32, ir.FloatType())

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], name)

    return real(n), codegen


def exp(x):
    """exp(x) within 4e-16 (float64, |x| <= 700) or 2e-7 (float32, |x| <= 87) of itself; the smallest normal below.

    x = n ln 2 + r with |r| <= ln 2 / 2: a Taylor polynomial in r, and 2^n by its exponent bits. Adding 1.5 * 2^52
    (1.5 * 2^23) rounds x / ln 2 to the integer n and leaves n in the low bits of the sum; ln 2 is taken in two parts,
    the first short enough that n times it has no rounding.
    """
    raise NotImplementedError("for compiled code only")


@overload(exp, inline="always")
def _exp(x):
    if x == types.float64:

        def double(x):
            x = x if x > -708.0 else -708.0
            shifted = x * 1.4426950408889634 + 6755399441055744.0
            n = shifted - 6755399441055744.0
            r = (x - n * 0.693147180369123816490) - n * 1.90821492927058770002e-10
            p = 2.08767569878681e-09
            p = p * r + 2.505210838544172e-08
            p = p * r + 2.755731922398589e-07
            p = p * r + 2.7557319223985893e-06
            p = p * r + 2.48015873015873e-05
            p = p * r + 0.0001984126984126984
            p = p * r + 0.001388888888888889
            p = p * r + 0.008333333333333333
            p = p * r + 0.041666666666666664
            p = p * r + 0.16666666666666666
            p = p * r + 0.5
            p = p * r + 1.0
            p = p * r + 1.0
            return p * _from_bits((_bits(shifted) + np.int64(1023)) << np.int64(52))

        return double

    def single(x):
        x = x if x > f32(-87.3) else f32(-87.3)
        shifted = x * f32(1.44269504) + f32(12582912.0)
        n = shifted - f32(12582912.0)
        r = (x - n * f32(0.693359375)) + n * f32(2.12194440e-4)
        p = f32(0.001388888888888889)
        p = p * r + f32(0.008333333333333333)
        p = p * r + f32(0.041666666666666664)
        p = p * r + f32(0.16666666666666666)
        p = p * r + f32(0.5)
        p = p * r + f32(1.0)
        p = p * r + f32(1.0)
        return p * _from_bits(np.int32((_bits(shifted) + np.int32(127)) << np.int32(23)))

    return single
