"""What an update on one device, of one trial, passes through."""

import pathlib
import sys

import lstm_jax
from lstm_jax.run.build import build

PACKAGE = pathlib.Path(lstm_jax.__file__).parent


def files_of(function) -> list[str]:
  """The package's files in the order in which a call passes through them."""
  files = []

  def see(frame, event, _):
    path = pathlib.Path(frame.f_code.co_filename)
    if event == "call" and path.is_relative_to(PACKAGE):
      name = str(path.relative_to(PACKAGE))
      if files[-1:] != [name]:
        files.append(name)

  before = sys.getprofile()
  sys.setprofile(see)
  try:
    function()
  finally:
    sys.setprofile(before)
  return files


def test_one_update_passes_few_files_and_none_of_devices_or_trials(
  small_config,
):
  small_config.run.devices = 1
  experiment, state = build(small_config)
  data = experiment.data_at(0)
  files = files_of(lambda: experiment.train_call.trace(state, data))
  assert files[0] == files[-1] == "training/step.py"
  rare = {"recurrence/lanes.py", "recurrence/cudnn.py", "training/trials.py"}
  assert not [f for f in files if f in rare or f.startswith("parallel/")]
  assert len(set(files)) <= 18 and len(files) <= 70
