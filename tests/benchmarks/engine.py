"""How fast the patch engine is, against a baseline and the machine's limits, all measured in the same run.

  python -m tests.benchmarks.engine exact growth --data fashion-mnist --published ../convolutional_diffusion

exact        boundary-broken ELS, one query, against the baseline at its best batch size, for several windows
growth       the same work on 1k, 4k, 16k, ... images: time an image, which should stay the same
sample       a whole 20-step DDIM sample with the published scales of the Fashion-MNIST ResNet, and its peak memory
low-noise    the same query at k = 3 on N / 10 and N images, exact and with a tolerance
attribution  attribute(top=8) against denoise, k = 5
scales       denoise_scales of the local score against a call for each window
machines     the ideal, local and equivariant scores: time a query, and bytes read against the memory's speed

The baseline is the published code where --published names a checkout of Kambm/convolutional_diffusion, else
tests/benchmarks/conv2d_baseline.py. Ratios hold on a busy machine too; seconds do not. docs/theory/speed.md
"""

# ruff: noqa: B023 -- what is timed runs at once, inside its loop
from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

import numba
import numpy as np
import torch

from empirical import datasets
from tests.benchmarks import conv2d_baseline, published
from theory import CosineSchedule, EquivariantLocalScore, EquivariantScore, IdealScore, LocalScore, ddim

PARTS = ("exact", "growth", "sample", "low-noise", "attribution", "scales", "machines")
LEVELS = {3: 0.157, 5: 0.33, 7: 0.53, 9: 0.79, 11: 1.0, 15: 3.0}
"""Window -> sigma at which calibration uses it, about."""

SCALES = [3, 3, 5, 5, 7, 7, 9, 9, 9, 11, 11, 11, 13, 13, 13, 15, 15, 15, 17, 17]
"""KG, Fashion-MNIST ResNet, zeros: index 0 is t = 1/20."""

BASELINE_BATCHES = (8, 16, 32, 64)


def best_of(work, repeat: int) -> float:
    """Seconds of the fastest of some runs."""
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def peak_flops() -> float:
    """Multiply-adds a second of a float32 matrix product, all threads."""
    a = torch.randn(2048, 2048)
    return 2048**3 / best_of(lambda: a @ a, 5)


def memory_speed() -> float:
    """Bytes a second read and written by a large copy."""
    a = torch.empty(64 << 20)
    b = torch.empty_like(a)
    return 2 * a.nbytes / best_of(lambda: b.copy_(a), 5)


def pairs(k: int, H: int, W: int) -> int:
    """Pairs of query pixel and candidate, an image, interior and edges."""
    along = [(n - k + 1) ** 2 + (k - 1) for n in (H, W)]
    return along[0] * along[1]


def operations(k: int, H: int, channels: int) -> float:
    """Vector operations a pair, on paper: k multiply-adds for each row that enters a column of windows, three to add
    rows, one for the norm, fourteen for the weight and its sums, and one more a further channel."""
    inner = H - k + 1
    rows = sum(H - abs(d) for d in range(1 - inner, inner)) / inner**2
    return channels * k * rows + 4 + 14 + (channels - 1)


def query(images: np.ndarray, sigma: float) -> np.ndarray:
    noise = np.random.default_rng(1).standard_normal(images[:1].shape).astype(np.float32)
    return images[:1] + np.float32(sigma) * noise


