"""Which training patches a sample is made of, step by step: a machine's attribution along a trajectory.

The last step's x0 is the sample itself (DDIM lands on t = 0), so its weights decompose the sample exactly; those of the
earlier steps say what decided it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from compare.result.schema import variable
from compare.study.sampling import Trajectory
from theory import UserError
from theory.samplers import ddim
from theory.schedules import Schedule

ATTENDED = 8
"""Other pixels that are named for each pixel of an attention machine."""

STEP = {"step": "step of the sampler, 0 = least noise", "t": "time of the step, (step + 1) / steps",
        "sigma": "noise level in pixel units, x = x0 + sigma n", "patch_size": "window side k; 0: the machine's own",
        "strength": "attention strength lambda; NaN: the machine's own"}


def inspect_machine(machine, phi_1: np.ndarray, schedule: Schedule, steps: int = 20, *,
                    patch_sizes: Sequence[int] | None = None, strengths: Sequence[float] | None = None, labels=None,
                    top: int = 8, deviation: bool = False,
                    callback: Callable[[], None] | None = None) -> xr.Dataset:
    """Return the machine's own DDIM trajectory from phi_1, and `attribute` at each of its steps, in one pass.

    machine: anything with `attribute` of `theory.machines.machine.ScoreMachine`
    phi_1 (B, C, H, W): VP noise at t = 1; schedule, steps, patch_sizes, strengths, labels: as in `ddim`
    top: candidates named for each pixel; callback(): called after each step
    deviation: whether to add the posterior's standard deviation, where the machine has a `variance`
    Returns what `attribute` returns with a first dimension step (0 = least noise), and
    over (step,): t, sigma, patch_size, strength;      over (step, sample, channel, y, x): phi, the VP noisy image;
    over (sample, channel, y, x): drawn, the image at t = 0;
    over (step, sample, y, x): deviation, root mean square over channels;
    over (step, sample, y, x, other), of a machine with attention: other_y, other_x and attention, the largest alpha.
    """
    record = _RecordingMachine(machine, top, deviation)
    phi = []

    def keep(i, t, phi_t, x0):
        phi.append(phi_t)
        if callback is not None:
            callback()

    drawn = ddim(record, np.asarray(phi_1), schedule, steps=steps, patch_sizes=patch_sizes, strengths=strengths,
                 labels=labels, callback=keep)
    return _joined(record.found[::-1], phi[::-1], drawn, schedule, patch_sizes, strengths)


def inspect_path(machine, path: Trajectory, drawn: np.ndarray, schedule: Schedule, *,
                 patch_sizes: Sequence[int] | None = None, strengths: Sequence[float] | None = None, labels=None,
                 top: int = 8, deviation: bool = False,
                 callback: Callable[[], None] | None = None) -> xr.Dataset:
    """Return the same at the points of another sampler's trajectory, a network's say: what does the machine make of it?

    path: as from `study.sampling.trajectory` on the same schedule; drawn (B, C, H, W): the image that it ended in.
    `x0` is the machine's answer at path.phi, not the network's.
    """
    for name, values in (("patch_sizes", patch_sizes), ("strengths", strengths)):
        if values is not None and len(values) != len(path.t):
            raise UserError(f"{name}: got {len(values)} values, want one for each of the {len(path.t)} steps")
    record = _RecordingMachine(machine, top, deviation)
    for i in range(len(path.t)):
        options = {} if labels is None else {"labels": labels}
        if patch_sizes is not None:
            options["patch_size"] = int(patch_sizes[i])
        if strengths is not None:
            options["strength"] = float(strengths[i])
        record.denoise(*path.query(i), **options)
        if callback is not None:
            callback()
    return _joined(record.found, path.phi, drawn, schedule, patch_sizes, strengths)


def mosaic(found: xr.Dataset, images: np.ndarray) -> np.ndarray:
    """Return the mosaic: every pixel is the centre of its best patch alone. images (N, C, H, W) -> (..., C, H, W).

    found: of `attribute`, or of `inspect_machine`; the leading dimensions are its own.
    """
    best = found[["image", "source_y", "source_x"]].isel(rank=0)
    pixels = images[best.image.values, :, best.source_y.values, best.source_x.values]  # (..., H, W, C)
    return np.moveaxis(pixels, -1, -3)


def distinct_images(found: xr.Dataset) -> np.ndarray:
    """Return how many training images hold a pixel's best patch, for each sample (and step); 1: a copy."""
    best = found.image.isel(rank=0).values
    flat = np.sort(best.reshape(*best.shape[:-2], -1), axis=-1)
    return 1 + (np.diff(flat, axis=-1) != 0).sum(axis=-1)


