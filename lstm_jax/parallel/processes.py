"""One run on several processes: they join, agree, and end together.

Each process has devices of its own, on one host or on many; together they run
one program. JAX's coordination service, which lives in process 0, lets them
find each other and holds what they tell each other. Number and count can be
asked for before the first array, which jax.process_index cannot.
"""

import contextlib
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import jax
from jax._src import distributed  # JAX shows its key-value store nowhere else

from lstm_jax.errors import ConfigError, RunError, UserError, out_of_memory

EXIT_ERROR, EXIT_LOST = 2, 75
_HEARTBEAT = 30  # seconds after which a silent process counts as lost
_PATIENCE = 1800  # seconds that one waits for what another says
_LOOK = 0.5  # seconds between looks for a failure elsewhere
# Seconds until all have looked. The service, which they ask, ends with process
# 0, and a connection that breaks says less than whoever broke it.
_LINGER = 4 * _LOOK
_FAILURE = "lstm_jax/failure"
_REASON = 300  # characters of what JAX says where it cannot join


def process_number() -> int:
  """Which of the run's processes this is, from 0 on."""
  return distributed.global_state.process_id or 0


def process_count() -> int:
  return distributed.global_state.num_processes or 1


def is_first() -> bool:
  """Whether this process writes what only one may write."""
  return process_number() == 0


@contextlib.contextmanager
def joined(
  coordinator: str, processes: int | None = None, process: int | None = None
):
  """Makes this process one of a run's, until the block ends.

  All but the first print nothing. An error in any of them ends all, each with
  one line and the same exit code; a process that disappears ends the others.

  Args:
    coordinator: HOST:PORT of process 0; "auto" asks SLURM, Open MPI, Cloud TPU
      or Kubernetes, for what else is None too; "" is a run of one process.
    processes: how many there are.
    process: the number of this one.

  Raises:
    ConfigError: these do not go together, or nothing was found.
  """
  if not coordinator:
    for name, value in (("num_processes", processes), ("process_id", process)):
      if value is not None:
        raise ConfigError(f"{name}: give coordinator, HOST:PORT, too")
    yield
    return
  _join(coordinator, processes, process)
  done = threading.Event()
  watcher = threading.Thread(target=_watch, args=(done,), daemon=True)
  watcher.start()
  try:
    with contextlib.ExitStack() as stack:
      if not is_first():
        nowhere = stack.enter_context(open(os.devnull, "w"))
        stack.enter_context(contextlib.redirect_stdout(nowhere))
      yield
  except BaseException as error:
    done.set()
    _end_all(error)
  done.set()
  watcher.join()
  jax.distributed.shutdown()  # waits for the others


def _join(coordinator, processes, process):
  address = None if coordinator == "auto" else coordinator
  if address:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
      raise ConfigError(
        f"coordinator: must be HOST:PORT or auto, got {address!r}"
      )
    if processes is not None and not 0 <= (process or 0) < processes:
      raise ConfigError(
        f"process_id: must be below num_processes={processes}, got {process}"
      )
    if process == 0:
      _check_port(int(port))
  try:
    jax.distributed.initialize(
      address,
      processes,
      process,
      heartbeat_timeout_seconds=_HEARTBEAT,
    )
  except Exception as error:  # a cluster's own modules raise any kind
    wanted = [address, processes, process]
    names = ("coordinator", "num_processes", "process_id")
    missing = [
      name for name, value in zip(names, wanted, strict=True) if value is None
    ]
    hint = f"; give {', '.join(missing)}" if missing else ""
    reason = " ".join(str(error).split())[:_REASON].rstrip(".")
    raise ConfigError(f"coordinator={coordinator}: {reason}{hint}") from None


def _check_port(port):
  """JAX's service crashes where it cannot listen."""
  with socket.socket() as test:
    test.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
      test.bind(("", port))
    except (OSError, OverflowError) as error:
      reason = getattr(error, "strerror", None) or error
      raise ConfigError(f"coordinator: port {port}: {reason}") from None


def share(name: str, make: Callable[[], str]) -> str:
  """What process 0 makes, a text, for all; the others wait for it.

  name: of this one sharing; none may occur twice in a process's life.
  """
  if process_count() == 1:
    return make()
  if is_first():
    text = make()
    _client().key_value_set(f"lstm_jax/{name}", text)
    return text
  return _client().blocking_key_value_get(f"lstm_jax/{name}", _PATIENCE * 1000)


def check_same(name: str, text: str):
  """Waits until all processes are here with the same text.

  Raises:
    RunError: that of this process is not that of process 0.
  """
  if process_count() == 1:
    return
  if share(name, lambda: text) != text:
    raise RunError(
      f"its {name} is not that of process 0; all need the"
      " same command, files and versions"
    )
  wait(name)


def wait(name: str):
  """Returns when all processes are here. `name` as in `share`."""
  if process_count() > 1:
    _client().wait_at_barrier(f"lstm_jax/{name}", _PATIENCE * 1000)


def _client() -> Any:
  return distributed.global_state.client


def _failure() -> str | None:
  """What the first process that failed has said of it."""
  try:
    return _client().key_value_try_get(_FAILURE)
  except jax.errors.JaxRuntimeError as error:
    if "NOT_FOUND" in str(error):
      return None
    return f"{EXIT_LOST} process 0 is lost; {_AGAIN}"


_AGAIN = "start all again, and they go on from the last checkpoint"


def _watch(done):
  """Ends this process when another one fails, whatever it is waiting for."""
  while not done.wait(_LOOK):
    if failure := _failure():
      if is_first():
        time.sleep(_LINGER)
      _leave(failure)


def _end_all(error):
  """Tells the others of an error and ends this process."""
  code, text = EXIT_ERROR, str(error) or type(error).__name__
  first_line = text.splitlines()[0][:200]
  of_jax = isinstance(error, jax.errors.JaxRuntimeError)
  if isinstance(error, KeyboardInterrupt):
    code, text = 130, "interrupted"
  elif of_jax and (memory := out_of_memory(error)):
    text = f"process {process_number()}: {memory}"
  elif of_jax or "Gloo" in text:
    # The one that failed may have told why, a moment ago.
    time.sleep(2 * _LOOK)
    code = EXIT_LOST
    text = f"another process is lost ({first_line}); {_AGAIN}"
  elif isinstance(error, UserError | OSError):
    text = f"process {process_number()}: {text}"
  else:
    traceback.print_exception(error)
    text = f"process {process_number()}: {type(error).__name__}: {first_line}"
  failure = _failure() or f"{code} {' '.join(text.split())}"
  with contextlib.suppress(jax.errors.JaxRuntimeError):
    _client().key_value_set(_FAILURE, failure, allow_overwrite=True)
  time.sleep(_LINGER)
  _leave(failure)


def _leave(failure):
  """Exits at once: an orderly end would wait for processes that are gone."""
  code, _, text = failure.partition(" ")
  print(f"error: {text}", file=sys.stderr, flush=True)
  sys.stdout.flush()
  os._exit(int(code))
