"""numba kernels, mirrored by name in `theory`: arrays in, arrays out, no validation.

The training set is stored in blocks of n images with the image index innermost (blocks, C, H, W, n), so that
every inner loop here is one flat, contiguous loop over (columns x images) that the compiler turns into vector code.
"""
