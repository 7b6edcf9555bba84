"""numba kernels, mirrored by name in `theory`: arrays in, arrays out, no validation.

The training set is stored in blocks of n images with the image index innermost (blocks, C, H, W, n), so that
every inner loop here runs along contiguous vectors of (columns x images).
"""
