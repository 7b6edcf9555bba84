"""Every numerical choice of the kernels, in one place."""

LANES = 16
"""Fewest images in a block, innermost in memory: one cache line of float32, two of float64."""

ROW = 256
"""Numbers in the inner loops over one row of (pixels x images): narrow images go into blocks of more images."""

FASTMATH = {"contract"}
"""The only liberty given to the compiler: a * b + c in one rounding. Sums keep their order, NaN its meaning."""

CHUNKS = 16
"""Parts that a scan is split into, whatever the number of threads: the answer does not depend on the machine."""

NEGLIGIBLE = 40.0
"""Candidates this many nats below one that has been seen are left out: 1e8 of them together weigh below 1e-9."""

HEADROOM = 60.0
"""Nats by which a candidate may exceed the reference before its block is gone over again: exp(60) fits in float32."""

FLOAT64_PAIRS = 3e7
"""Pairs of query pixel and candidate, over the whole call, up to which everything is float64: well under a second's
work. Larger calls compare windows in float32, twice as many to a vector register."""

FLOAT32_LOGIT = 500.0
"""Largest -logit of a nearest candidate for which float32 distances (relative error about 2e-7) are good to 1e-4;
queries beyond it, far from every candidate for their noise, are done again in float64."""
