"""The LSTM through NVIDIA's cuDNN, by jax.experimental.rnn.

cuDNN takes one flat vector of weights: of each layer W_ih [4h d], then
W_hh [4h h], and after all layers the biases b_ih [4h], b_hh [4h]; gates in the
order i f g o, as ours. Ours has one bias, so that b_hh is zero.

What it takes the place of is the scan, for one layer, when nothing but inputs
and a state is given. It has no rule for vmap, and only one for reverse-mode
gradients of the first order.
"""

import jax
import jax.numpy as jnp
from jax.experimental import rnn

from lstm_jax.array_types import Array, Float, Params
from lstm_jax.cells.base import Cell
from lstm_jax.cells.lstm import LSTM, LSTMState


def obstacle(
  cell: Cell, params: Params, x: Float[Array, "b t d"], extras: dict[str, bool]
) -> str | None:
  """Why cuDNN cannot compute a call of `unroll`, or None if it can.

  extras: what the call asks for besides the outputs, by its name.
  """
  if not isinstance(cell, LSTM):
    return f"it has the plain LSTM only, not {type(cell).__name__}"
  if cell.cap_input_gate:
    return "it has no capped input gate"
  for name, asked in extras.items():
    if asked:
      return f"it has no {name}"
  kinds = {jnp.result_type(a).name for a in (x, *params.values())}
  if kinds != {"float32"}:
    return f"it takes float32 only, got {', '.join(sorted(kinds))}"
  if not on_nvidia():
    platform = jax.default_backend()
    return f"it needs an NVIDIA GPU, and JAX computes on {platform}"
  return None


def on_nvidia() -> bool:
  """Whether JAX computes on an NVIDIA GPU."""
  return "cuda" in jax.devices()[0].client.platform_version.lower()


def pack(params: Params) -> Float[Array, "n"]:
  """An LSTM's parameters as cuDNN's one vector."""
  b = params["b"]
  pieces = (params["w_x"].T, params["w_h"].T, b, jnp.zeros_like(b))
  return jnp.concatenate([jnp.ravel(piece) for piece in pieces])


def run_cudnn(
  params: Params, x: Float[Array, "b t d"], state: LSTMState
) -> tuple[Float[Array, "b t h"], LSTMState]:
  """The same as the scan, to float32 rounding (TF32 where JAX allows it)."""
  batch, time, features = x.shape
  y, h, c = rnn.lstm(
    x,
    state.h[None],
    state.c[None],
    pack(params),
    jnp.full(batch, time, jnp.int32),
    features,
    state.h.shape[-1],
    1,  # layers
    0.0,  # dropout
    False,  # bidirectional
  )
  return y, LSTMState(h[0], c[0])
