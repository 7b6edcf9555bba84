"""Networks that predict the noise: eps = network(phi_t, t[, label]) with phi_t = sqrt(abar) x0 + sqrt(1 - abar) eps."""

from empirical.networks.toy_cnn import ToyCNN

__all__ = ["ToyCNN"]
