"""The torch engine against numba's and against the loop twins; on the CPU, and on a GPU where there is one."""

import gc
import subprocess
import sys
import weakref

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import theory.engine.posterior
import theory.engine.torch_backend
from tests import naive
from tests.theory.cases import MACHINES, data, noised
from theory import AttentionScore, EquivariantLocalScore, EquivariantScore, IdealScore, LocalScore, WienerScore
from theory.engine._torch import scan
from theory.engine.geometry import equivariant_axis
from theory.engine.image_evidence import image_evidence
from theory.engine.scan_options import ScanOptions
from theory.engine.torch_backend import TorchBackend, default_backend

SIGMAS = [1e-7, 0.02, 0.3, 80.0]
SHAPES = [(3, 5, 3), (1, 2, 6)]  # C, H, W; the last is narrower than most windows
TOLERANCE, SMALL = 5e-5, 1e-6  # of large calls, of which the contract says 1e-4, and of small ones
ON_TORCH = ("ideal", "local", "els-zeros", "els-circular", "els-unwrapped", "attention")  # machines that torch answers
TINY = TorchBackend(memory_bytes=3000)  # sends the training set in parts, one query and one image at a time or a few


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def queries(rng, images, sigma, B):
    """Queries near the data, and the last one far from every candidate."""
    x = noised(rng, images, sigma, B)
    x[-1] += 3.0
    return x


def agree(machine, x, sigma, expected=None, **options):
    """torch, in small calls and, with little memory, in large ones, is numba, and both are the twin."""
    by_numba = machine.denoise(x, sigma, **options)
    for pairs, backend, tolerance in ((np.inf, "torch", SMALL), (0, TINY, TOLERANCE)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(theory.engine.posterior, "FLOAT64_PAIRS", pairs)
            got = machine.denoise(x, sigma, backend=backend, **options)
        assert_allclose(got, by_numba, atol=tolerance)
        if expected is not None:
            assert_allclose(got, expected, atol=tolerance)


@pytest.mark.parametrize("B", [1, 5])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("sigma", SIGMAS)
def test_ideal(rng, sigma, shape, B):
    images = data(rng, shape, 37)
    x = queries(rng, images, sigma, B)
    agree(IdealScore(images), x, sigma, [naive.ideal(v, images, sigma) for v in x])


@pytest.mark.parametrize("boundary", ["zeros", "circular"])
@pytest.mark.parametrize("k", [3, 13])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("sigma", SIGMAS)
def test_local(rng, sigma, shape, k, boundary):
    images = data(rng, shape, 4)
    x = queries(rng, images, sigma, 2)
    expected = [naive.patch_machine(v, images, sigma, k, boundary, local=True) for v in x]
    agree(LocalScore(images, k, boundary), x, sigma, expected)


@pytest.mark.parametrize("boundary, wrap", [("zeros", True), ("circular", True), ("circular", False)])
@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("sigma", SIGMAS)
def test_equivariant_local(rng, sigma, shape, k, boundary, wrap):
    if not wrap and k > min(shape[1:]):
        pytest.skip("no such machine")
    images = data(rng, shape, 3)
    x = queries(rng, images, sigma, 2)
    expected = [naive.patch_machine(v, images, sigma, k, boundary, wrap) for v in x]
    agree(EquivariantLocalScore(images, k, boundary, wrap_training=wrap), x, sigma, expected)


@pytest.mark.parametrize("rule", ["uniform", "identity", "top1", "given"])
@pytest.mark.parametrize("boundary", ["zeros", "circular"])
@pytest.mark.parametrize("shape, k", [((3, 4, 2), 3), ((1, 3, 5), 5)], ids=str)
@pytest.mark.parametrize("sigma", [0.02, 0.5])
def test_attention(rng, sigma, shape, k, boundary, rule):
    images = data(rng, shape, 9)
    x = queries(rng, images, sigma, 2)
    P = shape[1] * shape[2]
    if rule == "given":
        rule = rng.uniform(size=(P, P)) * (1.0 - np.eye(P))
        rule /= rule.sum(axis=1, keepdims=True)
    expected = [naive.attention(v, images, sigma, k, rule, 0.3, boundary) for v in x]
    agree(AttentionScore(images, k, boundary, attention=rule, strength=0.3), x, sigma, expected)


@pytest.mark.parametrize("name", ON_TORCH)
def test_many_queries_each_with_its_class_and_noise(rng, name):
    images, labels = data(rng, (2, 5, 4), 50), rng.permutation(np.arange(50) % 3)
    B = 6 if name == "attention" else 110
    sigma = rng.permutation(np.geomspace(0.01, 50.0, B))
    x = queries(rng, images, 1.0, B) * sigma[:, None, None, None]
    machine = MACHINES[name](images, labels=labels)
    for asked in (None, np.arange(B) % 3):
        got = machine.denoise(x, sigma, labels=asked, backend="torch")
        assert_allclose(got, machine.denoise(x, sigma, labels=asked), atol=TOLERANCE)


@pytest.mark.parametrize("name", ON_TORCH)
def test_leave_out(rng, name):
    images = data(rng, (1, 4, 4), 34)  # more than one block
    x = queries(rng, images, 0.2, 2)
    for image in (0, 33):
        expected = MACHINES[name](np.delete(images, image, axis=0)).denoise(x, 0.2)
        for backend in ("torch", TINY):
            assert_allclose(MACHINES[name](images).leave_out(x, 0.2, image, backend=backend), expected, atol=TOLERANCE)


@pytest.mark.parametrize("case", ["duplicates", "ties", "constant", "outlier"])
@pytest.mark.parametrize("sigma", SIGMAS)
def test_training_images_that_invite_mistakes(rng, sigma, case):
    noise = data(rng, (1, 6, 5), 12)
    signs = np.where(np.arange(12) % 2, 1.0, -1.0).astype(np.float32)[:, None, None, None]
    images = {"duplicates": np.repeat(noise[:2], 6, axis=0), "ties": np.broadcast_to(signs, noise.shape),
              "constant": np.full_like(noise, -0.2), "outlier": np.concatenate([0.01 * noise, np.ones_like(noise[:1])])}
    x = np.concatenate([0 * noise[:1], noise[:1], 20 * noise[1:2]])
    for machine in (IdealScore(images[case]), LocalScore(images[case], 3), EquivariantLocalScore(images[case], 3)):
        agree(machine, x, sigma)
        for tolerance in (1e-2, 1e-6) if sigma > 1e-6 else ():  # logits of 1e17 nats: float64 promises nothing
            x0, bound = machine.denoise(x, sigma, tolerance=tolerance, return_bound=True, backend="torch")
            exact = machine.denoise(x.astype(np.float64), sigma)
            assert (np.abs(x0 - exact) <= bound).all() and (bound <= tolerance).all()


WAYS = {"float32 products": (np.inf, np.inf, TOLERANCE), "float64 products": (0.0, np.inf, 1e-9),
        "differences": (0.0, 0.0, 1e-9)}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ON_TORCH)
