"""The other ways to compute a recurrence: cuDNN, other platforms, bfloat16,
and what happens inside the step."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_close, slow_but
from jax.experimental import rnn
from lstm_problems import CELL, CUDNN, B, H, T, loss, problem, single

from lstm_jax import LSTM, Options, unroll
from lstm_jax.cells.conv_lstm import ConvLSTM
from lstm_jax.cells.gru import GRU
from lstm_jax.cells.slstm import SLSTM


@pytest.fixture
def reference_cudnn(monkeypatch):
  """JAX's reference of what cuDNN computes, in its place."""

  def lstm(x, h, c, weights, lengths, d, h_size, layers, dropout, both):
    assert weights.shape == (rnn.get_num_params_in_lstm(d, h_size, 1, False),)
    unpacked = rnn.unpack_lstm_weights(weights, d, h_size, layers, both)
    return rnn.lstm_ref(
      *(x, h, c, *unpacked, lengths, d, h_size, layers, dropout, both)
    )

  monkeypatch.setattr(rnn, "lstm", lstm)
  version = property(lambda _: "cuda 13000")
  monkeypatch.setattr(
    type(jax.devices()[0].client), "platform_version", version
  )


@pytest.mark.parametrize("reverse", [False, True])
def test_cudnn_weights_mean_what_the_scans_do(reference_cudnn, reverse):
  params, x, state, _ = single(problem())

  @functools.partial(jax.jit, static_argnums=0)
  def gradients(options, *arguments):
    run = functools.partial(loss, options=options, reverse=reverse)
    return jax.value_and_grad(run, (0, 1, 2), has_aux=True)(*arguments)

  # Float32 sums in another order.
  assert_close(
    gradients(CUDNN, params, x, state),
    gradients(Options(engine="scan"), params, x, state),
    5e-6,
  )


@pytest.mark.parametrize(
  "reason, arguments",
  [
    ("it has no mask", {"mask": np.ones((B, T), bool)}),
    ("it has no reset", {"reset": np.ones((B, T), bool)}),
    ("it has no state of every step", {"return_states": True}),
    ('it has no backward="autodiff"', {"backward": "autodiff"}),
    ('it has no memory="sqrt"', {"memory": "sqrt"}),
    ("it has the plain LSTM only, not GRU", {"cell": GRU(H)}),
    ("it takes float32 only, got bfloat16, float32", {"x": jnp.bfloat16}),
    ("it needs an NVIDIA GPU, and JAX computes on cpu", {}),
  ],
  ids=lambda value: value if isinstance(value, str) else "",
)
def test_cudnn_says_why_it_cannot_serve(reason, arguments):
  params, x, _, _ = single(problem())
  if cell := arguments.pop("cell", None):
    params = cell.init(jax.random.key(0), x.shape[-1])
  cell = cell or CELL
  x = x.astype(arguments.pop("x", x.dtype))
  options = {"engine": "cudnn"} | {
    name: arguments.pop(name)
    for name in ("backward", "memory")
    if name in arguments
  }
  with pytest.raises(ValueError) as error:
    unroll(cell, params, x, options=Options(**options), **arguments)
  assert str(error.value) == (
    f'engine="cudnn" cannot serve this call: {reason}'
  )


def test_a_cell_with_a_recurrent_product_is_not_parallel():
  params, x, _, _ = single(problem())
  with pytest.raises(ValueError, match="LSTM needs the state of the step"):
    unroll(CELL, params, x, options=Options(engine="parallel"))


@pytest.mark.parametrize("platform", ["cuda", "rocm", "tpu"])
def test_the_scan_lowers_for_accelerators(platform):
  params, x, state, _ = single(problem())
  mask = np.ones((B, T), bool)

  def step(params, x, state, mask):
    def total(params):
      y, _ = unroll(CELL, params, x, state, mask=mask, options=Options(chunk=2))
      return (y**2).sum()

    return jax.grad(total)(params)

  exported = jax.export.export(jax.jit(step), platforms=[platform])
  text = exported(params, x, state, mask).mlir_module()
  assert "stablehlo.while" in text and exported(
    params, x, state, mask
  ).platforms == (platform,)