def exact(images, held_out, options):
    """Ours against the baseline; the baseline on its own, smaller number of images."""
    few = images[: options.baseline_images]
    if options.published:
        module = published.load(options.published)
        baseline = lambda x, sigma, k, batch: published.denoiser(module, torch.from_numpy(few), batch)(x, sigma, k)
    else:
        baseline = lambda x, sigma, k, batch: conv2d_baseline.denoise(x, torch.from_numpy(few), sigma, k, batch)
    machine, check = EquivariantLocalScore(images, 3), EquivariantLocalScore(few, 3)
    limit, N, (C, H, W) = peak_flops(), len(images), images.shape[1:]
    print(f"\npeak of a matrix product: {limit / 1e9:.0f} G multiply-adds/s, {torch.get_num_threads()} threads; "
          f"{N:,} images for us, {len(few)} for the baseline ({'published code' if options.published else 'conv2d'})")
    print("| k | sigma | ours, ms an image | ns a pair | operations a pair | of the peak | baseline, ms an image "
          "(batch) | ratio | difference |\n" + 9 * "|---" + "|")
    for k in options.windows:
        sigma = LEVELS[k]
        x = query(held_out, sigma)
        machine.denoise(x, sigma, patch_size=k, backend=options.engine)
        ours = best_of(lambda: machine.denoise(x, sigma, patch_size=k, backend=options.engine), options.repeat) / N
        tensor = torch.from_numpy(x)
        theirs = {b: best_of(lambda: baseline(tensor, sigma, k, b), options.repeat) / len(few)
                  for b in BASELINE_BATCHES}
        batch = min(theirs, key=theirs.get)
        off = np.abs(baseline(tensor, sigma, k, batch).numpy() - check.denoise(x, sigma, patch_size=k)).max()
        count, work = pairs(k, H, W), operations(k, H, C)
        print(f"| {k} | {sigma} | {1e3 * ours:.3f} | {1e9 * ours / count:.3f} | {work:.0f} | "
              f"{work * count / ours / limit:.0%} | {1e3 * theirs[batch]:.2f} ({batch}) | "
              f"{theirs[batch] / ours:.0f} x | {off:.1e} |", flush=True)


def growth(images, held_out, options):
    print("\n| images | k = 3, ms an image | k = 7 | peak memory, MB |\n|---|---|---|---|")
    N = 1000
    while N < 4 * len(images):
        some = images[: min(N, len(images))]
        machine = EquivariantLocalScore(some, 3)
        row = []
        for k in (3, 7):
            x = query(held_out, LEVELS[k])
            work = lambda: machine.denoise(x, LEVELS[k], patch_size=k, backend=options.engine)
            row.append(1e3 * best_of(work, options.repeat if N < 16000 else 1) / len(some))
        print(f"| {len(some):,} | {row[0]:.3f} | {row[1]:.3f} | {memory():.0f} |", flush=True)
        N *= 4


def sample(images, held_out, options):
    schedule = CosineSchedule()
    phi = np.random.default_rng(2).standard_normal(images[:1].shape)
    machine, exact_steps = EquivariantLocalScore(images, 3), []
    for tolerance in (None, 1e-3):
        marks, states, bounds = [time.perf_counter()], [], []

        class Timed:
            def denoise(self, x, sigma, patch_size):
                x0, bound = machine.denoise(x, sigma, patch_size=patch_size, tolerance=tolerance, return_bound=True,
                                            backend=options.engine)
                marks.append(time.perf_counter())
                states.append((x, sigma, patch_size, x0))
                bounds.append(float(bound.max()))
                return x0

        ddim(Timed(), phi, schedule, steps=20, patch_sizes=SCALES)
        seconds = np.diff(marks)
        print(f"\n20 steps over {len(images):,} images, {'exact' if tolerance is None else f'tolerance {tolerance}'}: "
              f"{seconds.sum():.1f} s, peak memory {memory():.0f} MB, largest bound {max(bounds):.1e}")
        print("k:      " + " ".join(f"{k:5d}" for k in SCALES[::-1]))
        print("seconds:" + " ".join(f"{s:5.1f}" for s in seconds), flush=True)
        if tolerance is None:
            exact_steps = states
    x, sigma, k, x0 = exact_steps[-3]
    off = np.abs(machine.denoise(x, sigma, patch_size=k, tolerance=1e-3) - x0).max()
    print(f"at step {len(SCALES) - 2}: the tolerant answer is {off:.1e} from the exact one")


