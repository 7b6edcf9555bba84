"""The toy study that the command line asks for."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace

from compare.execute import Plan
from compare.report import toy as toy_report
from compare.study.toy import toy_study
from compare.study.toy_config import ToyConfig
from empirical.toy_networks import VARIANTS, shipped_config


def plan(args: Namespace) -> Plan:
    """ValueError for values out of range."""
    config = _config(args)
    return Plan("toy", config.resolved(), "result.nc",
                lambda folder, command: toy_study(config, folder, command=command), toy_report.report,
                toy_report.draw)


def _config(args: Namespace) -> ToyConfig:
    retrain = "retrain" in args
    if args.training_steps is not None and not retrain:
        raise ValueError("--training-steps: got it without --retrain, want both")
    for variant in getattr(args, "variants", ()):
        if variant not in VARIANTS:
            raise ValueError(f"--variants: got {variant!r}, want some of: {', '.join(VARIANTS)}")
    config = ToyConfig(seed=args.seed, steps=args.steps, device=args.device)
    if args.quick:
        config = config.quick()
    chosen = {name: tuple(value) if isinstance(value, list) else value
              for name in ("samples", "network_steps", "variants", "training_seeds")
              if (value := getattr(args, name, None)) is not None}
    if retrain:
        default = 200 if args.quick else shipped_config("cnn").steps
        chosen["training_steps"] = default if args.training_steps is None else args.training_steps
    return replace(config, **chosen)
