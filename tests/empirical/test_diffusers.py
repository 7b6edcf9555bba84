import sys

import numpy as np
import pytest
import torch
from torch import nn

from empirical.adapters import NetworkDenoiser
from empirical.diffusers import as_diffusers, from_diffusers
from theory import EquivariantLocalScore, IdealScore
from theory.errors import UserError
from theory.samplers import ddim, euler
from theory.schedules import CosineSchedule, FlowSchedule, LinearSchedule, Schedule

diffusers = pytest.importorskip("diffusers")

BETAS = ("linear", "scaled_linear", "squaredcos_cap_v2")
PREDICTIONS = ("epsilon", "v_prediction", "sample")
SHAPE = (2, 8, 8)


def unet(channels=2, **options):
    torch.manual_seed(0)
    return diffusers.UNet2DModel(8, channels, channels, block_out_channels=(32,), down_block_types=("DownBlock2D",),
                                 up_block_types=("UpBlock2D",), layers_per_block=1, norm_num_groups=8, **options).eval()


def noise(batch=2, seed=1, shape=SHAPE):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(batch, *shape)).astype(np.float32))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(2).uniform(-1, 1, (6, *SHAPE)).astype(np.float32)


@torch.no_grad()
def sampled(scheduler, network, state, steps=10):
    """diffusers' own loop."""
    scheduler.set_timesteps(steps)
    for t in scheduler.timesteps:
        state = scheduler.step(network(scheduler.scale_model_input(state, t), t).sample, t, state).prev_sample
    return state


# --- their samplers, and ours with their networks ---------------------------------------------------------------------


@pytest.mark.parametrize("betas", BETAS)
@pytest.mark.parametrize("prediction, zero_snr", [*((p, False) for p in PREDICTIONS), ("v_prediction", True)])
def test_ddim_draws_what_theirs_draws(betas, prediction, zero_snr):
    scheduler = diffusers.DDIMScheduler(beta_schedule=betas, prediction_type=prediction, clip_sample=False,
                                        timestep_spacing="trailing", rescale_betas_zero_snr=zero_snr)
    network = unet()
    denoiser = from_diffusers(network, scheduler)
    ours = ddim(denoiser, noise(), denoiser.schedule, steps=10)
    theirs = sampled(scheduler, network, noise())
    scale = float(theirs.abs().max())
    np.testing.assert_allclose(ours / scale, theirs / scale, atol=2e-4)


@pytest.mark.parametrize("betas", BETAS)
@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_ddpm_has_the_same_clean_image(betas, prediction):
    scheduler = diffusers.DDPMScheduler(beta_schedule=betas, prediction_type=prediction, clip_sample=False)
    network, phi = unet(), noise()
    denoiser = from_diffusers(network, scheduler)
    for step in (0, 1, 400, 990):
        with torch.no_grad():
            expected = scheduler.step(network(phi, step).sample, step, phi).pred_original_sample
        abar = scheduler.alphas_cumprod[step].double()
        sigma = float(((1 - abar) / abar).sqrt())
        x0 = denoiser.denoise(phi / abar.float().sqrt(), sigma)
        np.testing.assert_allclose(x0, expected, atol=2e-5 * (1 + sigma))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_edm_is_read_as_its_scheduler_reads_it(prediction):
    scheduler = diffusers.EDMEulerScheduler(sigma_data=0.6, prediction_type=prediction)
    network, start = unet(), 80 * noise()
    theirs = sampled(scheduler, network, start)
    denoiser = from_diffusers(network, scheduler)
    np.testing.assert_allclose(euler(denoiser, start, scheduler.sigmas.double().numpy()), theirs, atol=1e-4)
    np.testing.assert_allclose(denoiser.schedule.grid(10), scheduler.sigmas, rtol=1e-5)


def test_flow_matching_is_read_as_its_scheduler_reads_it():
    scheduler, network = diffusers.FlowMatchEulerDiscreteScheduler(), unet()
    grid = np.linspace(1, 0.1, 10)
    scheduler.set_timesteps(sigmas=grid)
    state = noise()
    with torch.no_grad():
        for t in scheduler.timesteps:
            state = scheduler.step(network(state, t).sample, t, state).prev_sample
    denoiser = from_diffusers(network, scheduler)
    np.testing.assert_allclose(ddim(denoiser, noise(), FlowSchedule(), steps=10), state, atol=1e-4)