def test_every_way_to_compare_windows(rng, monkeypatch, name, way):
    single, double, tolerance = WAYS[way]
    monkeypatch.setattr(theory.engine.posterior, "FLOAT64_PAIRS", 0)
    monkeypatch.setattr(theory.engine.torch_backend, "PRODUCT_ERROR", {"float32": single, "float64": double})
    monkeypatch.setattr(theory.engine.torch_backend, "LARGE_CALL_ERROR", double)
    images = data(rng, (3, 5, 6), 30)
    x, machine = queries(rng, images, 0.7, 3), MACHINES[name](images)
    got = machine.denoise(x, 0.7, backend="torch")
    monkeypatch.setattr(theory.engine.posterior, "FLOAT64_PAIRS", np.inf)
    difference = np.abs(got - machine.denoise(x, 0.7)).max()
    assert difference <= tolerance
    if way == "float32 products" and name != "attention":  # which is always in float64
        assert difference > 1e-9, "float32 was not used"


@pytest.mark.parametrize("name", ON_TORCH)
def test_small_calls_are_float64(rng, name):
    images = data(rng, (1, 4, 4), 4)
    options = {} if name == "ideal" else {"patch_size": 1}
    for sigma in (0.0316, 0.3):
        x, machine = queries(rng, images, sigma, 3), MACHINES[name](images)
        assert_allclose(machine.denoise(x, sigma, backend="torch", **options), machine.denoise(x, sigma, **options),
                        atol=1e-8)


@pytest.mark.parametrize("summed, matrices", [(1, 65535), (5, 7), (100, 1)])
def test_no_answer_depends_on_groups(rng, monkeypatch, summed, matrices):
    """Sums over a divisor of an image's candidates, over several images, with a remainder; few matrices a product."""
    monkeypatch.setattr(scan, "SUMMED", summed)
    monkeypatch.setattr(scan, "MATRICES", matrices)
    images = data(rng, (1, 5, 6), 19)
    x = queries(rng, images, 0.5, 2)
    for build in map(MACHINES.get, ON_TORCH):
        agree(build(images), x, 0.5)


