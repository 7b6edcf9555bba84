"""Loop-only twins of everything fast: same names as the public API, nothing of ours imported.

Distances and their logits are of numpy's longest float: at low noise float64 ones differ by whole weights.

Each follows its definition word for word (theory.md, KG's equations) with plain loops over pixels and candidates; none
shares an idea (padding, displacement, block, streaming) with the code that it checks.
"""

import math

import numpy as np


def softmax_mean(logits, values):
    """sum_j softmax(logits)_j values_j for lists of numbers and of arrays."""
    top = max(logits)
    weights = [math.exp(l - top) for l in logits]
    return sum(w * np.asarray(v, dtype=np.float64) for w, v in zip(weights, values)) / sum(weights)


def log_sum_exp(logits):
    top = max(logits)
    return top + math.log(sum(math.exp(l - top) for l in logits))


def squared_distance(a, b):
    return ((np.asarray(a, dtype=np.longdouble) - np.asarray(b, dtype=np.longdouble)) ** 2).sum()


def ideal(x, images, sigma):
    """KG eqs. 3-4; x (C, H, W), images (N, C, H, W)."""
    return softmax_mean([-squared_distance(x, v) / (2 * sigma**2) for v in images], images)


def equivariant(x, images, sigma):
    """KG eqs. 5-6: the ideal score over all circular translates."""
    _, _, H, W = images.shape
    orbit = [np.roll(v, (dy, dx), (1, 2)) for v in images for dy in range(H) for dx in range(W)]
    return ideal(x, orbit, sigma)


def window_distance(x, a, b, image, y, z, k, boundary, wrap_training=True):
    """Squared distance between the k x k windows of x at (a, b) and of image at (y, z)."""
    C, H, W = x.shape
    r, total = k // 2, np.longdouble(0)
    x, image = x.astype(np.longdouble, copy=False), image.astype(np.longdouble, copy=False)
    for u in range(-r, r + 1):
        for v in range(-r, r + 1):
            if boundary == "circular":
                q = x[:, (a + u) % H, (b + v) % W]
                t = image[:, (y + u) % H, (z + v) % W]
            else:
                if not (0 <= a + u < H and 0 <= b + v < W):
                    continue
                q, t = x[:, a + u, b + v], image[:, y + u, z + v]
            for c in range(C):
                difference = q[c] - t[c]
                total += difference * difference
    return total


def axis_candidates(a, L, k, boundary, wrap_training):
    r = k // 2
    fitting = list(range(r, L - r))
    if boundary == "circular":
        return list(range(L)) if wrap_training else fitting
    return fitting if a in fitting else [a]


def candidates(a, b, H, W, k, boundary, wrap_training, local):
    if local:
        return [(a, b)]
    return [(y, z) for y in axis_candidates(a, H, k, boundary, wrap_training)
            for z in axis_candidates(b, W, k, boundary, wrap_training)]


def patch_machine(x, images, sigma, k, boundary="zeros", wrap_training=True, local=False):
    """LS (local=True, KG eqs. 7-8) and ELS (KG eqs. 9-10, 39-41); x (C, H, W)."""
    C, H, W = x.shape
    x, images = x.astype(np.longdouble), images.astype(np.longdouble)
    out = np.empty((C, H, W))
    for a in range(H):
        for b in range(W):
            logits, values = [], []
            for image in images:
                for y, z in candidates(a, b, H, W, k, boundary, wrap_training, local):
                    d = window_distance(x, a, b, image, y, z, k, boundary)
                    logits.append(-d / (2 * sigma**2))
                    values.append(image[:, y, z])
            out[:, a, b] = softmax_mean(logits, values)
    return out


def evidence(x, images, sigma, k, boundary="zeros", wrap_training=True):
    """S_i(x) (N, H, W) and mu_i(x) (N, C, H, W) of theory.md 4a."""
    C, H, W = x.shape
    x, images = x.astype(np.longdouble), images.astype(np.longdouble)
    S, mu = np.empty((len(images), H, W), dtype=np.longdouble), np.empty((len(images), C, H, W))
    for i, image in enumerate(images):
        for a in range(H):
            for b in range(W):
                places = candidates(a, b, H, W, k, boundary, wrap_training, False)
                logits = [-window_distance(x, a, b, image, y, z, k, boundary) / (2 * sigma**2) for y, z in places]
                S[i, a, b] = log_sum_exp(logits)
                mu[i, :, a, b] = softmax_mean(logits, [image[:, y, z] for y, z in places])
    return S, mu


