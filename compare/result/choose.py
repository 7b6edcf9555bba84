"""Which network and machine of a result are meant: by what the user typed, or by default."""

from __future__ import annotations

import numpy as np
import xarray as xr

from compare.result.identity import ATTENTION_KINDS, variant_parts
from theory.errors import UserError

PATCH_KINDS = ("local", "equivariant_local", *ATTENTION_KINDS)


def choose_network(result: xr.Dataset, name: str | None) -> str:
    """Return a network of the result by its full name or its variant (first training seed, most steps); None: the
    first. UserError: a name that the result does not have."""
    names, variants = result.network.values.tolist(), result.variant.values.tolist()
    if name in names:
        return name
    variant = variants[0] if name is None else name
    if variant not in variants:
        raise UserError(f"network: got {name!r}, want one of: {', '.join(dict.fromkeys(variants))}; "
                        f"or {', '.join(names)}")
    of_variant = result.isel(network=[i for i, other in enumerate(variants) if other == variant])
    first = of_variant.training_seed.values == of_variant.training_seed.values[0]
    return str(of_variant.network.values[np.argmax(np.where(first, of_variant.network_steps.values, -1))])


def machine_beside(result: xr.Dataset, network: str) -> str:
    """Return the machine to hold beside a network: of those fitted to its variant by cosine the one that attends, else
    ELS; where there is neither, the patch machine whose images agree best with it (median r2)."""
    variant, kinds = result.variant.sel(network=network).item(), result.machine_kind.values
    fitted = (result.fitted_to.values == variant) & (result.window_rule.values == "cosine")
    attends = variant_parts(variant)[1] is not None
    attending = np.isin(kinds, ATTENTION_KINDS) & (result.map_of.values == "") & attends
    for wanted in (fitted & attending, fitted & (kinds == "equivariant_local")):
        if wanted.any():
            return str(result.machine.values[wanted][0])
    patched = result.machine.values[np.isin(kinds, PATCH_KINDS)].tolist() or result.machine.values[:1].tolist()
    return max(patched, key=lambda name: np.nanmedian(result.r2.sel(machine=name, network=network)))
