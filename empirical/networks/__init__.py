"""Networks that predict the noise: eps = network(phi_t, t[, label]) with phi_t = sqrt(abar) x0 + sqrt(1 - abar) eps."""

from empirical.networks.resnet import ResNet
from empirical.networks.toy_cnn import ToyCNN
from empirical.networks.unet import UNet

NETWORKS = {"toy-cnn": ToyCNN, "resnet": ResNet, "unet": UNet}

__all__ = ["NETWORKS", "ResNet", "ToyCNN", "UNet"]