def test_other_schedulers_of_a_network_that_counts_steps_read_it_alike():
    x = noise()
    expected = from_diffusers(unet(), diffusers.DDPMScheduler()).denoise(x, 0.5)
    for kind in ("PNDMScheduler", "DPMSolverMultistepScheduler", "EulerDiscreteScheduler", "UniPCMultistepScheduler"):
        scheduler = getattr(diffusers, kind)(beta_start=1e-4, beta_end=0.02, beta_schedule="linear")
        np.testing.assert_array_equal(from_diffusers(unet(), scheduler).denoise(x, 0.5), expected)


# --- a machine in their clothes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("betas", BETAS)
@pytest.mark.parametrize("prediction, zero_snr", [
    ("epsilon", False), *((p, z) for p in PREDICTIONS[1:] for z in (False, True))])
def test_a_machine_dressed_as_their_network_comes_back(images, betas, prediction, zero_snr):
    """Also between their steps, and in a class."""
    scheduler = diffusers.DDPMScheduler(beta_schedule=betas, prediction_type=prediction,
                                        rescale_betas_zero_snr=zero_snr)
    schedule = Schedule.from_alphas_cumprod(scheduler.alphas_cumprod.double().numpy())
    machine = EquivariantLocalScore(images, 3, labels=[0, 0, 0, 1, 1, 1])
    back = from_diffusers(as_diffusers(machine, schedule, prediction), scheduler)
    for sigma in (0.005, 0.013, 0.37, 10.0, min(150.0, 0.99 * float(schedule.sigma(1.0)))):
        x = images[:2] + sigma * noise().numpy()
        labels = [0, 1]
        np.testing.assert_allclose(back.denoise(x, sigma, labels), machine.denoise(x, sigma, labels=labels), atol=1e-3)


class Dressed(nn.Module):
    """A machine as an EDM's F, or as a flow's velocity."""

    def __init__(self, machine, kind):
        super().__init__()
        self.machine, self.kind, self.size = machine, kind, 0.5

    def forward(self, image, t):
        t = t.double().numpy()
        sigma = np.exp(4 * t) if self.kind == "edm" else t / 1000 / (1 - t / 1000)
        column = torch.from_numpy(sigma)[:, None, None, None].float()
        total = (column**2 + self.size**2).sqrt()
        x = image * (total if self.kind == "edm" else 1 + column)
        x0 = self.machine.denoise(x, sigma)
        if self.kind == "flow":
            return (x - x0) / column - x0
        return (x0 - self.size**2 / total**2 * x) / (column * self.size / total)


@pytest.mark.parametrize("kind, scheduler", [("edm", "EDMEulerScheduler"), ("edm", "EDMDPMSolverMultistepScheduler"),
                                             ("flow", "FlowMatchEulerDiscreteScheduler"),
                                             ("flow", "FlowMatchHeunDiscreteScheduler")])
def test_a_machine_dressed_as_an_edm_or_a_flow_comes_back(images, kind, scheduler):
    machine = EquivariantLocalScore(images, 3)
    back = from_diffusers(Dressed(machine, kind), getattr(diffusers, scheduler)())
    for sigma in (0.01, 0.37, 1.0, 60.0):
        x = images[:2] + sigma * noise().numpy()
        np.testing.assert_allclose(back.denoise(x, sigma), machine.denoise(x, sigma), atol=1e-3)


@pytest.mark.parametrize("schedule, betas", [(LinearSchedule(), None), (CosineSchedule(), "given")])
def test_a_machine_in_their_ddim_pipeline_draws_what_ours_draws(images, schedule, betas):
    machine = EquivariantLocalScore(images, 3)
    unet2d = as_diffusers(machine, schedule)
    options = {} if betas is None else {"trained_betas": unet2d.betas}
    scheduler = diffusers.DDIMScheduler(clip_sample=False, timestep_spacing="trailing", **options)
    pipeline = diffusers.DDIMPipeline(unet2d, scheduler)
    pipeline.set_progress_bar_config(disable=True)
    start = torch.randn((2, *SHAPE), generator=torch.Generator().manual_seed(3))
    theirs = pipeline(2, torch.Generator().manual_seed(3), num_inference_steps=20, output_type="pt").images
    ours = ddim(machine, start, schedule, steps=20)
    np.testing.assert_allclose(theirs, (ours / 2 + 0.5).clamp(0, 1), atol=1e-4)


