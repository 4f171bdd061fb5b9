"""The scores that a trained model must beat: n-grams, means and last values.

  python -m experiments.baselines --config=configs/char_lm.py
  python -m experiments.baselines --config=configs/adding.py --batches=100
  python -m experiments.baselines --config=configs/piano_rolls.py --split=test

It takes no trained run. A line for each baseline that fits the config's task,
with the scores that `evaluate` gives a run. They are estimated on an epoch of
training batches; a task that samples its sequences has no epochs, so that
--batches says how many.
"""

from experiments.command_line import (
  PLATFORMS,
  new_flags,
  parse_config,
  run_command,
)
from experiments.plain_text import align, significant, strict_json
from lstm_jax.evaluation.baselines import estimate_baselines, score_baselines
from lstm_jax.parallel import runtime


def main(argv: list[str]):
  values = new_flags(
    split=("valid", "which to score", ("valid", "test")),
    batches=(0, "training batches; 0 is an epoch", (0, None)),
    orders=(5, "n of the longest n-gram", (1, 50)),
    json=(False, "a JSON object a line"),
    platform=(None, "where to compute", PLATFORMS),
  )
  config = parse_config(argv, values, __doc__)
  runtime.setup(values.platform or config.run.platform)
  task = config.task.load(config.train.batch_size)
  baselines = estimate_baselines(
    task, values.batches, values.orders, config.train.seed
  )
  found = score_baselines(task, values.split, baselines, values.orders)
  scores = {name: task.scores(sums) for name, sums in found.items()}
  if values.json:
    for name, each in scores.items():
      print(strict_json({"baseline": name} | each))
    return
  names = list(next(iter(scores.values())))
  rows = [["baseline", *(name.replace("_", " ") for name in names)]]
  for name, each in scores.items():
    rows.append([name, *(significant(each[key], 5) for key in names)])
  print(f"{config.task.name}, {values.split} split")
  print("\n".join(align(rows)))


if __name__ == "__main__":
  run_command(main)
