"""The machines of an image study, made from the networks' own training set, with the windows fitted to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import NamedTuple

from compare.result.identity import NETWORK_FREE, MachineIdentity
from compare.result.image_names import ATTENTION_FITTED
from compare.study.calibration import Calibration
from compare.study.image_networks import ImageNetwork, TrainingSet
from compare.study.machines import StudyMachine
from theory import AttentionScore, EquivariantLocalScore, IdealScore, LocalScore, WienerScore

ANY_SIZE = 3
"""Window of a local machine at construction; every call gives its own."""


class Fit(NamedTuple):
    """What was fitted to one variant: k(t) of ELS by each rule, k(t) of LS, and lambda(t) for a variant with attention,
    given the k(t) by cosine."""

    els: dict[str, Calibration]
    local: Calibration
    strength: Calibration | None


class Machines:
    """The machines of one training set, each built when it is first asked for."""

    def __init__(self, training: TrainingSet):
        self.training = training
        self._attention: dict[str, AttentionScore] = {}

    @cached_property
    def ideal(self) -> IdealScore:
        return IdealScore(self.training.images, self.training.labels)

    @cached_property
    def wiener(self) -> WienerScore:
        return WienerScore(self.training.images, self.training.labels)

    @cached_property
    def local(self) -> LocalScore:
        return LocalScore(self.training.images, ANY_SIZE, self.training.boundary, self.training.labels)

    @cached_property
    def els(self) -> EquivariantLocalScore:
        return EquivariantLocalScore(self.training.images, ANY_SIZE, self.training.boundary, self.training.labels)

    def attention(self, rule: str) -> AttentionScore:
        """The evidence-sharing machine that answers for a network with the attention named."""
        if rule not in self._attention:
            self._attention[rule] = AttentionScore(self.training.images, ANY_SIZE, self.training.boundary,
                                                   ATTENTION_FITTED[rule], labels=self.training.labels)
        return self._attention[rule]

    def fitted(self, networks: Sequence[ImageNetwork], fits: Mapping[str, Fit],
               rules: tuple[str, ...]) -> list[StudyMachine]:
        """Those without a window, then the network-free windows, then what is fitted to each variant of `fits`."""
        some = next(iter(fits))
        machines = [StudyMachine(MachineIdentity("ideal"), self.ideal),
                    StudyMachine(MachineIdentity("wiener"), self.wiener)]
        els = partial(MachineIdentity, "equivariant_local", setting="fitted")
        machines += [StudyMachine(els(window_rule=rule), self.els,
                                  fits[some].els[rule].chosen)
                     for rule in rules if rule in NETWORK_FREE]
        attention = {network.variant: network.attention for network in networks}
        for variant, fit in fits.items():
            machines.append(StudyMachine(
                MachineIdentity("local", "", "fitted", variant, window_rule="cosine"), self.local, fit.local.chosen))
            machines += [StudyMachine(els(fitted_to=variant, window_rule=rule), self.els, fit.els[rule].chosen)
                         for rule in rules if rule not in NETWORK_FREE]
            machines.append(StudyMachine(els(fitted_to=variant, window_rule="cosine"), self.els,
                                         fit.els["cosine"].chosen))
            if fit.strength is not None:
                machines.append(StudyMachine(
                    MachineIdentity("evidence_sharing", ATTENTION_FITTED[attention[variant]], "fitted", variant,
                                    window_rule="cosine"),
                                             self.attention(attention[variant]), fit.els["cosine"].chosen,
                                             fit.strength.chosen))
        return machines
