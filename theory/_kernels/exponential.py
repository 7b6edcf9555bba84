"""exp(x) for x <= 0 as straight-line arithmetic, so that a loop over it becomes vector code.

numba's wheels carry no vector maths library: math.exp is a scalar call, and a loop with it stays scalar.
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from theory._kernels.numerics import FASTMATH

LOG2_E = 1.4426950408889634
LN2_HIGH = 0.693147180369123816490  # ln 2 in two parts, the first exact in 33 bits: n * LN2_HIGH has no rounding
LN2_LOW = 1.90821492927058770002e-10
MAGIC = 6755399441055744.0  # 1.5 * 2^52: adding it rounds to an integer, left in the low bits of the mantissa
SMALLEST = -708.0  # exp(-708) is the smallest normal number's neighbourhood; below it the answer is taken there


@intrinsic
def _bits(typingctx, x):
    """The 64 bits of a float64 as an int64."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(64))

    return types.int64(types.float64), codegen


@intrinsic
def _from_bits(typingctx, n):
    """The float64 that has the 64 bits of an int64."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), codegen


@njit(fastmath=FASTMATH, inline="always")
def exp_negative(x):
    """exp(x), x <= 0, float64, relative error below 4e-16; exp(-708) = 3e-308 for every smaller x."""
    x = x if x > SMALLEST else SMALLEST
    shifted = x * LOG2_E + MAGIC
    n = shifted - MAGIC  # the integer nearest to x / ln 2
    r = (x - n * LN2_HIGH) - n * LN2_LOW  # |r| <= ln 2 / 2
    p = 2.08767569878681e-09  # 1/12!, ..., 1/2!, 1, 1: the remainder is below r^13 / 13! = 2e-16
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
    return p * _from_bits((_bits(shifted) + np.int64(1023)) << np.int64(52))  # p 2^n
