"""lstm_jax: `unroll` through cuDNN."""

from scripts.peers import ours

PACKAGES, TIME_MAJOR = ours.PACKAGES, ours.TIME_MAJOR


def layer(shape, variant: str = ""):
  return ours.layer(shape, "cudnn")
