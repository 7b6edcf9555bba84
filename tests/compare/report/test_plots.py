import numpy as np
from numpy.testing import assert_allclose

from compare.report.plots import mosaic


def test_mosaic_places_each_image():
    images = np.random.default_rng(0).uniform(-1.5, 1.5, size=(2, 3, 3, 4, 2))
    picture = mosaic(images, gap=1)
    assert picture.shape == (11, 10, 3)
    assert_allclose(picture[6:10, 4:6], np.clip((images[1, 1].transpose(1, 2, 0) + 1) / 2, 0, 1))
    assert_allclose(picture[5], 1.0)
    assert_allclose(mosaic(images[:, :, :1])[1, 1], np.clip((images[0, 0, 0, 0, 0] + 1) / 2, 0, 1))
