"""Every numerical choice of the kernels, in one place."""

LANES = 32
"""Images in a block, innermost in memory, or a multiple: two vectors of float32, which the kernels take at once."""

ROW = 1024
"""Numbers in a row of (candidate columns x images) that the kernels aim at: narrow images go into larger blocks."""

CHUNKS = 16
"""Parts that a scan is split into, whatever the number of threads: the answer does not depend on the machine."""

LIST_CHUNKS = 8
"""Parts of a scan that names its nearest candidates: fewer, for every part begins its lists anew, which costs."""

NEGLIGIBLE = 58.0
"""Powers of two below one that has been seen from which candidates are left out: 1e8 of them weigh below 1e-9."""

FLOAT64_PAIRS = 3e7
"""Pairs of query pixel and candidate, over the whole call, up to which everything is float64: a fraction of a second's
work. Larger calls compare windows in float32, twice as many to a vector."""

FLOAT32_LOGIT = 720.0
"""Powers of two by which the nearest candidate may be below 1 for float32 distances (relative error about 2e-7) to be
good to 1e-4; beyond, far from every candidate for the noise, those that count are measured again in float64."""

FLOAT32_ERROR = 1e-5
"""Relative error of a float32 distance that is never exceeded: what float32 says of far candidates is taken to within
this, to choose those to be measured in float64."""

FLOAT64_LOGIT = 2.0**26
"""Powers of two by which the nearest candidate may be below 1 for float64 distances to be good to 1e-6 in a weight;
beyond, those that count are measured again in double-double (`far.py`)."""

FLOAT64_ERROR = 1e-12
"""Relative error of a float64 distance that is never exceeded, as FLOAT32_ERROR."""

FLOAT32_WINDOW = 700
"""Pixels in a window up to which squared differences are summed in float32. A larger one lies D / 2 LOG2E below 1 by
its noise alone, which is beyond FLOAT32_LOGIT: every candidate would have to be measured again."""

FLOAT32_RANGE = 200.0
"""The largest pixel, in units of sigma, up to which float32 can tell the noise in a query well enough."""

PRODUCT_ERROR = {"float32": 1e-4, "float64": 1e-9}
"""Bound on the rounding error of a logit up to which windows are compared by inner products, |p|^2 - 2 <q, p>, which is
one operation a pixel where the squared difference is two; at low noise the two large terms nearly cancel."""

LARGE_CALL_ERROR = 1e-6
"""PRODUCT_ERROR of float64 in a call that need not be float64."""
