"""Draw the front page's picture, docs/images/front.png, from a result: python docs/make_front_picture.py

The first eight samples of the Fashion-MNIST ResNet, none picked: the noise, what the closed form makes of it, and what
the trained network makes of it.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from compare.result.schema import read

DOCS = Path(__file__).parent
COLUMNS = 8


def rows_of(dataset: xr.Dataset) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the images of each row, (COLUMNS, C, H, W), and Pearson r of the last two, (COLUMNS,)."""
    machine = dataset.machine.str.startswith("els").values.argmax()
    network = dataset.network_steps.values.argmax()
    shown = dataset.isel(sample=slice(COLUMNS), machine=machine, network=network)
    rows = {"from this noise": shown.noise, "the theory draws": shown.predicted, "the network draws": shown.generated}
    return {name: images.values for name, images in rows.items()}, shown.pearson_r.values


def draw(dataset: xr.Dataset) -> plt.Figure:
    """Return the picture: a row a kind of image, a column a sample."""
    rows, r = rows_of(dataset)
    figure, axes = plt.subplots(len(rows), COLUMNS, figsize=(10.2, 3.7), layout="constrained")
    for line, (name, images) in zip(axes, rows.items()):
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=12)
        for axis, image in zip(line, images):
            high = 2.5 if name.endswith("noise") else 1.0
            axis.imshow(image.transpose(1, 2, 0), cmap="gray", vmin=-high, vmax=high)
            axis.set(xticks=[], yticks=[])
    for axis, value in zip(axes[-1], r):
        axis.set_xlabel(f"r = {value:.2f}", fontsize=11)
    return figure


if __name__ == "__main__":
    draw(read(DOCS / "results" / "fashion-mnist-resnet" / "result.nc")).savefig(DOCS / "images" / "front.png", dpi=150)
