"""The commands. What is here runs before their imports, which take seconds."""

import os
import signal
import sys

_SAVED, _INTERRUPTED = 75, 130  # exit codes of experiments.train


def _end(number, frame):
  os.write(2, b"stopped while starting; nothing was begun\n")
  os._exit(_INTERRUPTED if number == signal.SIGINT else _SAVED)


def _catch():
  """Ends a command with one line and its exit code while it is imported. Only
  training answers other signals than Ctrl-C with 75, "queue it again"."""
  numbers = [signal.SIGINT]
  if "experiments.train" in sys.orig_argv or sys.argv[1:2] == ["train"]:
    numbers += [signal.SIGTERM, signal.SIGHUP]
    numbers += [signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU]
  for number in numbers:
    if signal.getsignal(number) != signal.SIG_IGN:
      signal.signal(number, _end)


# As in python -m experiments.train, or lstm-jax train.
if sys.argv[0] == "-m" or os.path.basename(sys.argv[0]) == "lstm-jax":
  _catch()
