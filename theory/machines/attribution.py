"""Which training patches an output is made of: the posterior's largest weights, its entropy, and their sources."""

from __future__ import annotations

import numpy as np
import xarray as xr


def attribution(x0: np.ndarray, weight: np.ndarray, source: np.ndarray, entropy: np.ndarray,
                entropy_images: np.ndarray) -> xr.Dataset:
    """The dataset of `ScoreMachine.attribute`.

    x0 (B, C, H, W); weight (B, H, W, K), descending; source (B, H, W, K, 3): image, y, x, -1 where there are fewer than
    K candidates; entropies (B, H, W) in nats.
    """
    ranked, pixels = ("sample", "y", "x", "rank"), ("sample", "y", "x")
    describe = lambda dims, values, long_name, units="1": (dims, values, {"long_name": long_name, "units": units})
    variables = {
        "image": describe(ranked, source[..., 0].astype(np.int32), "training image, -1 for none"),
        "source_y": describe(ranked, source[..., 1].astype(np.int32), "row of the patch's centre", "pixel"),
        "source_x": describe(ranked, source[..., 2].astype(np.int32), "column of the patch's centre", "pixel"),
        "weight": describe(ranked, weight, "posterior weight"),
        "mass": describe(pixels, weight.sum(axis=-1), "sum of the kept weights"),
        "entropy": describe(pixels, entropy, "entropy of the whole posterior over candidates", "nat"),
        "n_eff": describe(pixels, np.exp(entropy), "effective number of candidates, exp(entropy)"),
        "entropy_images": describe(pixels, entropy_images, "entropy of the posterior over training images", "nat"),
        "n_eff_images": describe(pixels, np.exp(entropy_images), "effective number of training images"),
        "x0": describe(("sample", "channel", "y", "x"), x0, "posterior mean"),
    }
    dims = dict(zip(("sample", "channel", "y", "x"), x0.shape), rank=weight.shape[-1])
    units = {"y": "pixel", "x": "pixel"}
    coordinates = {name: (name, np.arange(size), {"long_name": name, "units": units.get(name, "1")})
                   for name, size in dims.items()}
    return xr.Dataset(variables, coordinates)


def whole_image_sources(source: np.ndarray, shift: np.ndarray, image_shape: tuple[int, ...]) -> np.ndarray:
    """Of one training image, moved by `shift` (B, 1, 1, K, 2), for the whole output: each pixel's own source.

    source (B, 1, 1, K, 3), of which the image counts -> (B, H, W, K, 3).
    """
    _, H, W = image_shape
    own = np.stack(np.meshgrid(np.arange(H), np.arange(W), indexing="ij"), axis=-1)[:, :, None]  # (H, W, 1, 2)
    places = (own - shift) % (H, W)  # (B, H, W, K, 2)
    images = np.broadcast_to(source[..., :1], (*places.shape[:-1], 1))
    return np.where(images < 0, -1, np.concatenate([images, places], axis=-1))