def shares(found: xr.Dataset, top: int = 16) -> xr.Dataset:
    """Return the training images that a sample is made of, over all pixels (and steps, equally): image and share.

    A share is the mean posterior weight of the image's patches, of those that are named: shares sum to at most the mean
    of `mass`. Returns over (sample, contributor), largest first; image -1 and share 0 where there are fewer than `top`.
    """
    image, share = np.full((found.sizes["sample"], top), -1), np.zeros((found.sizes["sample"], top))
    for b in range(found.sizes["sample"]):
        one = found[["image", "weight"]].isel(sample=b)
        kept = one.image.values >= 0
        total = np.bincount(one.image.values[kept], weights=one.weight.values[kept])
        best = np.argsort(-total, kind="stable")[:top]
        best = best[total[best] > 0.0]
        image[b, : len(best)] = best
        share[b, : len(best)] = total[best] / (one.weight.size / one.sizes["rank"])
    dims = ("sample", "contributor")
    return xr.Dataset(
        {"image": variable(dims, image, "training image, -1 for none"),
         "share": variable(dims, share, "mean posterior weight over pixels and steps")},
        {"sample": found.sample,
         "contributor": variable("contributor", np.arange(top), "rank of the image by share")})


def winners(found: xr.Dataset) -> xr.Dataset:
    """Return the training images that win a pixel, most pixels first: image, won and mass, over (contributor,).

    found: one sample at one step. won: share of the pixels whose best patch is the image's; mass: mean over pixels of
    the weight of its named patches.
    """
    named = found.image.values >= 0
    count = int(found.image.max()) + 1
    won = np.bincount(found.image.isel(rank=0).values.ravel(), minlength=count)
    mass = np.bincount(found.image.values[named], weights=found.weight.values[named], minlength=count)
    image = np.flatnonzero(won)
    image = image[np.lexsort((image, -mass[image], -won[image]))]
    pixels = found.sizes["y"] * found.sizes["x"]
    return xr.Dataset({"image": variable("contributor", image, "training image"),
                       "won": variable("contributor", won[image] / pixels, "share of pixels whose best patch it has"),
                       "mass": variable("contributor", mass[image] / pixels, "mean weight of its named patches")})


class _RecordingMachine:
    """A machine that keeps what each of its answers is made of."""

    def __init__(self, machine, top: int, deviation: bool):
        if not hasattr(machine, "attribute"):
            raise UserError(f"machine: got {machine!r}, which names no patches, want one that has `attribute`")
        self.machine, self.top, self.found = machine, top, []
        self.deviation = deviation

    def denoise(self, x, sigma, **options):
        found = self.machine.attribute(x, sigma, self.top, **options)
        if self.deviation:
            found = found.assign(self._deviation(x, sigma, options))
        if hasattr(self.machine, "attention_map"):
            options.pop("strength", None)
            found = found.assign(_most_attended(self.machine.attention_map(x, sigma, **options), x.shape[-2:]))
        self.found.append(found)
        return found.x0.values.astype(x.dtype)

    def _deviation(self, x, sigma, options: dict) -> dict[str, tuple]:
        """The posterior's standard deviation; nothing of a machine whose x0 is the mean of no one posterior."""
        try:
            variance = self.machine.variance(x, sigma, **options)
        except UserError:
            return {}
        return {"deviation": variable(("sample", "y", "x"), np.sqrt(np.maximum(variance, 0.0).mean(axis=1)),
                                      "posterior standard deviation, root mean square over channels")}


def _most_attended(alpha: np.ndarray, shape: tuple[int, int]) -> dict[str, tuple]:
    """The largest entries of each row of alpha (B, P, P), as other_y, other_x, attention (B, H, W, K)."""
    B, P, _ = alpha.shape
    best = np.argsort(-alpha, axis=-1, kind="stable")[..., : min(ATTENDED, P - 1)]
    dims, pixels = ("sample", "y", "x", "other"), (B, *shape, best.shape[-1])
    places = np.unravel_index(best, shape)
    y, x = (place.astype(np.int32).reshape(pixels) for place in places)
    return {"other_y": variable(dims, y, "row of the attended pixel", "pixel"),
            "other_x": variable(dims, x, "column of the attended pixel", "pixel"),
            "attention": variable(dims, np.take_along_axis(alpha, best, -1).reshape(pixels), "attention weight alpha")}


def _joined(found: list[xr.Dataset], phi, drawn, schedule: Schedule, patch_sizes, strengths) -> xr.Dataset:
    """The steps' attributions, least noise first, as one dataset."""
    steps = len(found)
    t = np.arange(1, steps + 1) / steps
    dataset = xr.concat(found, "step", coords="minimal", compat="override")
    image = ("channel", "y", "x")
    dataset["phi"] = variable(("step", "sample", *image), np.stack(phi).astype(np.float32),
                               "noisy image, variance preserving")
    dataset["drawn"] = variable(("sample", *image), np.asarray(drawn, dtype=np.float32), "image at t = 0")
    values = {"step": np.arange(steps), "t": t, "sigma": np.asarray(schedule.sigma(t), dtype=np.float64),
              "patch_size": np.zeros(steps, dtype=np.int32) if patch_sizes is None else np.asarray(patch_sizes),
              "strength": np.full(steps, np.nan) if strengths is None else np.asarray(strengths, dtype=np.float64)}
    return dataset.assign_coords({name: variable("step", values[name], long_name)
                                  for name, long_name in STEP.items()})
