"""Every numerical choice of the kernels, in one place."""

LANES = 16
"""Images in a block, innermost in memory: one cache line of float32, two of float64."""

FASTMATH = {"contract"}
"""The only liberty given to the compiler: a * b + c in one rounding. Sums keep their order, NaN its meaning."""

CHUNKS = 16
"""Parts that a scan is split into, whatever the number of threads: the answer does not depend on the machine."""
