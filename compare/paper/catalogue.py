"""Every figure by its name: kgN after Kamb & Ganguli 2025, fktbN after Finn et al. 2025, and our own."""

from __future__ import annotations

from functools import partial

from compare.paper import attention_maps, black_white, entropy, locality, machines, pairs, strength, toy_mosaic, toy_set
from compare.paper.figure import PaperFigure
from compare.report import scatter

FIGURES = {figure.name: figure for figure in (
    PaperFigure("kg1", "ELS and networks from the same noise.", pairs.first_networks),
    PaperFigure("kg2", "Ideal, local and equivariant local score machines from the same noise, and their sources.",
                machines.data, machines.draw, lambda _: (6.8, 2.6)),
    PaperFigure("kg3", "ELS mosaics of an all-black and an all-white image, by window side k; below, the share of "
                "pixels that agree with the majority of their window.", black_white.data),
    PaperFigure("kg4", "Where networks look at each noise level, each map scaled to its largest value beside "
                "the centre; and the fitted k(t).", locality.data, locality.draw, locality.size),
    PaperFigure("kg5", "ELS and networks from the same noise; below, Pearson r.", pairs.local_networks),
    PaperFigure("kg6", "ELS, networks with attention, and their twins without; below, Pearson r with ELS.",
                partial(pairs.attention_networks, shown=8)),
    PaperFigure("kg7", "Networks, and LS and ELS from the same noise; below, Pearson r.", pairs.architectures),
    PaperFigure("kg10-12", "Pearson r of ELS against that of the ideal score, sample by sample.", pairs.scatter,
                scatter.draw, scatter.size),
    PaperFigure("kg23-24", "ELS, networks with attention, and their twins without: more samples.",
                partial(pairs.attention_networks, shown=20)),
    PaperFigure("fktb1", "The forward process on the toy set.", toy_set.forward),
    PaperFigure("fktb2", "A toy sample as a mosaic of training patches.", toy_mosaic.mosaic, toy_mosaic.draw_mosaic,
                toy_mosaic.mosaic_size),
    PaperFigure("fktb3", "Local score, attention of one pixel, and the score with its context's evidence.",
                toy_mosaic.context, toy_mosaic.draw_context, lambda _: (4.6, 1.9)),
    PaperFigure("fktb4", "Toy images: keys, values and the map that they share.", toy_set.structure,
                toy_set.draw_structure, toy_set.structure_size),
    PaperFigure("fktb5", "Samples of the four toy networks; a dot says consistent.", toy_set.samples),
    PaperFigure("fktb-table", "Share of consistent samples.", toy_set.consistency, toy_set.draw_consistency,
                toy_set.consistency_size),
    PaperFigure("lambda", "Consistency and agreement against the attention strength.", strength.data, strength.draw,
                lambda _: (3.4, 3.9)),
    PaperFigure("entropy", "Posterior entropy and number of training images over time.", entropy.data, entropy.draw,
                lambda _: (5.2, 2.6)),
    PaperFigure("attention-maps", "Attention between the cells of the toy set.", attention_maps.data,
                attention_maps.draw, attention_maps.size),
)}
