"""The words by which results and command lines name what can be compared; light, so that --help stays quick."""

from __future__ import annotations

MACHINE_KINDS = {
    "ideal": "IdealScore", "equivariant": "EquivariantScore", "local": "LocalScore",
    "equivariant_local": "EquivariantLocalScore", "wiener": "WienerScore", "patch_set": "PatchSetScore",
    "covariance_local": "CovarianceLocalScore", "smoothed": "SmoothedScore", "filtered": "FilteredScore",
    "gaussian_mixture": "GaussianMixtureScore", "evidence_sharing": "AttentionScore", "joint_matching": "PairScore",
    "consensus": "ConsensusScore", "innovation": "InnovationScore", "ideal_interpolation": "",
}
"""What a machine is, and its class in `theory`; ideal_interpolation is (1 - strength) ELS + strength ideal, a null and
no theory."""

SETTINGS = ("fixed", "fitted", "derived")
"""Where a machine's window and strength come from: stated beforehand, fitted to a network, or its derivation."""

WINDOW_RULES = ("cosine", "mse", "validation", "entropy")
"""How k(t) is chosen: along the network's trajectory by cosine (the default) or by squared error; without a network by
denoising validation images, or by the entropy of the posterior."""

NETWORK_FREE = ("validation", "entropy")
"""Those of WINDOW_RULES that need no network."""

NETWORK_MAP = "network"
"""The attention of a machine that attends along a network's own map."""

CLOSED_FORMS = {
    "own map": ("evidence_sharing", NETWORK_MAP), "own pair": ("joint_matching", NETWORK_MAP),
    **{rule: ("evidence_sharing", rule) for rule in ("uniform", "identity", "top1", "overlap")},
    "pair": ("joint_matching", "uniform"), "consensus": ("consensus", "uniform"),
    "innovation": ("innovation", "uniform"), "blend": ("ideal_interpolation", ""),
}
"""Closed forms of attention by the name that a command line takes: kind of machine, and rule of attention. blend is no
theory of attention, but what any has to beat."""

NETWORK_MAP_FORMS = ("own map", "own pair")
"""Those that attend along a network's own map: for networks that attend."""

FIXED_FORMS = ("pair", "uniform")
"""Those that hold for every network and need no fit, with the strength of their derivation."""

CLUSTER_EXTRA = 'want the extra "cluster": pip install "patchmosaic[cluster]"'
"""How errors say what is to be installed for a cluster and for zarr."""