def test_a_machine_in_their_ddpm_pipeline_draws_its_images(images):
    pipeline = diffusers.DDPMPipeline(as_diffusers(IdealScore(images), LinearSchedule()), diffusers.DDPMScheduler())
    pipeline.set_progress_bar_config(disable=True)
    drawn = pipeline(3, torch.Generator().manual_seed(0), num_inference_steps=50, output_type="pt").images * 2 - 1
    distance = abs(drawn.numpy()[:, None] - images).max(axis=(2, 3, 4)).min(axis=1)
    assert distance.max() < 0.1  # the last step's noise is 0.01


def test_rectangles_dtypes_and_tuples(images):
    machine = EquivariantLocalScore(images[..., :6], 3)
    unet2d = as_diffusers(machine, LinearSchedule()).to(torch.bfloat16)
    assert (unet2d.config.sample_size, unet2d.config.in_channels, unet2d.dtype) == ((8, 6), 2, torch.bfloat16)
    phi = noise(shape=(2, 8, 6))
    expected = unet2d(phi, 500).sample
    each = torch.cat([unet2d(phi[:1], 500).sample, unet2d(phi[1:], 20).sample])
    np.testing.assert_allclose(unet2d(phi, torch.tensor([500, 20]), return_dict=False)[0], each, atol=1e-6)
    half = unet2d(phi.bfloat16(), torch.tensor(500)).sample
    assert half.dtype == torch.bfloat16
    np.testing.assert_allclose(half.float(), expected, atol=0.05)


# --- how the network is called ----------------------------------------------------------------------------------------