# Mixed precision


def test_bfloat16_inputs_keep_states_and_gradients_in_float32():
  params, x, state, _ = single(problem())
  x = jnp.asarray(x, jnp.bfloat16)
  (_, (y, final)), grads = jax.value_and_grad(loss, (0, 1, 2), has_aux=True)(
    params, x, state
  )
  assert y.dtype == grads[1].dtype == jnp.bfloat16
  for leaf in jax.tree.leaves((final, grads[0], grads[2])):
    assert leaf.dtype == jnp.float32


@pytest.mark.parametrize("backward", slow_but(["fused", "autodiff"], ["fused"]))
@pytest.mark.parametrize("d", slow_but([2, 16], [16]))
def test_bfloat16_errs_by_its_rounding(backward, d):
  params, x, state, _ = single(problem(b=4, t=20, d=d, h=16))
  cell = LSTM(16)

  def run(x):
    def total(params):
      y, end = unroll(
        cell, params, x, state, options=Options(backward=backward, chunk=6)
      )
      return (y.astype(jnp.float32) ** 2).sum() + end.c.sum()

    return jax.value_and_grad(total)(params)

  exact, rounded = run(x), run(jnp.asarray(x, jnp.bfloat16))
  # 8 bits: 2^-9 a number, and some twenty steps that pass it on.
  assert_close(rounded, exact, 0.03)
  difference = rounded[1]["w_h"] - exact[1]["w_h"]
  assert np.abs(difference).max() > 1e-5  # it did round


@pytest.mark.parametrize("backward", ["fused", "autodiff"])
@pytest.mark.parametrize(
  "cell, shape",
  [
    (SLSTM(64, heads=2), (16, 5, 8)),
    (ConvLSTM(2, image_size=(3, 4)), (2, 5, 3, 4, 2)),
  ],
)
def test_heads_and_images_in_bfloat16(backward, cell, shape):
  params = cell.init(jax.random.key(0), shape[-1])
  x = jax.random.normal(jax.random.key(1), shape)

  @jax.jit
  def run(x):
    def total(params):
      y, _ = unroll(cell, params, x, options=Options(backward=backward))
      return (y.astype(jnp.float32) ** 2).sum()

    return jax.value_and_grad(total)(params)

  exact, rounded = run(x), run(x.astype(jnp.bfloat16))
  assert_close(rounded, exact, 0.03)
  assert rounded[0] != exact[0]
  # A CPU has no products of many bfloat16 matrices.
  text = run.lower(x.astype(jnp.bfloat16)).as_text()
  many = [
    n for n in text.splitlines() if "dot_general" in n and "batching" in n
  ]
  assert not any("bf16" in line for line in many)


# Inside the step


@pytest.mark.parametrize("d", [1, 4, 5])
@pytest.mark.parametrize("unroll_steps", [1, 3])
def test_where_inputs_are_projected_changes_nothing(x64, d, unroll_steps):
  params, x, state, _ = problem(d=d)
  padded = np.pad(x, ((0, 0), (0, 0), (0, 8)))  # too wide for the step
  wide = params | {"w_x": np.pad(params["w_x"], ((0, 8), (0, 0)))}
  options = Options(unroll=unroll_steps)
  run = jax.value_and_grad(loss, (0, 1, 2), has_aux=True)
  value, (dparams, dx, dstate) = run(params, x, state, options)
  expected, (dwide, dpadded, dstate_wide) = run(wide, padded, state)
  dwide["w_x"] = dwide["w_x"][:d]
  assert_close(value, expected, 1e-12)
  assert_close(
    (dparams, dx, dstate), (dwide, dpadded[:, :, :d], dstate_wide), 1e-12
  )


def test_options_name_what_they_take():
  for options, message in (
    ({"engine": "gpu"}, "engine must be one of"),
    ({"unroll": 0}, "unroll must be 1 or more"),
    ({"chunk": -1}, "chunk must be 0 or more"),
  ):
    with pytest.raises(ValueError, match=message):
      Options(**options)
