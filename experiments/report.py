"""What is said of a run when its last step is done."""

import itertools

from flax import nnx

from experiments.plain_text import significant
from experiments.plan import Start, short_path, unit, whole_params
from experiments.scores import summarise_trials
from lstm_jax.data.vocabulary import visible
from lstm_jax.parallel import processes
from lstm_jax.run.load import parameter_digest
from lstm_jax.search.sample import generate
from lstm_jax.training.trials import trial


def finish_run(run: Start):
  """Digest, picture, best score and a sample, when the last step is done."""
  config, experiment, report = run.config, run.experiment, run.report
  params = whole_params(experiment, experiment.to_file(run.state).evaluated)
  report.note(f"parameters sha256 {parameter_digest(params)}")
  if config.train.trials > 1 or run.state.stop is not None:
    report.note(summarise_trials(config, run.state, run.path))
  params, step = run.checkpointer.load_params("best", run.state.params)
  params = whole_params(experiment, params)
  if not processes.is_first():
    return
  cost = run.checkpointer.validations()[step].cost
  if cost is not None:  # as runs of older versions have it
    best = significant(run.task.headline.value(cost), 5)
    report.note(f"best validation {best} {unit(run.task)} at step {step}")
  try:
    from experiments.plot import plot_run  # see pictures.py

    report.note(f"learning curve in {short_path(plot_run(run.path))}")
  except Exception as error:  # a picture is no reason for a run to fail
    reason = " ".join(str(error).split())[:200]
    report.note(f"no picture of the learning curve: {reason}")
  if config.run.sample_length and hasattr(config.task, "spoken"):
    if text := _sample(run, params):
      report.note(text)


def _sample(run, params) -> str:
  """Some text that the model makes up, until a signal comes; "" if none."""
  config, of_trial = run.config, ""
  if config.train.trials > 1:
    params, of_trial = trial(params, 0), ", of trial 0"
  assets = run.task.assets()
  blocks = generate(
    nnx.merge(run.experiment.structure, params),
    config.task.request([""], assets).x[0],
    config.run.sample_length,
    forbidden=config.task.unspoken(assets),
    restart=config.task.restart(assets),
  )
  blocks = list(itertools.takewhile(lambda _: run.stop.number is None, blocks))
  text = visible("".join(config.task.spoken(blocks, assets)))
  if not (length := sum(map(len, blocks))):
    return ""
  return f"a sample of {length} {run.task.token}s{of_trial}:\n{text}"
