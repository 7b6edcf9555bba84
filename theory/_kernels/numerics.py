"""Every numerical choice of the kernels, in one place."""

LANES = 32
"""Images in a block, innermost in memory, or a multiple: two vectors of float32, which the kernels take at once."""

ROW = 1024
"""Numbers in a row of (candidate columns x images) that the kernels aim at: narrow images go into larger blocks."""

CHUNKS = 16
"""Parts that a scan is split into, whatever the number of threads: the answer does not depend on the machine."""

LIST_CHUNKS = 8
"""The same for scans that name their nearest candidates: every part begins its lists anew, which costs."""

NEGLIGIBLE = 58.0
"""Powers of two below one that has been seen from which candidates are left out: 1e8 of them weigh below 1e-9."""

FLOAT64_PAIRS = 3e7
"""Pairs of query pixel and candidate, over the whole call, up to which everything is float64: a fraction of a second's
work. Larger calls compare windows in float32, twice as many to a vector."""

FLOAT32_LOGIT = 720.0
"""Powers of two by which the nearest candidate may be below 1 for float32 distances (relative error about 2e-7) to be
good to 1e-4; beyond, far from every candidate for the noise, those that count are measured again in float64."""

PRODUCT_ERROR = {"float32": 1e-4, "float64": 1e-9}
"""Bound on the rounding error of a logit up to which windows are compared by inner products, |p|^2 - 2 <q, p>, which is
one operation a pixel where the squared difference is two; at low noise the two large terms nearly cancel."""
