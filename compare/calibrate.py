"""Fit the windows k(t), and lambda(t) where there is attention, to trained networks, along their own trajectories.

  python -m compare.calibrate runs/mnist-resnet.safetensors --samples 20 --out runs/mnist-scales

writes OUT/calibration.nc (every seed's own choice and the losses behind it, an xarray dataset), table.txt, which is
also printed, and figures/scales.png. k(t) is chosen by four rules: by cosine similarity and by squared error along the
network's own trajectory, and without a network by denoising validation images and by the posterior's entropy. Entry i
belongs to t = (i + 1) / steps, so the first is that of least noise. compare.run does the same before it compares.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from compare.cli import Parser, device, main_of, use_threads


def parser() -> Parser:
    """The command line."""
    parse = Parser("compare.calibrate", __doc__)
    add = parse.add_argument
    add("checkpoint", type=Path, nargs="+", help="trained networks for images, of one training set")
    add("--samples", type=int, default=10, metavar="N", help="trajectories (default: 10)")
    add("--steps", type=int, default=20, metavar="N", help="sampling steps (default: 20)")
    add("--patch-sizes", type=int, nargs="+", metavar="K",
        help="candidates for k(t) (default: 3 5 7 ... up to the receptive field)")
    add("--data-dir", type=Path, metavar="FOLDER", help="where the files of the data set are looked for first")
    parse.add_common("runs/scales-HASH, HASH of the configuration", "of the noise; never that of an evaluation sample")
    return parse


def _calibrate(args: Namespace, command: str) -> None:
    threads = use_threads(args.jobs)
    from compare.execute import Plan, execute
    from compare.report import images
    from compare.study.config import ImageConfig
    from compare.study.image_inputs import given_networks
    from compare.study.images import image_study
    from compare.study.pipeline import FITS_ALONE

    config = ImageConfig(validation_images=min(args.samples, ImageConfig.validation_images)).with_given(
        {"seed": args.seed, "steps": args.steps, "calibration_samples": args.samples, "patch_sizes": args.patch_sizes,
         "device": device(args.device)})
    inputs = given_networks(args.checkpoint, config.validation_images, args.data_dir)

    def study(folder, command, place):
        networks, _ = inputs.load(folder, config.device, False, command, place)
        return image_study(networks, inputs.training, config, folder.config)

    execute(Plan("scales", inputs.record(config), "calibration.nc", study, images.FITS, FITS_ALONE), args, command,
            threads)


main = main_of(parser, _calibrate)


if __name__ == "__main__":
    sys.exit(main())
