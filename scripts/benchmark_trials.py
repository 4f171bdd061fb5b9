"""What trials side by side gain over the same trials one after another.

  python -m scripts.benchmark_trials

The adding problem of 1997, T = 100, two memory blocks of two cells, online. One
trial and several take turns; each is timed after it has compiled.
"""

import statistics
import time

import jax
from absl import flags

from configs import hochreiter_1997
from experiments.command_line import new_flags, parse_flags, run_command
from lstm_jax.errors import ConfigError
from lstm_jax.parallel import runtime
from lstm_jax.run.build import build


def main(argv: list[str]):
  values = new_flags()
  flags.DEFINE_list("trials", "1,10,30", "how many", flag_values=values)
  flags.DEFINE_integer(
    "rounds", 5, "timed calls of each", lower_bound=1, flag_values=values
  )
  parse_flags(values, argv, __doc__)
  counts = values.trials or [""]
  if not all(word.isdecimal() and int(word) for word in counts):
    raise ConfigError("--trials: must be numbers from 1 on, as 1,10,30")
  devices = runtime.cores()
  runtime.setup("cpu", devices=devices)
  contenders = {}
  for count in map(int, counts):
    config = hochreiter_1997.get_config("4-100")
    config.train.trials = count
    split = devices if count % devices == 0 else 1
    experiment, state = build(config, devices=split)
    contenders[count] = [experiment, state, config.train.steps_per_call, []]
  for turn in range(values.rounds + 1):
    for count, contender in contenders.items():
      experiment, state, steps, rates = contender
      started = time.monotonic()
      state, _ = experiment.train_call(state, experiment.data)
      jax.block_until_ready(state.params)
      contender[1] = state
      if turn:  # the first compiles
        rates.append(count * steps / (time.monotonic() - started))
  print("trials  sequences/s  times one")
  one = None
  for count, (*_, rates) in contenders.items():
    rate = statistics.median(rates)
    one = one or rate
    print(f"{count:6}  {rate:11,.0f}  {rate / one:9.2f}")


if __name__ == "__main__":
  run_command(main)
