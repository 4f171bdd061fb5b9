"""lstm_jax's language models, their layers through cuDNN."""

from scripts.peers import ours_lm

PACKAGES = ours_lm.PACKAGES


def make(case: dict):
  return ours_lm.make(case | {"engine": "cudnn"})
