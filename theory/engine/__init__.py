"""The posterior-mean engine under every machine: arrays in, arrays out."""

from numba import config

if config.DISABLE_JIT:
    raise ImportError("NUMBA_DISABLE_JIT: got 1, want 0 or nothing: kernels compute with vectors of compiled code")
