"""The fifteen tasks of Deletang et al. 2023, "Neural Networks and the Chomsky
Hierarchy", ICLR. The variant names the task:

  python -m experiments.train --config=configs/chomsky.py:parity \\
      --workdir=runs/parity

An LSTM of 64 units learns strings of 1 to 40 symbols; "-tiny" behind the name
makes a run of seconds. Without a name the task is parity.

Two cores of an Intel Xeon, shared with other work, seed 0: parity meets the
rule at update 650, after 46 s with compilation. The other tasks have not been
run to their end.
"""

from configs._recipes import sequence_recipe
from lstm_jax.config import Config
from lstm_jax.tasks.registry import TASKS
from lstm_jax.tasks.string_task import StringTaskConfig

NAMES = [k for k, task in TASKS.items() if issubclass(task, StringTaskConfig)]
VARIANTS = {
  **{name: TASKS[name](shortest=1, length=40) for name in NAMES},
  **{f"{name}-tiny": TASKS[name](shortest=1, length=8) for name in NAMES},
}
VARIANTS |= {"": VARIANTS["parity"], "tiny": VARIANTS["parity-tiny"]}


def get_config(variant: str = "") -> Config:
  return sequence_recipe(
    variant, VARIANTS, hidden_size=64, steps=5000, learning_rate=3e-3
  )
