"""The schema of a result as tables."""

from compare.result.identity import MACHINE_COORDINATES, NETWORK_COORDINATES
from compare.result.schema import COORDINATES, PAIR_MEASURES, VARIABLES
from page_tables.cells import markdown


def schema_tables() -> dict[str, str]:
    """Return the variables and the coordinates of every result."""
    over = lambda dims: ", ".join(dims)
    variables = [[f"`{name}`", over(dims), long_name] for name, (dims, long_name) in VARIABLES.items()]
    pairs = [(name, long_name) for measure in PAIR_MEASURES for name, long_name in measure.variables.items()]
    variables += [[f"`{name}`", "machine, network, sample", long_name] for name, long_name in pairs]
    variables += [[f"`network_{name}`", "network, other_network, sample", f"{long_name}; two networks of one variant"]
                  for name, long_name in pairs]
    coordinates = [[f"`{name}`", over(dims), long_name, units]
                   for name, (dims, long_name, units) in COORDINATES.items()]
    for dim, names in (("machine", MACHINE_COORDINATES), ("network", NETWORK_COORDINATES)):
        coordinates += [[f"`{name}`", dim, long_name, "1"] for name, long_name in names.items()]
    return {"schema-variables.md": markdown(["variable", "over", "what it is"], variables),
            "schema-coordinates.md": markdown(["coordinate", "over", "what it is", "units"], coordinates)}
