"""Text from a trained model, printed as it is made.

  python -m experiments.generate --workdir=runs/char_lm --prompt='def ' --seed=1

The same seed gives the same text. The prompt can be of any length: one state
is carried through it and on.
"""

import sys

from absl import flags

from experiments.command_line import (
  PLATFORMS,
  new_flags,
  parse_flags,
  run_command,
)
from lstm_jax.data.vocabulary import decode_blocks, first_symbol, visible
from lstm_jax.data.words import WordVocabulary
from lstm_jax.errors import DataError, RunError
from lstm_jax.parallel import runtime
from lstm_jax.run.load import Run, load_run
from lstm_jax.search.sample import generate


def encode_prompt(run: Run, prompt: str):
  """The symbols of a prompt; of an empty one what a text begins with.

  Raises:
    DataError: the vocabulary lacks some of its characters or words, or there is
      no word in it.
  """
  if not prompt:
    return first_symbol(run.vocabulary)
  if unknown := run.vocabulary.unknown(prompt):
    raise DataError(
      "--prompt: the model's vocabulary lacks "
      + ", ".join(repr(token) for token in unknown[:10])
      + (" and others" if len(unknown) > 10 else "")
    )
  symbols = run.vocabulary.encode(prompt)
  if not len(symbols):
    raise DataError("--prompt: no word in it; leave it out to start anew")
  return symbols


def main(argv: list[str]):
  values = new_flags()
  flags.DEFINE_string("workdir", None, "run directory", flag_values=values)
  flags.DEFINE_string(
    "checkpoint", "best", "best, latest, or a step", flag_values=values
  )
  flags.DEFINE_string("prompt", "", "text to go on from", flag_values=values)
  flags.DEFINE_integer(
    "length",
    400,
    "characters or words to make",
    lower_bound=0,
    upper_bound=10**9,
    flag_values=values,
  )
  flags.DEFINE_float(
    "temperature",
    1.0,
    "what logits are divided by; 0 takes the likeliest symbol",
    lower_bound=0.0,
    upper_bound=1000.0,
    flag_values=values,
  )
  flags.DEFINE_integer(
    "top_k",
    0,
    "draw among so many of the likeliest characters; 0 among all",
    lower_bound=0,
    flag_values=values,
  )
  flags.DEFINE_integer(
    "seed",
    0,
    "seed of the draws",
    lower_bound=0,
    upper_bound=2**32 - 1,
    flag_values=values,
  )
  flags.DEFINE_enum(
    "platform", None, PLATFORMS, "where to compute", flag_values=values
  )
  parse_flags(values, argv, __doc__, required=("workdir",))
  runtime.setup(values.platform or "")
  run = load_run(values.workdir, values.checkpoint)
  if run.vocabulary is None:
    raise RunError(f"{values.workdir}: the run was not trained on text")
  prompt = encode_prompt(run, values.prompt)
  # of words, what follows is another word
  words = isinstance(run.vocabulary, WordVocabulary)
  space = " " if words and values.prompt[-1:].strip() else ""
  show = visible if sys.stdout.isatty() else str
  print(show(values.prompt), end="", flush=True)
  blocks = generate(
    run.model,
    prompt,
    values.length,
    temperature=values.temperature,
    top_k=values.top_k,
    seed=values.seed,
    forbidden=(run.vocabulary.unknown_symbol,),
  )
  for text in decode_blocks(run.vocabulary, blocks, space):
    print(show(text), end="", flush=True)
  print()


if __name__ == "__main__":
  run_command(main)
