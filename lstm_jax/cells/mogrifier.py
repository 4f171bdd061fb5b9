"""The Mogrifier LSTM: input and hidden state gate each other first.

Melis, Kocisky & Blunsom 2020, "Mogrifier LSTM", ICLR:

    x^r = 2 sigmoid(Q^r h^{r-1}) * x^{r-2}     for odd r
    h^r = 2 sigmoid(R^r x^{r-1}) * h^{r-2}     for even r, r = 1 ... rounds

and then the LSTM on the last x and h. Q and R may be products of two matrices
of `rank` columns. With 0 rounds it is the LSTM with forget gate.

These gates have no biases, as in the paper's equations. They have in the
authors' code (github.com/google-deepmind/lamb), which is `round_biases`:
2 sigmoid(Q^r h^{r-1} + b^r).
"""

import dataclasses

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Float, Key, Params
from lstm_jax.cells import initializers
from lstm_jax.cells.activations import sigmoid
from lstm_jax.cells.base import BasicCell, StateNoise, option
from lstm_jax.cells.lstm import LSTM, LSTMState


@dataclasses.dataclass(frozen=True)
class MogrifierLSTM(BasicCell):
  """State: h and c [b h]."""

  hidden_size: int
  _: dataclasses.KW_ONLY
  # rounds of mutual gating; 0 is the LSTM
  rounds: int = option(5, 0, 100)
  # rank of their matrices Q and R; 0 is full rank
  rank: int = option(0, 0, 10**6)
  # initial bias of the forget gate, b_f
  forget_bias: float = option(1.0, -100, 100, initial=True)
  # the input gate is at most 1 - forget gate (Melis et al. 2018)
  cap_input_gate: bool = option(False)
  # the gates of the rounds have biases, from 0 on, which the authors' code has
  # and the paper's equations have not
  round_biases: bool = option(False)
  state_type = LSTMState
  takes_state_noise = True

  def init(self, key: Key[Array, ""], input_size: int) -> Params:
    h, d = self.hidden_size, input_size
    lstm = initializers.lstm_weights(key, d, h, self.forget_bias)
    # The gates read what the rounds made, so no product can be taken out of the
    # scan: both matrices are the step's, and the projection passes x on.
    params = {"u_x": lstm["w_x"], "u_h": lstm["w_h"], "u_b": lstm["b"]}
    for r in range(1, self.rounds + 1):
      shape = (h, d) if r % 2 else (d, h)
      keys = jax.random.split(jax.random.fold_in(key, r))
      if self.rank:
        params[f"q{r}_a"] = initializers.lecun_uniform(
          keys[0], (shape[0], self.rank)
        )
        params[f"q{r}_b"] = initializers.lecun_uniform(
          keys[1], (self.rank, shape[1])
        )
      else:
        params[f"q{r}"] = initializers.lecun_uniform(keys[0], shape)
      if self.round_biases:
        params[f"b{r}"] = jnp.zeros(shape[1])
    return params

  def project(
    self, params: Params, x: Float[Array, "*n d"]
  ) -> Float[Array, "*n d"]:
    return x

  def step(
    self,
    params: Params,
    z: Float[Array, "b d"],
    state: LSTMState,
    noise: StateNoise | None = None,
  ) -> LSTMState:
    """z: the input x_t. noise: factors on the cell input and on h_{t-1}."""
    x, h = z.astype(state.h.dtype), state.h
    factor, on_state = noise or StateNoise()
    if on_state is not None:
      h = h * on_state
    for r in range(1, self.rounds + 1):
      if r % 2:
        x = 2 * sigmoid(self._product(params, r, h)) * x
      else:
        h = 2 * sigmoid(self._product(params, r, x)) * h
    gates = x @ params["u_x"] + h @ params["u_h"] + params["u_b"]
    lstm = LSTM(self.hidden_size, cap_input_gate=self.cap_input_gate)
    return lstm.step({}, gates, state, factor)

  def _product(self, params, r, a):
    if self.rank:
      z = a @ params[f"q{r}_a"] @ params[f"q{r}_b"]
    else:
      z = a @ params[f"q{r}"]
    return z + params[f"b{r}"] if self.round_biases else z