def test_values_other_than_pixels(rng):
    images = data(rng, (1, 5, 6), 70)
    machine = EquivariantLocalScore(images, 3)
    bank, axes = machine._bank, [equivariant_axis(length, 3, "zeros") for length in (5, 6)]
    values = rng.normal(size=(len(bank.blocks), 2, 5, 6, bank.images_per_block)).astype(np.float32)
    x, sigma, request = queries(rng, images, 0.5, 3), np.array([0.02, 0.5, 5.0]), ScanOptions(bank.blocks_of(), None)
    expected, _ = theory.engine.posterior.posterior(x, sigma, bank, request, *axes, values)
    for backend in (TorchBackend(), TINY):
        sums, nearest = backend.posterior(x, sigma, bank, request, *axes, values)
        assert_allclose(sums.mean, expected.mean, atol=TOLERANCE)
        assert_allclose(sums.log_normaliser, expected.log_normaliser, rtol=1e-5, atol=1e-4)
        assert sums.energy.shape == (3, 0, 5, 6) and nearest.key.shape == (3, 5, 6, 0)


def test_evidence_of_each_image_is_that_of_numba(rng):
    """In float64 whatever the noise: attention adds up the evidence of many pixels."""
    images = data(rng, (2, 5, 6), 70)
    bank, axes = EquivariantLocalScore(images, 3)._bank, [equivariant_axis(length, 3, "zeros") for length in (5, 6)]
    request = ScanOptions(bank.blocks_of(), None, left_out=3)
    for sigma in SIGMAS:
        x = queries(rng, images, sigma, 2)[0]
        expected = image_evidence(x, sigma, bank, request, *axes)
        got = TINY.image_evidence(x, sigma, bank, request, *axes)
        assert_allclose(got.evidence, expected.evidence, rtol=1e-9, atol=1e-9)
        assert_allclose(got.mean, expected.mean, atol=1e-6)
        assert (got.position == expected.position).all() and got.entropy.shape == expected.entropy.shape


