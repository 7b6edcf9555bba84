"""Does a closed form predict what a trained attention network draws? The study behind docs/attention.md.

config -> cases (networks on one training set) -> candidates (closed forms) -> tuning (k(t) and lambda(t), on samples of
their own) -> points (noisy images at which all are asked) -> residual (does the correction point where the network
went?) -> study (the dataset) -> summary, report, figures.
"""
