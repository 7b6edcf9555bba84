import pytest

from compare.result import identity
from tests.compare.synthetic_results import IMAGE_MACHINES, TOY_MACHINES, image_result, toy_result


@pytest.fixture(scope="module")
def toy():
    return toy_result()


@pytest.fixture(scope="module")
def images():
    return image_result()


@pytest.mark.parametrize("wanted, found", [
    (dict(kind="ideal"), ["ideal"]), (dict(kind="wiener", setting="fitted"), []),
    (dict(kind="equivariant_local", setting="fixed"), ["els k=3", "els k=5"]),
    (dict(kind="equivariant_local", setting="fixed", patch_size=5), ["els k=5"]),
    (dict(attention="uniform", strength=0.1), ["uniform k=3 lambda=0.1"]),
    (dict(kind=("ideal", "wiener"), fitted_to=""), ["ideal", "wiener"]),
    (dict(fitted_to="cnn"), ["els fitted to cnn", "uniform fitted to cnn"]), ({}, list(TOY_MACHINES))])
def test_machines_by_what_they_are(toy, wanted, found):
    assert identity.machines(toy, **wanted) == found


def test_one_machine_or_a_line(toy):
    assert identity.machine(toy, kind="equivariant_local", fitted_to="cnn") == "els fitted to cnn"
    for wanted, count in ((dict(kind="equivariant_local"), 3), (dict(kind="local", fitted_to="cnn"), 0)):
        with pytest.raises(ValueError, match=f"^result: got {count} machines of kind .*, want one$"):
            identity.machine(toy, **wanted)


def test_machines_of_a_variant(images):
    others = ["local fitted to resnet", "els fitted to resnet"]
    assert identity.for_variant(images, "resnet-identity") == [m for m in IMAGE_MACHINES if m not in others]


@pytest.mark.parametrize("network, attention", [("resnet", None), ("unet", "identity"), ("cnn", "top1")])
def test_variants_have_two_parts(network, attention):
    assert identity.variant_parts(identity.variant_name(network, attention)) == (network, attention)
