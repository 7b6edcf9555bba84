"""
What patch independence costs
=============================

Evidence sharing takes the patches of a noisy image as independent, given the training image. On the toy set all images
can be enumerated, so the exact posterior is at hand: how far off is the assumption, and what in it is wrong?
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import log_softmax

from empirical.toy import ToyLayout
from theory import AttentionScore, ConsensusScore, CosineSchedule, EquivariantLocalScore, IdealScore, PairScore

images = ToyLayout().enumerate()  # every image there is: 5,056
rng = np.random.default_rng(0)
truth = rng.integers(len(images), size=60)
clean, noise = images[truth], rng.normal(size=(60, *images.shape[1:]))
times, patch = (0.3, 0.4, 0.5, 0.6), 3

bag = AttentionScore(images, patch)
machines = {
    "ELS": EquivariantLocalScore(images, patch),
    "bag of patches": AttentionScore(images, patch, strength=1.0),
    "evidence sharing, 1/k^2": AttentionScore(images, patch, strength=1 / patch**2),
    "pairs": PairScore(images, patch, strength=1.0),
    "consensus": ConsensusScore(images, patch, strength=1.0),
}

# %%
# The denoising loss above that of the exact posterior mean, with the standard error of the difference. The bag of
# patches counts each noisy pixel in every window that holds it. Counted once (the consensus), patches in a bag are
# nearly as good as the image: what is wrong with their independence is the noise that they share, not that they move.
excess = {name: [] for name in machines}
for t in times:
    sigma = float(CosineSchedule().sigma(t))
    x = clean + sigma * noise
    loss = lambda x0: ((x0 - clean) ** 2).mean(axis=(1, 2, 3))
    exact = loss(IdealScore(images).denoise(x, sigma))
    print(f"t = {t}, exact {exact.mean():.4f}")
    for name, machine in machines.items():
        above = loss(machine.denoise(x, sigma)) - exact
        excess[name].append(above.mean())
        print(f"  {name:24} {above.mean():+.4f} ± {above.std() / len(x) ** 0.5:.4f}")

figure, axes = plt.subplots(layout="constrained", figsize=(6.5, 3))
for name, values in excess.items():
    axes.plot(times, values, "o-", label=name)
axes.set(xlabel="t", ylabel="denoising loss above the exact one", ylim=(-0.002, 0.08))
figure.legend(loc="outside right center")

# %%
# The same of the posterior over images: cross-entropy in nats, the mean of -log p(the image that was noised).
weights = {"bag of patches": 1.0, "1/k^2": 1 / patch**2}
for t in times:
    sigma = float(CosineSchedule().sigma(t))
    x = clean + sigma * noise
    distances = ((x[:, None] - images) ** 2).sum(axis=(2, 3, 4))
    evidence = np.concatenate([bag.evidence(x[b : b + 1], sigma) for b in range(len(x))]).sum(axis=(2, 3))
    logits = {"exact": -distances / (2 * sigma**2)} | {name: weight * evidence for name, weight in weights.items()}
    entropy = {name: -log_softmax(values, axis=1)[np.arange(len(x)), truth].mean() for name, values in logits.items()}
    print(f"t = {t}", {name: float(value.round(2)) for name, value in entropy.items()})
