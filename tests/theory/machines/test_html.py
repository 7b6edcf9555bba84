"""Machines in a notebook."""

import base64
import io
import re

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from theory import EquivariantLocalScore, IdealScore, WienerScore


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_shows_settings_and_the_first_training_images(rng, channels):
    images = rng.uniform(-1, 1, (11, channels, 4, 5)).astype(np.float32)
    html = EquivariantLocalScore(images, 3, "circular")._repr_html_()
    assert f"11 of {channels} x 4 x 5" in html and "<th style='text-align:left'>patch_size</th>" in html
    assert "EquivariantLocalScore(images, patch_size=3, boundary=&#x27;circular&#x27;" in html
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(re.search("base64,([^']*)", html)[1]))))
    assert shown.shape == (4, 8 * 6 - 1, 3)
    wanted = np.round((images[1] + 1) * 127.5).transpose(1, 2, 0)
    assert_array_equal(shown[:, 6:11], wanted if channels == 3 else np.repeat(wanted[..., :1], 3, axis=2))


@pytest.mark.parametrize("kind", [IdealScore, WienerScore])
def test_machines_of_few_images_show_those(rng, kind):
    images = rng.uniform(-1, 1, (2, 1, 3, 3)).astype(np.float32)
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(
        re.search("base64,([^']*)", kind(images)._repr_html_())[1]))))
    assert shown.shape == (3, 7, 3)
    assert_array_equal(shown[:, 4:, 0], np.round((images[1, 0] + 1) * 127.5))
