"""The convolutional LSTM, for sequences of images.

Shi, Chen, Wang, Yeung, Wong & Woo 2015, "Convolutional LSTM Network: A Machine
Learning Approach for Precipitation Nowcasting", NeurIPS. States are images of h
channels, * is a convolution that keeps their size, . goes pixel by pixel:

    i_t = sigmoid(W_xi * x_t + W_hi * h_{t-1} + p_i . c_{t-1} + b_i)
    f_t = sigmoid(W_xf * x_t + W_hf * h_{t-1} + p_f . c_{t-1} + b_f)
    c_t = f_t . c_{t-1} + i_t . tanh(W_xg * x_t + W_hg * h_{t-1} + b_g)
    o_t = sigmoid(W_xo * x_t + W_ho * h_{t-1} + p_o . c_t + b_o)
    h_t = o_t . tanh(c_t)

With a kernel and an image of one pixel it is the LSTM, with peepholes the
peephole LSTM. Kernels are [y x d g], the gates in the order i f g o.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from lstm_jax.array_types import Array, Float, Key, Params
from lstm_jax.cells import initializers
from lstm_jax.cells.argument_checks import check_integer
from lstm_jax.cells.base import BasicCell, option, widest
from lstm_jax.cells.lstm import LSTM, LSTMState
from lstm_jax.cells.peephole import PeepholeLSTM


@dataclasses.dataclass(frozen=True)
class ConvLSTM(BasicCell):
  """hidden_size channels; inputs are [b t y x d], states [b y x h]."""

  hidden_size: int
  _: dataclasses.KW_ONLY
  # (y, x), the same for inputs and states
  image_size: tuple[int, int]
  # width and height of both convolutions
  kernel_size: int = option(3, 1, 10**4)
  # the paper's p, one weight a pixel and channel, from 0 on
  peepholes: bool = option(False)
  # initial bias of the forget gate, b_f
  forget_bias: float = option(1.0, -100, 100, initial=True)

  def init(self, key: Key[Array, ""], input_size: int) -> Params:
    """input_size: channels of the inputs, d. Kernels are LeCun uniform."""
    check_integer("input_size", input_size)
    h, k = self.hidden_size, self.kernel_size
    key_x, key_h = jax.random.split(key)

    def kernel(key, channels):
      flat = initializers.lecun_uniform(key, (k * k * channels, 4 * h))
      return flat.reshape(k, k, channels, 4 * h)

    params = {
      "w_x": kernel(key_x, input_size),
      "u_h": kernel(key_h, h),  # in the step: the scan knows products alone
      "b": jnp.zeros(4 * h).at[h : 2 * h].set(self.forget_bias),
    }
    if self.peepholes:
      for name in ("p_i", "p_f", "p_o"):
        params[name] = jnp.zeros((*self.image_size, h))
    return params

  def initial_state(self, batch: int, dtype: Any = jnp.float32) -> LSTMState:
    shape = (batch, *self.image_size, self.hidden_size)
    # A buffer each, so that a program may be given both to write into.
    return LSTMState(h=jnp.zeros(shape, dtype), c=jnp.zeros(shape, dtype))

  def project(
    self, params: Params, x: Float[Array, "*n y x d"]
  ) -> Float[Array, "*n y x g"]:
    images = x.reshape(-1, *x.shape[-3:])
    z = _convolve(images, params["w_x"]) + params["b"]
    return z.reshape(*x.shape[:-1], -1)

  def step(
    self,
    params: Params,
    z: Float[Array, "b y x g"],
    state: LSTMState,
    noise: Float[Array, "b y x h"] | None = None,
  ) -> LSTMState:
    """noise: a factor on the cell input."""
    z = z + _convolve(state.h, params["u_h"])
    pointwise = PeepholeLSTM if self.peepholes else LSTM
    return pointwise(self.hidden_size).step(params, z, state, noise)


def _convolve(
  images: Float[Array, "n y x d"], kernel: Float[Array, "k k d g"]
) -> Float[Array, "n y x g"]:
  """Summed in the wider of the two types; the kernel is rounded to that of the
  images."""
  wide = widest(images.dtype, kernel.dtype)
  return lax.conv_general_dilated(
    jnp.asarray(images, wide),
    jnp.asarray(kernel.astype(images.dtype), wide),
    window_strides=(1, 1),
    padding="SAME",
    dimension_numbers=("NHWC", "HWIO", "NHWC"),
  )