class Listens(nn.Module):
    def __init__(self, dtype=torch.float32, channels=1):
        super().__init__()
        self.weight, self.channels, self.calls = nn.Parameter(torch.ones((), dtype=dtype)), channels, []

    def forward(self, sample, timestep, encoder_hidden_states=None, class_labels=None):
        self.calls.append((sample, timestep, encoder_hidden_states, class_labels))
        return self.weight * torch.cat([sample] * self.channels, dim=1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_steps_are_whole_and_never_rounded(dtype):
    network, scheduler = Listens(dtype), diffusers.DDPMScheduler()
    denoiser = from_diffusers(network, scheduler)
    for step in (0, 1, 500, 943, 945, 998, 999):
        network.calls.clear()
        denoiser.denoise(noise(), denoiser.schedule.sigma((step + 1) / 1000))
        [(image, told, *_)] = network.calls
        assert told.dtype == torch.int64 and told.tolist() == [step, step]
        assert image.dtype == dtype
    for sigma, steps in ((1e-5, {0}), (1e4, {999})):
        network.calls.clear()
        denoiser.denoise(noise(), sigma)
        assert {told[0].item() for _, told, *_ in network.calls} == steps


def test_a_table_of_steps_is_read_at_whole_steps():
    scheduler = diffusers.DDPMScheduler()
    network = unet(time_embedding_type="learned", num_train_timesteps=1000)
    denoiser = from_diffusers(network, scheduler)
    means = [denoiser.denoise(noise(), denoiser.schedule.sigma(t)) for t in (0.4995, 0.5, 0.5005, 0.501)]
    assert abs(means[3] - means[1]).max() > 0.1  # no network of steps: neighbours in the table are nothing alike
    assert abs(means[2] - (means[1] + means[3]) / 2).max() < 0.01


def test_class_labels_reach_the_network():
    network = unet(num_class_embeds=3)
    denoiser = from_diffusers(network, diffusers.DDPMScheduler())
    sigma = float(denoiser.schedule.sigma(0.3))
    with torch.no_grad():
        eps = network(noise() / (1 + sigma**2) ** 0.5, 299, class_labels=torch.tensor([2, 0])).sample
    np.testing.assert_allclose(denoiser.denoise(noise(), sigma, [2, 0]), noise() - sigma * eps, atol=1e-5)


def test_fixed_conditioning_is_given_with_every_call():
    torch.manual_seed(0)
    network = diffusers.UNet2DConditionModel(
        8, 2, 2, down_block_types=("CrossAttnDownBlock2D",), up_block_types=("CrossAttnUpBlock2D",),
        block_out_channels=(32,), layers_per_block=1, norm_num_groups=8, cross_attention_dim=4,
        attention_head_dim=8).eval()
    text = torch.randn(1, 3, 4)
    denoiser = from_diffusers(network, diffusers.DDPMScheduler(), encoder_hidden_states=text)
    sigma = float(denoiser.schedule.sigma(0.3))
    with torch.no_grad():
        eps = network(noise() / (1 + sigma**2) ** 0.5, 299, text.expand(2, 3, 4)).sample
    np.testing.assert_allclose(denoiser.denoise(noise(), sigma), noise() - sigma * eps, atol=1e-5)
    other = from_diffusers(network, diffusers.DDPMScheduler(), encoder_hidden_states=-text)
    assert abs(other.denoise(noise(), sigma) - denoiser.denoise(noise(), sigma)).max() > 1e-3


def test_a_learned_variance_is_left_out_and_nothing_else():
    learned = diffusers.DDPMScheduler(variance_type="learned_range")
    expected = from_diffusers(Listens(), diffusers.DDPMScheduler()).denoise(noise(), 0.5)
    np.testing.assert_array_equal(from_diffusers(Listens(channels=2), learned).denoise(noise(), 0.5), expected)
    with pytest.raises(UserError, match="^network: got output of shape"):
        from_diffusers(Listens(channels=2), diffusers.DDPMScheduler()).denoise(noise(), 0.5)


def test_compiled_modules_and_their_dtype():
    class Compiled(nn.Module):  # as torch.compile wraps one
        def __init__(self, module):
            super().__init__()
            self._orig_mod = module

        def forward(self, *arguments, **named):
            return self._orig_mod(*arguments, **named)

    x = noise()
    expected = from_diffusers(unet(), diffusers.DDPMScheduler()).denoise(x, 0.5)
    np.testing.assert_array_equal(from_diffusers(Compiled(unet()), diffusers.DDPMScheduler()).denoise(x, 0.5), expected)
    half = from_diffusers(unet().to(torch.bfloat16), diffusers.DDPMScheduler()).denoise(x, 0.5)
    assert half.dtype == torch.float32
    np.testing.assert_allclose(half, expected, atol=0.05)


# --- errors -----------------------------------------------------------------------------------------------------------


def test_bad_arguments(images):
    ddpm = diffusers.DDPMScheduler
    for unet2d, scheduler, message in (
            (lambda x, t: x, ddpm(), "unet: got function, want"),
            (unet(), ddpm(rescale_betas_zero_snr=True), "scheduler: got prediction type epsilon with zero"),
            (unet(), object(), "scheduler: got object, want one with alphas_cumprod"),
            (unet(), diffusers.ScoreSdeVeScheduler(), "scheduler: got ScoreSdeVeScheduler, want one with")):
        with pytest.raises(UserError, match=f"^{message}"):
            from_diffusers(unet2d, scheduler)
    machine = IdealScore(images)
    for change, message in (
            (dict(machine=3), "machine: got int, want"), (dict(schedule=ddpm()), "schedule: got DDPMScheduler, want"),
            (dict(prediction="eps"), "prediction: got 'eps', want epsilon"),
            (dict(shape=(8, 8)), r"shape: got \(8, 8\), want \(C, H, W\)"),
            (dict(machine=NetworkDenoiser(nn.Identity())), "shape: got None, want")):
        with pytest.raises(UserError, match=f"^{message}"):
            as_diffusers(**dict(machine=machine, schedule=LinearSchedule()) | change)
    for timestep in (1000, -1, 0.5, torch.tensor([1, 2, 3])):
        with pytest.raises(UserError, match="^timestep: got .*, want an integer from 0 to 999"):
            as_diffusers(machine, LinearSchedule())(noise(), timestep)


def test_without_diffusers_one_line_says_what_to_install(images, monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers.configuration_utils", None)
    with pytest.raises(UserError, match=r"^diffusers: it is not installed, want pip install patchmosaic\[diffusers\]$"):
        as_diffusers(IdealScore(images), LinearSchedule())
