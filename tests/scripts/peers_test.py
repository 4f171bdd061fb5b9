"""The benchmark's contenders compute this LSTM; those not installed are
skipped."""

import importlib

import jax
import numpy as np
import pytest
from flax import nnx
from helpers import assert_close

from scripts.peers import ours, problem

SHAPE = (4, 6, 3, 5, 2)


def linen(params):
  def join(cell, side, field):
    return np.concatenate([cell[side + gate][field] for gate in "ifgo"], -1)

  layers = params["params"]
  return [
    {
      "w_x": join(layers[name]["cell"], "i", "kernel"),
      "w_h": join(layers[name]["cell"], "h", "kernel"),
      "b": join(layers[name]["cell"], "h", "bias"),
    }
    for name in ("layers_0", "layers_1")
  ]


def nnx_(params):
  layers = nnx.to_pure_dict(params)["layers"]
  return [
    {
      "w_x": layers[i]["cell"]["dense_i"]["kernel"],
      "w_h": layers[i]["cell"]["dense_h"]["kernel"],
      "b": layers[i]["cell"]["dense_h"]["bias"],
    }
    for i in sorted(layers)
  ]


def haiku(params):
  def reorder(a):  # from i g f o
    i, g, f, o = np.split(np.asarray(a), 4, axis=-1)
    return np.concatenate([i, f, g, o], -1)

  hidden, found = SHAPE[3], []
  for name in ("lstm/linear", "lstm_1/linear"):
    w, b = reorder(params[name]["w"]), reorder(params[name]["b"])
    b[hidden : 2 * hidden] += 1  # in the cell, not in its bias
    found.append({"w_x": w[:-hidden], "w_h": w[-hidden:], "b": b})
  return found


def equinox(params):
  return [
    {"w_x": cell.weight_ih.T, "w_h": cell.weight_hh.T, "b": cell.bias}
    for cell in params
  ]


def keras(params):
  names = ("w_x", "w_h", "b")
  return [
    dict(zip(names, params[i : i + 3], strict=True))
    for i in range(0, len(params), 3)
  ]


PEERS = {
  "flax_linen": linen,
  "flax_nnx": nnx_,
  "haiku_lstm": haiku,
  "equinox_lstm": equinox,
  "keras_lstm": keras,
}


@pytest.mark.parametrize("name", PEERS)
# Other libraries' warnings are not ours to mend.
@pytest.mark.filterwarnings("default")
def test_peer_computes_this_lstm(name):
  try:
    module = importlib.import_module(f"scripts.peers.{name}")
  except ImportError as error:
    pytest.skip(str(error))
  init, apply = module.layer(SHAPE)
  rng = np.random.default_rng(0)
  params = jax.tree.map(  # biases are not to be zero
    lambda a: rng.standard_normal(a.shape, np.float32) / 2,
    jax.eval_shape(init, jax.random.key(0)),
  )
  x, dy = problem.arrays(SHAPE, module.TIME_MAJOR)
  y, vjp = jax.vjp(apply, params, x)
  (_, dx) = vjp(dy)
  _, our_apply = ours.layer(SHAPE)
  our_x, our_dy = problem.arrays(SHAPE, time_major=False)
  our_y, our_vjp = jax.vjp(our_apply, PEERS[name](params), our_x)
  (_, our_dx) = our_vjp(our_dy)
  if module.TIME_MAJOR:
    y, dx = y.swapaxes(0, 1), dx.swapaxes(0, 1)
  # 1e-5: some 100 float32 roundings of 6e-8.
  assert_close((y, dx), (our_y, our_dx), 1e-5)
