"""Running a recurrent cell over sequences: `unroll`.

States go in and come out, so that a sequence can be continued; a mask leaves
steps out, resets begin new documents, and everything can run backwards in time.
Arrays are batch-major.
"""

import dataclasses
import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from lstm_jax.array_types import (
  Array,
  ArrayLike,
  Bool,
  Float,
  Params,
  PyTree,
  State,
)
from lstm_jax.cells.argument_checks import (
  as_array,
  check_fields,
  check_integer,
  is_known,
)
from lstm_jax.cells.base import Cell, is_symbols, widest
from lstm_jax.cells.short_repr import short
from lstm_jax.recurrence import cudnn, inputs
from lstm_jax.recurrence.scan import (
  Noise,
  ScanPlan,
  StepControls,
  run_autodiff,
  run_fused,
)

_TINY_INPUT = 4  # features up to which inputs are projected inside the step
_TINY_LAYER = 1024  # parameters without w_x
_ROWS = 1024  # batch times steps of a piece
_LEAST_CHUNK = 16
_PARALLEL_CHUNK = 64  # of the "parallel" engine


@dataclasses.dataclass(frozen=True)
class Options:
  """How a recurrence is computed; never what it computes.

  chunk: project the inputs and form the weight gradients for this many time
    steps at a time; 0 chooses from the shape. Less memory traffic on long
    sequences, more small matrix products on short ones.
  memory: "full" keeps what the backward pass needs of every step; "sqrt" keeps
    the state of every sqrt(t)-th step and computes the rest again, at the price
    of a second forward pass. It sets the chunk.
  backward: "fused", the hand-written backward pass, or "autodiff", which JAX
    can also differentiate forwards and twice.
  engine: "scan", one step after the other; "parallel", all steps of a chunk at
    once, for cells that have no recurrent product; "cudnn", for the plain LSTM
    on NVIDIA GPUs (`cudnn.py`); "auto" takes "parallel" where it can serve,
    else "scan".
  unroll: steps in one iteration of the loop. On CPU it gains nothing and
    lengthens compilation.
  """

  chunk: int = 0
  memory: str = "full"
  backward: str = "fused"
  engine: str = "auto"
  unroll: int = 1

  CHOICES: ClassVar = {
    "memory": ("full", "sqrt"),
    "backward": ("fused", "autodiff"),
    "engine": ("auto", "scan", "parallel", "cudnn"),
  }

  def __post_init__(self):
    check_fields(self, {"chunk": 0})
    for name, known in self.CHOICES.items():
      if getattr(self, name) not in known:
        raise ValueError(
          f"{name} must be one of {known}, got {getattr(self, name)!r}"
        )


def unroll(
  cell: Cell,
  params: Params,
  x: ArrayLike,
  state: Any = None,
  *,
  context: Any = None,
  mask: ArrayLike | None = None,
  reset: ArrayLike | None = None,
  noise: Any = Noise(),
  reverse: bool = False,
  return_states: bool = False,
  options: Options = Options(),
) -> tuple[PyTree[Float[Array, "b t ..."]], State]:
  """Runs a cell over a sequence.

  Args:
    cell: the recurrence, such as `LSTM(hidden_size=256)`.
    params: its parameters, from `cell.init(key, d)`.
    x: the inputs [b t d], or images [b t y x d]. Integers and booleans of these
      axes are numbers of the parameters' type. Integers [b t] are symbols below
      d, the same as one-hot vectors, for cells with a matrix `w_x`.
    state: the state before the first step; None is the cell's initial state.
    context: what every step reads alike, such as attention's keys and values: a
      tree of floating-point arrays [b ...], for cells that take one. It has
      gradients. A mask in it is numbers to add to scores, 0 or -1e30.
    mask: [b t]; False skips a step: the state stays as it is and the output is
      zero, whatever the input holds. `length_mask` makes one of lengths.
    reset: [b t]; True gives the initial state before a step, as at the start of
      each document of a packed sequence; no gradient crosses it.
    noise: random factors.
    reverse: run from the last step to the first. With `reset`, each document
      starts afresh at its last step.
    return_states: give the state after every step, [b t ...] a leaf, in place
      of the outputs.
    options: how to compute it.

  Arrays may be JAX's, NumPy's or lists. Products are computed in the type of
  `x`, sums, gates and states in the widest of `x`, the parameters and the
  state: bfloat16 inputs with float32 parameters are mixed precision. The
  outputs have the type of `x` (of the parameters, where x is no floating-point
  numbers), and every gradient that of what it is the gradient of.

  Symbols out of range are refused where their values are known; inside jit the
  nearest symbol is taken, as embeddings and softmax targets do too.

  Returns:
    The outputs [b t h] and the state after the last step, which continues the
    sequence when it is passed to the next call.

  Raises:
    ValueError: an argument is not of the shape or kind above, or of another
      cell, or the engine cannot serve this call.
  """
  arguments = inputs.take(cell, params, x, state, context, mask, reset, noise)
  if options.engine == "cudnn" and is_symbols(arguments.x):
    raise ValueError(
      f"x: {type(cell).__name__} takes no symbols here; give one-hot vectors"
    )
  return run(
    cell,
    *arguments,
    reverse=reverse,
    return_states=return_states,
    options=options,
  )


