"""Bad input ends in one line that names the argument, what came and what is wanted."""

import inspect

import numpy as np
import pytest

from theory import (
    AttentionScore,
    ConsensusScore,
    EquivariantLocalScore,
    EquivariantScore,
    IdealScore,
    ImageRangeWarning,
    InnovationScore,
    LocalScore,
    PairScore,
    UserError,
    WienerScore,
)

GOOD = np.linspace(-1, 1, 2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
PATCHES = [LocalScore, EquivariantLocalScore, AttentionScore, PairScore]


def refused(message):
    return pytest.raises(UserError, match=r"\A" + message + r"[^\n]*\Z")


def with_value(value):
    images = GOOD.copy()
    images[1, 2, 3, 4] = value
    return images


@pytest.mark.parametrize("machine", [IdealScore, EquivariantScore])
@pytest.mark.parametrize("images, message", [
    (GOOD[0], r"images: got shape \(3, 4, 5\), want \(N, C, H, W\)"),
    (GOOD[:0], r"images: got shape \(0, 3, 4, 5\), want .* at least one image"),
    (with_value(np.nan), r"images: got 1 values that are NaN or infinite \(the first at \(1, 2, 3, 4\)\), want finite"),
    (with_value(np.inf), "images: got 1 values that are NaN or infinite"),
    ((GOOD * 100).astype(np.uint8), r"images: got dtype uint8, want floats, scaled to \[-1, 1\]"),
])
def test_images(machine, images, message):
    with refused(message):
        machine(images)


@pytest.mark.parametrize("machine", PATCHES)
@pytest.mark.parametrize("k, message", [
    (4, "patch_size: got 4, want an odd integer of at least 1"),
    (0, "patch_size: got 0, want an odd integer of at least 1"),
    (-3, "patch_size: got -3, want an odd integer of at least 1"),
    (3.0, "patch_size: got 3.0, want an odd integer"),
    ("3", "patch_size: got '3', want an odd integer"),
    (True, "patch_size: got True, want an odd integer"),
])
def test_patch_size(machine, k, message):
    with refused(message):
        machine(GOOD, k)
    with refused(message):
        machine(GOOD, 3).denoise(GOOD, 1.0, patch_size=k)


def test_a_window_larger_than_unwrapped_training_patches_allow():
    with refused("patch_size: got 5 with wrap_training=False, want at most the image's 4"):
        EquivariantLocalScore(GOOD, 5, "circular", wrap_training=False)
    with refused("patch_size: got 5 with wrap_training=False"):
        EquivariantLocalScore(GOOD, 3, "circular", wrap_training=False).denoise(GOOD, 1.0, patch_size=5)


@pytest.mark.parametrize("machine", PATCHES)
def test_boundary(machine):
    with refused("boundary: got 'reflect', want one of 'zeros', 'circular'"):
        machine(GOOD, 3, "reflect")


@pytest.mark.parametrize("machine", [IdealScore(GOOD), EquivariantScore(GOOD), LocalScore(GOOD, 3)])
@pytest.mark.parametrize("x, sigma, message", [
    (GOOD[0], 1.0, r"x: got shape \(3, 4, 5\), want \(B, 3, 4, 5\) like the training images"),
    (GOOD[:, :2], 1.0, r"x: got shape \(2, 2, 4, 5\), want \(B, 3, 4, 5\)"),
    (with_value(np.nan), 1.0, r"x: got 1 values that are NaN or infinite \(the first at \(1, 2, 3, 4\)\)"),
    (GOOD.astype(int), 1.0, "x: got dtype int64, want floats"),
    (GOOD, 0.0, "sigma: got 0.0, want finite numbers above 0"),
    (GOOD, -1.0, "sigma: got -1.0, want finite numbers above 0"),
    (GOOD, np.nan, "sigma: got nan, want finite numbers above 0"),
    (GOOD, [1.0, 0.0], r"sigma: got \[1.0, 0.0\], want finite numbers above 0"),
    (GOOD, [1.0, 1.0, 1.0], r"sigma: got shape \(3,\), want a number or \(2,\), one a query"),
])
def test_queries(machine, x, sigma, message):
    for call in (machine.denoise, machine.score, lambda x, s: machine.leave_out(x, s, 0)):
        with refused(message):
            call(x, sigma)


def test_labels():
    with refused("labels: got labels for a machine built without them, want None"):
        IdealScore(GOOD).denoise(GOOD, 1.0, labels=[0, 1])
    with refused(r"labels: got shape \(3,\) of int64, want \(2,\) integers, one an image"):
        IdealScore(GOOD, labels=[0, 1, 2])
    with refused(r"labels: got shape \(2,\) of float64, want \(2,\) integers"):
        IdealScore(GOOD, labels=[0.0, 1.0])
    machine = EquivariantLocalScore(GOOD, 3, labels=[0, 7])
    with refused(r"labels: got class 3 without a training image, want one of \[0, 7\]"):
        machine.denoise(GOOD, 1.0, labels=[3, 3])
    with refused(r"labels: got shape \(3,\) of int64, want an integer or \(2,\) integers"):
        machine.denoise(GOOD, 1.0, labels=[0, 7, 0])


def test_leave_out():
    for image in (-1, 2, 1.0, True):
        with refused(f"image: got {image!r}, want an integer from 0 to 1"):
            IdealScore(GOOD).leave_out(GOOD, 1.0, image)
    with refused("image: got 1, the only training image there is"):
        IdealScore(GOOD, labels=[0, 1]).leave_out(GOOD, 1.0, 1, labels=1)


def test_options_that_a_machine_has_not():
    with refused("patch_size: got an option that IdealScore has not"):
        IdealScore(GOOD).denoise(GOOD, 1.0, patch_size=3)
    with refused("strength: got an option that EquivariantLocalScore has not"):
        EquivariantLocalScore(GOOD, 3).denoise(GOOD, 1.0, strength=0.1)


def matrix(P=20, fill=None):
    alpha = (1.0 - np.eye(P)) / (P - 1)
    if fill is not None:
        alpha[0, 1] = fill
    return alpha


@pytest.mark.parametrize("attention, message", [
    ("soft", "attention: got 'soft', want one of 'uniform', 'identity', 'top1'"),
    (matrix(19), r"attention: got shape \(19, 19\), want \(20, 20\) or \(B, 20, 20\)"),
    (matrix(fill=np.nan), "attention: got entries that are negative, NaN or infinite"),
    (matrix(fill=-0.5), "attention: got entries that are negative, NaN or infinite"),
    (matrix(fill=0.9), "attention: got rows that sum to 1 ... 1.8"),
    (np.eye(20), "attention: got a diagonal that is not 0"),
])
def test_attention(attention, message):
    with refused(message):
        AttentionScore(GOOD, 3, attention=attention)


@pytest.mark.parametrize("machine", [AttentionScore, PairScore])
@pytest.mark.parametrize("name", ["strength", "beta"])
def test_strength_and_temperature(machine, name):
    for value in (-0.1, np.nan, np.inf, "1", [0.1]):
        with pytest.raises(UserError, match=f"^{name}: got .*want a finite number of at least 0$"):
            machine(GOOD, 3, **{name: value})
        with pytest.raises(UserError, match=f"^{name}: got .*want a finite number of at least 0$"):
            machine(GOOD, 3).denoise(GOOD, 1.0, **{name: value})


def test_as_many_matrices_as_queries():
    machine = AttentionScore(GOOD, 3, attention=np.stack([matrix()] * 3), strength=0.1)
    with refused("x: got 2 queries for 3 attention matrices, want as many"):
        machine.denoise(GOOD, 1.0)


WORD, LIST_OF_WORDS, THING = "1", ["a", "b"], object()
NOT_NUMBERS = [None, WORD, "", LIST_OF_WORDS, {}, THING, [[1.0, 2.0], [3.0]], np.array([None, 1.0]), 1j]
NOT_A_NUMBER = [WORD, "", [0.1], {}, THING, np.ones(2), 1j, True, np.nan, np.inf, -np.inf, -0.1]
NOT_AN_INTEGER = [*NOT_A_NUMBER, 1.5, 3.0, -1]
NOT_A_WORD = [None, "", "word", 3, True, ["zeros"], {}, THING, np.zeros(2)]

NONSENSE = {
    "images": [*NOT_NUMBERS, 3.0, [], GOOD[0], GOOD[:0], GOOD[:, :, :0], with_value(np.nan), with_value(-np.inf),
               (127 * GOOD).astype(np.uint8), GOOD.astype(np.int64), GOOD > 0, GOOD * 1j, GOOD.astype(str),
               127.5 * (GOOD + 1), with_value(1e39), with_value(-2.5)],
    "x": [*NOT_NUMBERS, 3.0, [], GOOD[0], GOOD[:0], GOOD[:, :2], GOOD[..., :4], with_value(np.nan), with_value(np.inf),
          GOOD.astype(np.int64), (GOOD * 100).astype(np.uint8), GOOD > 0, GOOD * 1j, GOOD.astype(str), 1e200 * GOOD],
    "sigma": [*NOT_NUMBERS, [], 0, 0.0, -1.0, np.nan, np.inf, True, [True, True], [1.0, 0.0], [1.0, 1.0, 1.0], "0.5",
              ["0.5", "1"], 1e-154, 1e-300, 1e200, np.ones((2, 1))],
    "labels": [*NOT_NUMBERS[1:], 0.5, [0.0, 1.0], [[0, 1]], [0, 1, 0], [True, False], True],
    "patch_size": [*NOT_AN_INTEGER, 0, 4, "3"],
    "patch_sizes": [None, 3, "35", [], [3, 4], [3, None], [3, "5"], {}, THING, np.ones((2, 2), dtype=int), [3.0],
                    [True]],
    "boundary": [*NOT_A_WORD, "reflect", b"zeros"],
    "wrap_training": [None, "yes", 0, 1, 1.0, [], [True], THING, np.ones(2)],
    "attention": [None, "soft", "", 3, True, [], [1.0], {}, THING, 1j, np.eye(20), np.ones((19, 19)) / 18,
                  np.full((20, 20), np.nan), np.zeros((20, 20)), np.zeros((0, 20, 20)), -np.ones((20, 20)),
                  np.full((20, 20), "a")],
    "strength": NOT_A_NUMBER,
    "strengths": [None, 0.1, "12", [], [0.1, -1.0], [None], ["1"], {}, THING, np.ones((2, 2)), [np.nan], [True]],
    "beta": NOT_A_NUMBER,
    "draws": [None, *NOT_AN_INTEGER, 0],
    "seed": [None, *NOT_AN_INTEGER],
    "shrinkage": [*NOT_A_NUMBER, 1.1],
    "tolerance": [*NOT_A_NUMBER, 0],
    "return_bound": [None, "yes", 0, 1, [], THING, np.ones(2)],
    "backend": ["", "cuda", 3, True, ["numba"], {}, THING, np.zeros(2)],
    "image": [None, *NOT_AN_INTEGER, 2],
    "top": [None, *NOT_AN_INTEGER, 0, 1025],
    "label": [*NOT_NUMBERS[1:], 0.5, [0, 1], True, 7],
    "no_such_option": [None, 1],
}
LABELS = np.array([0, 1])
BUILT = {kind: {"patch_size": 3} for kind in (LocalScore, EquivariantLocalScore, AttentionScore, PairScore,
                                               ConsensusScore, InnovationScore)} | {
    kind: {} for kind in (IdealScore, EquivariantScore, WienerScore)}
CALLS = {
    "denoise": {"x": GOOD, "sigma": 1.0, "labels": 0, "tolerance": 0.1, "return_bound": True, "backend": "numba"},
    "leave_out": {"x": GOOD, "sigma": 1.0, "image": 0, "labels": 1, "backend": "numba"},
    "score": {"x": GOOD, "sigma": 1.0, "labels": 0, "tolerance": 0.1, "backend": "numba"},
    "attribute": {"x": GOOD, "sigma": 1.0, "top": 2, "labels": 0},
    "denoise_scales": {"x": GOOD, "sigma": 1.0, "patch_sizes": [3], "labels": 0, "tolerance": 0.1,
                       "return_bound": True, "backend": "numba"},
    "denoise_strengths": {"x": GOOD, "sigma": 1.0, "strengths": [0.1], "labels": 0, "backend": "numba"},
    "attention_map": {"x": GOOD, "sigma": 1.0, "labels": 0},
    "evidence": {"x": GOOD, "sigma": 1.0, "labels": 0},
    "context": {"sigma": 1.0, "label": 0},
}


def settings_of(machine, method):
    """A machine's own options of a call."""
    taken = {"denoise_scales": "patch_size", "denoise_strengths": "strength"}.get(method)
    return {"no_such_option": None} | {name: None for name in machine.settings if name != taken}


def asked():
    """A function of the arguments, good ones, and the name of one, for all that users can hand in."""
    for kind, given in BUILT.items():
        good = {name: p.default for name, p in inspect.signature(kind).parameters.items()} | given | {"images": GOOD}
        machine = kind(GOOD, labels=LABELS, **given)
        methods = [(f"{kind.__name__}.{method}", getattr(machine, method), arguments | settings_of(machine, method))
                   for method, arguments in CALLS.items() if hasattr(machine, method)]
        for called, function, arguments in [(kind.__name__, kind, good), *methods]:
            for name in arguments:
                yield pytest.param(function, arguments, name, id=f"{called}-{name}")


@pytest.mark.parametrize("function, good, name", list(asked()))
def test_nonsense_is_refused_in_one_line_that_names_the_argument(function, good, name):
    good = {argument: value for argument, value in good.items() if value is not None or argument == name}
    defaults = [None] if good[name] is None else []
    for value in NONSENSE[name]:
        if any(value is default for default in defaults) and name != "no_such_option":
            continue
        with pytest.raises(UserError) as caught:
            function(**good | {name: value})
        said = str(caught.value)
        assert said.startswith(f"{name}: ") and "want" in said and "\n" not in said and len(said) < 300, value


@pytest.mark.parametrize("change", [
    lambda a: a.astype(">f8"), lambda a: a.astype(">f4"), lambda a: a.astype(np.float16), np.asfortranarray,
    lambda a: np.repeat(a, 2, axis=3)[..., ::2], lambda a: a[::-1, :, ::-1][::-1, :, ::-1], lambda a: a.tolist(),
    lambda a: a.astype(np.longdouble)], ids=["big-endian", "big-endian32", "half", "fortran", "strided", "reversed",
                                             "lists", "long"])
@pytest.mark.parametrize("kind", BUILT)
def test_any_layout_and_float_type_is_the_same_array(kind, change):
    images = np.random.default_rng(0).integers(-8, 9, (4, 2, 4, 3)) / 8.0  # the same numbers in half precision
    x = images[:2] + 0.25
    images.flags.writeable = x.flags.writeable = False
    expected = kind(images, **BUILT[kind]).denoise(x, 0.5)
    found = kind(change(images), **BUILT[kind]).denoise(change(x), np.float32(0.5))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3 if found.dtype.itemsize < 4 else 1e-6)


def test_images_that_seem_to_lie_in_0_to_1_are_warned_of_where_the_user_stands():
    with pytest.warns(ImageRangeWarning, match="^images: got values from 0 to 1, none below 0; want") as caught:
        EquivariantLocalScore((GOOD + 1) / 2, 3)
    assert caught[0].filename == __file__ and len(caught) == 1


@pytest.mark.parametrize("sigma", [1e-100, 1e-20, 1e20, 1e100])
@pytest.mark.parametrize("kind", BUILT)
def test_any_noise_that_float64_holds_has_an_answer(kind, sigma):
    options = {"strength": 0.0} if kind is InnovationScore else {}
    x0 = kind(GOOD, **BUILT[kind]).denoise(GOOD + 0.25, sigma, **options)
    assert np.isfinite(x0).all() and np.abs(x0).max() <= (1.3 if kind is WienerScore else 1.0 + 1e-6)