class LiveBytes(TorchDispatchMode):
    """The most bytes that tensors held at one time."""

    def __init__(self):
        super().__init__()
        self.most, self._live = 0, {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                users, size = self._live.get(storage._cdata, (0, storage.nbytes()))
                self._live[storage._cdata] = users + 1, size
                weakref.finalize(tensor, self._drop, storage._cdata)
        self.most = max(self.most, sum(size for _, size in self._live.values()))
        return result

    def _drop(self, storage):
        users, size = self._live.pop(storage)
        if users > 1:
            self._live[storage] = users - 1, size


@pytest.mark.parametrize("name", ON_TORCH)
@pytest.mark.parametrize("memory_bytes", [2**17, 2**19])
def test_memory_is_bounded(rng, name, memory_bytes):
    """Whatever the dtype, and whether an image's pixels are taken in parts or many images at once."""
    images = data(rng, (1, 8, 8), 40)
    machine, x = MACHINES[name](images), queries(rng, images, 1.0, 1 if name == "attention" else 4)
    for sigma in (0.02, 3.0):
        with LiveBytes() as live:
            machine.denoise(x, sigma, backend=TorchBackend(memory_bytes=memory_bytes))
        assert memory_bytes / 10 < live.most <= memory_bytes


def test_the_copy_of_a_training_set_goes_with_its_machine(rng):
    backend = TorchBackend()
    machine, other = LocalScore(data(rng, (1, 4, 4), 9), 3), LocalScore(data(rng, (1, 4, 4), 9), 3)
    for m in (machine, machine, other):
        m.denoise(np.zeros((1, 1, 4, 4)), 1.0, backend=backend)
    assert len(backend._kept) == 2
    del machine, m
    gc.collect()
    assert len(backend._kept) == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_tensors_come_back_as_they_came(rng, dtype):
    images = data(rng, (1, 4, 4), 6)
    x = torch.tensor(rng.normal(size=(2, 1, 4, 4)), dtype=dtype)
    machine = EquivariantLocalScore(torch.tensor(images), 3)
    got = machine.denoise(x, torch.tensor([0.5, 1.0]), backend="torch")
    assert got.dtype == x.dtype and got.device == x.device
    assert_allclose(got.double(), machine.denoise(x.double(), [0.5, 1.0]), atol=1e-2 if dtype.itemsize == 2 else 1e-6)
    as_array = machine.denoise(x.double().numpy().astype(np.float32), 0.5, backend="torch")
    assert isinstance(as_array, np.ndarray) and as_array.dtype == np.float32


def test_float32_stays_float32(rng, monkeypatch):
    """Whatever precision the user allows elsewhere is neither used nor changed."""
    monkeypatch.setattr(theory.engine.posterior, "FLOAT64_PAIRS", 0)
    images = data(rng, (1, 8, 8), 50)
    x, machine = queries(rng, images, 2.0, 3), EquivariantLocalScore(images, 7)
    settings = torch.backends.cuda.matmul, torch.backends.mkldnn.matmul
    before = [setting.fp32_precision for setting in settings]
    try:
        for setting in settings:
            setting.fp32_precision = "tf32"
        with torch.autocast("cpu", dtype=torch.bfloat16):
            got = machine.denoise(x, 2.0, backend="torch")
        with pytest.raises(ValueError):
            TorchBackend().posterior(x, np.ones(3), machine._bank, ScanOptions(machine._bank.blocks_of(), None, top=1),
                                     *machine._axes(7))
        assert [setting.fp32_precision for setting in settings] == ["tf32", "tf32"]
    finally:
        for setting, value in zip(settings, before):
            setting.fp32_precision = value
    assert_allclose(got, machine.denoise(x, 2.0), atol=TOLERANCE)


def test_machines_without_this_engine_answer_all_the_same(rng):
    images = data(rng, (1, 4, 4), 6)
    for machine in (EquivariantScore(images), WienerScore(images)):
        assert_allclose(machine.denoise(images, 0.5, backend="torch"), machine.denoise(images, 0.5), atol=1e-15)


def test_bad_arguments(rng):
    images = data(rng, (1, 4, 4), 6)
    machine = EquivariantLocalScore(images, 3)
    for backend in ("jax", 3, ""):
        with pytest.raises(ValueError, match=r"\Abackend: got .*, want one of: numba, torch\Z"):
            machine.denoise(images, 0.5, backend=backend)
    for memory_bytes in (0, -1, 1e9, True, None):
        with pytest.raises(ValueError, match=r"\Amemory_bytes: got .*, want an integer of at least 1\Z"):
            TorchBackend(memory_bytes=memory_bytes)
    for device in ("cuda:77", "warp", 3.5):
        with pytest.raises(ValueError, match=rf"\Adevice: got {device!r}, want a torch device with float64 \(.*\)\Z"):
            TorchBackend(device)
    request = ScanOptions(machine._bank.blocks_of(), None, top=2)
    with pytest.raises(ValueError, match=r"\Atop: got 2, want 0: the torch engine names no candidates, numba does\Z"):
        TorchBackend().posterior(images.astype(float), np.ones(6), machine._bank, request, *machine._axes(3))


def test_theory_does_without_torch():
    program = "import sys; sys.modules['torch'] = None; import theory"  # now any import of torch fails
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_default_device():
    device = "cuda" if torch.cuda.is_available() else "cpu"
    assert default_backend("cpu") is default_backend("cpu")
    assert default_backend("cpu").device.type == device


needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")


@needs_gpu
@pytest.mark.parametrize("name", ON_TORCH)
def test_gpu(rng, name):
    images = data(rng, (3, 9, 8), 300)
    machine = MACHINES[name](images)
    for sigma in SIGMAS:
        x = queries(rng, images, sigma, 4)
        on_gpu = torch.tensor(x, device="cuda")
        got = machine.denoise(on_gpu, sigma)  # torch by default, where the query is
        assert got.device == on_gpu.device and got.dtype == on_gpu.dtype
        assert_allclose(got.cpu(), machine.denoise(x, sigma), atol=TOLERANCE)


@needs_gpu
@pytest.mark.parametrize("memory_bytes", [2**24, 2**28])
def test_gpu_memory_is_bounded(rng, memory_bytes):
    images = data(rng, (1, 32, 32), 1000)
    machine, backend = EquivariantLocalScore(images, 5), TorchBackend("cuda", memory_bytes)
    machine.denoise(images[:1], 1.0, backend=backend)  # the libraries' own workspaces
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    machine.denoise(queries(rng, images, 1.0, 8), 1.0, backend=backend)
    assert torch.cuda.max_memory_allocated() - before <= memory_bytes