def low_noise(images, held_out, options):
    few, many = images[: len(images) // 10], images
    print(f"\n| sigma | tolerance | {len(few):,} images, s | {len(many):,} images, s | ratio |\n|---|---|---|---|---|")
    for t in (0.05, 0.1, 0.15):
        sigma = CosineSchedule().sigma(t)
        x = query(held_out, sigma)
        for tolerance in (None, 1e-3):
            seconds = []
            for some in (few, many):
                machine = EquivariantLocalScore(some, 3)
                machine.denoise(x, sigma, tolerance=tolerance, backend=options.engine)
                work = lambda: machine.denoise(x, sigma, tolerance=tolerance, backend=options.engine)
                seconds.append(best_of(work, options.repeat))
            ratio = seconds[1] / seconds[0]
            print(f"| {sigma:.3f} | {tolerance} | {seconds[0]:.2f} | {seconds[1]:.2f} | {ratio:.1f} |", flush=True)


def attribution(images, held_out, options):
    machine = EquivariantLocalScore(images[:2048], 5)
    print("\n| sigma | denoise, s | attribute(top=8), s | ratio |\n|---|---|---|---|")
    for sigma in (0.08, 0.33, 1.0):
        x = query(held_out, sigma)
        machine.attribute(x, sigma)
        plain = best_of(lambda: machine.denoise(x, sigma), options.repeat)
        named = best_of(lambda: machine.attribute(x, sigma), options.repeat)
        print(f"| {sigma} | {plain:.3f} | {named:.3f} | {named / plain:.2f} |", flush=True)


def scales(images, held_out, options):
    sizes = sorted(set(SCALES))
    machine = LocalScore(images, 3)
    print(f"\nlocal score, {len(images):,} images, windows {', '.join(map(str, sizes))}")
    print("| sigma | one call a window, s | at once, s | ratio | difference |\n" + 5 * "|---" + "|")
    for sigma in (0.157, 1.0, 3.0):
        x = query(held_out, sigma)
        one_by_one = lambda: [machine.denoise(x, sigma, patch_size=k, backend=options.engine) for k in sizes]
        at_once = lambda: machine.denoise_scales(x, sigma, sizes, backend=options.engine)
        off = max(np.abs(a - b).max() for a, b in zip(one_by_one(), at_once()))
        apart, together = best_of(one_by_one, options.repeat), best_of(at_once, options.repeat)
        print(f"| {sigma} | {apart:.2f} | {together:.2f} | {apart / together:.2f} x | {off:.0e} |", flush=True)


def machines(images, held_out, options):
    speed = memory_speed()
    print(f"\nmemory: {speed / 1e9:.1f} GB/s\n| machine | B | seconds | images read once, of the memory's speed |")
    print("|---|---|---|---|")
    kinds = {"ideal": IdealScore(images), "local, k = 7": LocalScore(images, 7),
             "equivariant": EquivariantScore(images[:4096])}
    for name, machine in kinds.items():
        for B in (1, 16):
            x = np.repeat(query(held_out, 1.0), B, axis=0)
            machine.denoise(x, 1.0)
            seconds = best_of(lambda: machine.denoise(x, 1.0), options.repeat)
            of_limit = images[: machine.count].nbytes / speed / seconds
            print(f"| {name}, {machine.count:,} images | {B} | {seconds:.3f} | {of_limit:.0%} |", flush=True)


def memory() -> float:
    """Peak resident memory of this process, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def parser() -> argparse.ArgumentParser:
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parse.add_argument
    add("parts", nargs="*", default=["exact"], help=f"what to measure: {', '.join(PARTS)} (default: exact)")
    add("--data", default="fashion-mnist", help="data set, as empirical.datasets knows it (default: fashion-mnist)")
    add("--data-dir", type=Path, default=None, help="where its files are")
    add("--images", type=int, default=2048, help="training images, 0 for all (default: 2048)")
    add("--windows", type=int, nargs="*", default=[3, 7, 15], help="patch sizes of `exact` (default: 3 7 15)")
    add("--published", type=Path, default=None, help="a checkout of Kambm/convolutional_diffusion to compare with")
    add("--baseline-images", type=int, default=256, help="images that the baseline gets (default: 256)")
    add("--repeat", type=int, default=3, help="runs, of which the fastest counts (default: 3)")
    add("--threads", type=int, default=None, help="CPU threads, of ours and the baseline (default: all)")
    add("--backend", choices=("numba", "torch"), default="numba", help="our engine (default: numba)")
    add("--device", default="cpu", help="of the torch engine (default: cpu)")
    return parse


def main() -> None:
    options = parser().parse_args()
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser().error(f"parts: got {', '.join(sorted(unknown))}, want some of {', '.join(PARTS)}")
    if options.threads:
        numba.set_num_threads(options.threads)
        torch.set_num_threads(options.threads)
    options.engine = "numba"
    if options.backend == "torch":
        from theory.engine.torch_backend import TorchBackend

        options.engine = TorchBackend(device=options.device)
    everything = datasets.load(options.data, data_dir=options.data_dir).images
    held_out, images = everything[-1:], np.ascontiguousarray(everything[:-1][: options.images or None])
    work = {"exact": exact, "growth": growth, "sample": sample, "low-noise": low_noise, "attribution": attribution,
            "scales": scales, "machines": machines}
    for part in options.parts:
        work[part](images, held_out, options)


if __name__ == "__main__":
    main()