def attention_matrix(rule, local, beta=1.0):
    """alpha (P, P) by a rule of theory.md 4a from the local outputs (C, H, W)."""
    C, H, W = local.shape
    P = H * W
    z = [[float(local[c, p // W, p % W]) for c in range(C)] for p in range(P)]
    similarity = [[sum(s * t for s, t in zip(z[p], z[q])) for q in range(P)] for p in range(P)]
    if rule == "top1":
        best = [max((q for q in range(P) if q != p), key=lambda q: similarity[p][q]) for p in range(P)]
        return np.array([[1.0 if q == best[p] else 0.0 for q in range(P)] for p in range(P)])
    return softmax_of_others(similarity, 0.0 if rule == "uniform" else beta)


def softmax_of_others(similarity, beta):
    """softmax over q != p of beta similarity[p][q], with the diagonal 0."""
    P = len(similarity)
    alpha = np.zeros((P, P))
    for p in range(P):
        total = log_sum_exp([beta * similarity[p][q] for q in range(P) if q != p])
        for q in range(P):
            if q != p:
                alpha[p, q] = math.exp(beta * similarity[p][q] - total)
    return alpha


def overlap_matrix(S, beta=1.0):
    """alpha (P, P) by the overlap of pixels' posteriors over images, sum_i sqrt(w_i(x) w_i(x')), S (N, H, W)."""
    N, H, W = S.shape
    P = H * W
    log_w = [[S[i, p // W, p % W] - log_sum_exp(S[:, p // W, p % W]) for i in range(N)] for p in range(P)]
    overlap = [[log_sum_exp([(a + b) / 2 for a, b in zip(log_w[p], log_w[q])]) for q in range(P)] for p in range(P)]
    return softmax_of_others(overlap, beta)


def alpha_of(rule, x, images, sigma, k, boundary, wrap_training=True, beta=1.0):
    """alpha (P, P) of a rule by its name, or the matrix itself."""
    if not isinstance(rule, str):
        return rule
    if rule == "overlap":
        return overlap_matrix(evidence(x, images, sigma, k, boundary, wrap_training)[0], beta)
    return attention_matrix(rule, patch_machine(x, images, sigma, k, boundary, wrap_training), beta)


def attention(x, images, sigma, k, rule, strength, boundary="zeros", wrap_training=True, beta=1.0):
    """Evidence sharing (theory.md 4a); rule: a name, or a matrix (P, P)."""
    C, H, W = x.shape
    x, images = x.astype(np.longdouble), images.astype(np.longdouble)
    S, mu = evidence(x, images, sigma, k, boundary, wrap_training)
    rule = alpha_of(rule, x, images, sigma, k, boundary, wrap_training, beta)
    out = np.empty((C, H, W))
    for a in range(H):
        for b in range(W):
            row = rule[a * W + b]
            P = sum(1 for w in row if w > 0)
            logits = []
            for i in range(len(images)):
                context = sum(row[q] * S[i, q // W, q % W] for q in range(H * W))
                logits.append(S[i, a, b] + strength * P * context)
            out[:, a, b] = softmax_mean(logits, mu[:, :, a, b])
    return out


def pair(x, images, sigma, k, rule, strength, boundary="zeros", wrap_training=True, beta=1.0):
    """The pair machine: an average over x' of the posterior means given own patch and patch x' of one image."""
    C, H, W = x.shape
    x, images = x.astype(np.longdouble), images.astype(np.longdouble)
    S, mu = evidence(x, images, sigma, k, boundary, wrap_training)
    alpha = alpha_of(rule, x, images, sigma, k, boundary, wrap_training, beta)
    out = np.zeros((C, H, W))
    for a in range(H):
        for b in range(W):
            for q in range(H * W):
                if alpha[a * W + b, q] > 0:
                    logits = [S[i, a, b] + strength * S[i, q // W, q % W] for i in range(len(images))]
                    out[:, a, b] += alpha[a * W + b, q] * softmax_mean(logits, mu[:, :, a, b])
    return out


def consensus(x, images, sigma, k, strength, counts, boundary="zeros"):
    """Consensus of all patches; counts (H, W): how much each counts, so that each pixel counts once."""
    C, H, W = x.shape
    x, images = x.astype(np.longdouble), images.astype(np.longdouble)
    S, mu = evidence(x, images, sigma, k, boundary)
    together = [sum(counts[a, b] * s[a, b] for a in range(H) for b in range(W)) for s in S]
    out = np.empty((C, H, W))
    for a in range(H):
        for b in range(W):
            logits = [(1 - strength) * S[i, a, b] + strength * together[i] for i in range(len(images))]
            out[:, a, b] = softmax_mean(logits, mu[:, :, a, b])
    return out


def innovation(x, images, sigma, k, rule, strength, noise, boundary="zeros", wrap_training=True, beta=1.0):
    """theory.md 4b; noise (N, R, C, H, W): of the draws of each image. z by damped steps until it stops moving."""
    C, H, W = x.shape
    P, (N, R) = H * W, noise.shape[:2]
    draws = [images[i] + sigma * noise[i, r] for i in range(N) for r in range(R)]
    queries = [*draws, x]
    local = [patch_machine(q, images, sigma, k, boundary, wrap_training) for q in queries]
    alpha = [alpha_of(rule, q, images, sigma, k, boundary, wrap_training, beta) for q in queries]
    weights = [[posterior_weights(q, images, sigma, k, p // W, p % W, boundary, wrap_training) for p in range(P)]
               for q in queries]

    def attended(alpha, z):
        return np.array([sum(alpha[p, q] * z[:, q // W, q % W] for q in range(P)) for p in range(P)]).T.reshape(C, H, W)

    def expected(weights, context):
        means = [sum(w * context[i, :, y, z] for w, i, y, z in weights[p]) for p in range(P)]
        return np.array(means).T.reshape(C, H, W)

    z, change = list(local[:-1]), 1.0
    while change > 1e-9:
        attends = [attended(a, v) for a, v in zip(alpha, z)]
        context = np.array([sum(attends[i * R : (i + 1) * R]) / R for i in range(N)])
        new = [v / 2 + (l - expected(w, context)) / 2 for v, l, w in zip(z, local, weights)]
        z, change = new, max(np.abs(a - b).max() for a, b in zip(new, z))
    foretold = expected(weights[-1], context)
    return local[-1] + strength * (attended(alpha[-1], local[-1] - foretold) - foretold)


def ddim(denoise, phi, alpha_bar, steps):
    """Deterministic DDIM in the score form: the probability-flow step written with the VP score, not with eps."""
    path = []
    for i in range(steps, 0, -1):
        a, b = alpha_bar(i / steps), alpha_bar((i - 1) / steps)
        x0 = denoise(phi / math.sqrt(a), math.sqrt(1 - a) / math.sqrt(a))
        score = (math.sqrt(a) * x0 - phi) / (1 - a)
        phi = math.sqrt(b / a) * (phi + (1 - a) * score) - math.sqrt(1 - b) * math.sqrt(1 - a) * score
        path.append(phi)
    return path


def posterior_weights(x, images, sigma, k, a, b, boundary="zeros", wrap_training=True, local=False):
    """[(weight, image, y, x)] of one pixel's whole posterior, largest first (LS and ELS)."""
    _, H, W = x.shape
    x, images = x.astype(np.longdouble), np.asarray(images, dtype=np.longdouble)
    found, logits = [], []
    for i, image in enumerate(images):
        for y, z in candidates(a, b, H, W, k, boundary, wrap_training, local):
            logits.append(-window_distance(x, a, b, image, y, z, k, boundary) / (2 * sigma**2))
            found.append((i, y, z))
    total = log_sum_exp(logits)
    return sorted(((math.exp(l - total), *place) for l, place in zip(logits, found)), reverse=True)


def attention_image_weights(S, row, strength, a, b):
    """w_i of one pixel under evidence sharing, S (N, H, W), row (P,) of alpha."""
    N, H, W = S.shape
    P = sum(1 for w in row if w > 0)
    logits = [S[i, a, b] + strength * P * sum(row[q] * S[i, q // W, q % W] for q in range(H * W)) for i in range(N)]
    total = log_sum_exp(logits)
    return [math.exp(l - total) for l in logits]


def pair_image_weights(S, row, strength, a, b):
    """w_i of one pixel of the pair machine: the average over x' of softmax_i(S_i(x) + strength S_i(x'))."""
    N, H, W = S.shape
    weights = [0.0] * N
    for q in range(H * W):
        logits = [S[i, a, b] + strength * S[i, q // W, q % W] for i in range(N)]
        total = log_sum_exp(logits)
        for i in range(N):
            weights[i] += row[q] * math.exp(logits[i] - total)
    return weights


def competition_weights(image_weights, x, images, sigma, k, rule, strength, a, b, boundary="zeros"):
    """[(weight, image, y, x)] of one pixel where images compete: w_i times the weight within image i."""
    W = x.shape[2]
    S, _ = evidence(x, images, sigma, k, boundary)
    row = alpha_of(rule, x, images, sigma, k, boundary)[a * W + b]
    found = []
    for i, (w_i, image) in enumerate(zip(image_weights(S, row, strength, a, b), images)):
        for w, _, y, z in posterior_weights(x, [image], sigma, k, a, b, boundary):
            found.append((w * w_i, i, y, z))
    return sorted(found, reverse=True)


def entropy(weights):
    return -sum(w * math.log(w) for w in weights if w > 0)


def posterior_variance(x, images, sigma, k, boundary="zeros", wrap_training=True, local=False):
    """Variance of each output value under its posterior (LS and ELS), about the mean."""
    C, H, W = x.shape
    out = np.zeros((C, H, W))
    for a in range(H):
        for b in range(W):
            found = posterior_weights(x, images, sigma, k, a, b, boundary, wrap_training, local)
            values = [np.asarray(images[i][:, y, z], dtype=np.float64) for _, i, y, z in found]
            mean = sum(w * v for (w, *_), v in zip(found, values))
            out[:, a, b] = sum(w * (v - mean) ** 2 for (w, *_), v in zip(found, values))
    return out


def directional_derivative(f, x, direction, step=1e-5):
    """d f(x + h direction) / dh at h = 0, by central differences."""
    return (f(x + step * direction) - f(x - step * direction)) / (2 * step)


def patch_set(x, images, sigma, masks):
    """Each mask's posterior mean, pasted; overlaps averaged. masks (L, C, H, W) of 0 and 1."""
    total, count = np.zeros(x.shape), np.zeros(x.shape)
    for mask in masks:
        logits = [-squared_distance(mask * x, mask * v) / (2 * sigma**2) for v in images]
        total += mask * softmax_mean(logits, images)
        count += mask
    return total / count


def squares(shape, s):
    """Masks (L, C, H, W) of all s x s squares that fit."""
    C, H, W = shape
    masks = []
    for a in range(H - min(s, H) + 1):
        for b in range(W - min(s, W) + 1):
            mask = np.zeros(shape)
            mask[:, a : a + s, b : b + s] = 1.0
            masks.append(mask)
    return np.array(masks)


def covariance_local(x, images, sigma, threshold):
    """Each value by the values that the Wiener filter weighs for it, S = covariance / N."""
    flat, q = images.reshape(len(images), -1).astype(np.float64), x.ravel()
    mean, d = flat.mean(axis=0), flat.shape[1]
    S = sum(np.outer(v - mean, v - mean) for v in flat) / len(flat)
    W = S @ np.linalg.inv(S + sigma**2 * np.eye(d))
    out = np.empty(d)
    for m in range(d):
        near = [n for n in range(d) if abs(W[m, n]) >= threshold * abs(W[m, m])]
        logits = [-sum((q[n] - v[n]) ** 2 for n in near) / (2 * sigma**2) for v in flat]
        out[m] = softmax_mean(logits, flat[:, m])
    return out.reshape(x.shape)


def filtered(x, images, sigma, query, response):
    """FPMC: posterior means by weighted squared differences, weighted and pasted; images: of the source."""
    total, count = np.zeros(x.shape), np.zeros(x.shape)
    for l, r in zip(query, response):
        logits = [-float((l * (x - v) ** 2).sum()) / (2 * sigma**2) for v in np.asarray(images, dtype=np.float64)]
        total += r * softmax_mean(logits, images)
        count += r
    return total / count


def translates(images):
    """All circular translates of the images."""
    _, _, H, W = images.shape
    return np.array([np.roll(v, (dy, dx), (1, 2)) for v in images for dy in range(H) for dx in range(W)])


def smoothed(x, images, sigma, noise, scale):
    """The ideal score averaged over x + scale n_m."""
    return sum(ideal(x + scale * n, images, sigma) for n in noise) / len(noise)


def gaussian_mixture(x, sigma, weights, means, covariances):
    """Posterior mean and variance of a mixture of Gaussians; means (K, C, H, W), covariances (K, d, d)."""
    q, logs, found, within = x.ravel(), [], [], []
    for w, m, S in zip(weights, means, covariances):
        d, offset = q.size, q - m.ravel()
        noisy = S + sigma**2 * np.eye(d)
        logs.append(math.log(w) - 0.5 * (offset @ np.linalg.solve(noisy, offset) + np.linalg.slogdet(noisy)[1]))
        found.append(m.ravel() + S @ np.linalg.solve(noisy, offset))
        within.append(np.diag(sigma**2 * S @ np.linalg.inv(noisy)))
    mean = softmax_mean(logs, found)
    variance = softmax_mean(logs, [v + (f - mean) ** 2 for v, f in zip(within, found)])
    return mean.reshape(x.shape), variance.reshape(x.shape)