def run(
  cell: Cell,
  params: Params,
  x: Array,
  state: State,
  context: PyTree = None,
  mask: Bool[Array, "b t"] | None = None,
  reset: Bool[Array, "b t"] | None = None,
  noise: Noise = Noise(),
  *,
  reverse: bool = False,
  return_states: bool = False,
  options: Options = Options(),
) -> tuple[PyTree[Float[Array, "b t ..."]], State]:
  """`unroll` of arrays that are known to be of the right kinds and shapes, as
  those of a stack's layers are."""
  kinds = [p.dtype for p in params.values()]
  # The outputs have the type of x, or of the parameters where x is symbols.
  dtype = widest(*kinds) if is_symbols(x) else x.dtype
  others = [a.dtype for a in jax.tree.leaves((state, context))]
  wide = widest(dtype, *kinds, *others)
  if mask is not None:
    live = jnp.reshape(mask, mask.shape + (1,) * (x.ndim - 2))
    x = jnp.where(live, x, 0)  # not even a NaN gets in
  params, state, context, noise = jax.tree.map(
    lambda a: a.astype(wide), (params, state, context, noise)
  )
  if reset is not None and reverse:
    # Backwards, a document begins at the step before the next one's first.
    reset = jnp.pad(reset[:, 1:], ((0, 0), (0, 1)), constant_values=False)
  flip = _flip if reverse else lambda a: a
  x, mask, reset, noise = jax.tree.map(flip, (x, mask, reset, noise))
  extras = {
    "mask": mask is not None,
    "reset": reset is not None,
    "noise": bool(jax.tree.leaves(noise)),
    "context": context is not None,
    "state of every step": return_states,
    'backward="autodiff"': options.backward == "autodiff",
    'memory="sqrt"': options.memory == "sqrt",
  }
  engine = _engine(options.engine, cell, params, x, extras)
  if 0 in x.shape[:2]:  # no row, or no step
    y = state if return_states else cell.output(state).astype(dtype)
    return jax.tree.map(lambda a: _no_steps(a, x.shape[:2]), y), state
  if engine == "cudnn":
    y, state = cudnn.run_cudnn(params, x, state)
  elif engine == "parallel":
    chunk = options.chunk or _PARALLEL_CHUNK
    parallel = cell.parallel  # pyright: ignore[reportAttributeAccessIssue] # `_engine` saw it
    y, state = parallel(params, x, state, mask, reset, chunk)
    y = y.astype(dtype)
  else:
    plan = _plan(cell, params, x, state, context, return_states, options, dtype)
    controls = StepControls(mask, reset, noise)
    scan = run_autodiff if options.backward == "autodiff" else run_fused
    y, state = scan(plan, params, x, state, context, controls)
  return jax.tree.map(flip, y), state


def _engine(engine, cell, params, x, extras):
  """Which engine computes a call.

  Raises:
    ValueError: the one asked for cannot.
  """
  if engine == "cudnn":
    if reason := cudnn.obstacle(cell, params, x, extras):
      raise ValueError(f'engine="cudnn" cannot serve this call: {reason}')
  if engine in ("auto", "parallel"):
    wanted = ("noise", "context", "state of every step", 'memory="sqrt"')
    reason = next(
      (f"it has no {name}" for name in wanted if extras[name]), None
    )
    if not hasattr(cell, "parallel"):
      reason = f"{type(cell).__name__} needs the state of the step before"
    if reason is None:
      return "parallel"
    if engine == "parallel":
      raise ValueError(f'engine="parallel" cannot serve this call: {reason}')
  return "cudnn" if engine == "cudnn" else "scan"


def _plan(cell, params, x, state, context, return_states, options, dtype):
  batch, time = x.shape[:2]
  fused = options.backward == "fused" and context is None
  return ScanPlan(
    cell,
    return_states,
    chunk=_chunk(options, batch, time),
    project_inside=x.ndim > 2 and x.shape[-1] <= _TINY_INPUT,
    unroll=options.unroll,
    memory=options.memory,
    dtype=dtype,
    tiny=fused and time > 1 and _is_tiny(params, state),
  )


def _is_tiny(params, state):
  """Whether steps are so small that vectors of trials gain over matrices: one
  row and a handful of units. XLA makes vectors of fours of units; with 2, 3 or
  6 of them, `vmap` as it is was faster."""
  flat = all(p.ndim <= 2 for p in params.values())
  few = sum(p.size for n, p in params.items() if n != "w_x") <= _TINY_LAYER
  return (
    flat
    and few
    and all(
      a.ndim == 2 and len(a) == 1 and a.shape[1] in range(4, 33, 4)
      for a in jax.tree.leaves(state)
    )
  )


def _no_steps(a, steps):
  return jnp.zeros((*steps, *a.shape[1:]), a.dtype)


def length_mask(lengths: ArrayLike, time: int) -> Bool[Array, "b t"]:
  """True at the first `lengths` steps of each row.

  lengths: integers [b] from 0 to `time`. Inside jit, where they are not known,
    a larger one is `time` and a smaller one 0.

  Raises:
    ValueError: they are not.
  """
  check_integer("time", time, 0)
  lengths = as_array("lengths", lengths)
  if lengths.ndim != 1 or not is_symbols(lengths):
    raise ValueError(f"lengths must be integers [batch], got {short(lengths)}")
  if is_known(lengths) and ((lengths < 0) | (lengths > time)).any():
    raise ValueError(
      f"lengths must be from 0 to {time}, got {lengths.min()} to"
      f" {lengths.max()}"
    )
  return jnp.arange(time) < jnp.asarray(lengths)[:, None]


def _chunk(options, batch, time):
  """Time steps a piece.

  A piece should give the large products some thousand rows, and stay in cache:
  on two cores of a Xeon, T=784, B=50 a core, H=128 took 354 ms in pieces of 16
  and 488 ms in one; T=512, B=1, H=512 took 224 and 176 ms.
  """
  if options.memory == "sqrt":
    return max(math.isqrt(time), 1)
  return options.chunk or max(_LEAST_CHUNK, -(-_ROWS // batch))


def _flip(a):
  """Backwards in time; [b 1 ...], the same at every step, stays as it is."""
  return jnp.flip(a, 1)
