"""The engine on the CPU: every scan of `Engine`, by numba."""

from theory.engine.image_evidence import image_evidence
from theory.engine.moments import moments
from theory.engine.paste import paste
from theory.engine.posterior import posterior, posterior_scales

__all__ = ["image_evidence", "moments", "paste", "posterior", "posterior_scales"]
