"""Keras on its JAX backend: keras.layers.LSTM, stateless_call."""

import os

os.environ["KERAS_BACKEND"] = "jax"  # read by the import

import keras  # noqa: E402

PACKAGES = ("jax", "jaxlib", "keras")
TIME_MAJOR = False


def layer(shape, variant: str = ""):
  _, time, inputs, hidden, layers = shape
  model = keras.Sequential(
    [
      keras.Input((time, inputs)),
      *(
        keras.layers.LSTM(
          hidden,
          return_sequences=True,
          recurrent_initializer="zeros",  # orthogonal is slow
        )
        for _ in range(layers)
      ),
    ]
  )

  def init(key):
    return [variable.value for variable in model.trainable_variables]

  def apply(params, x):
    rest = [variable.value for variable in model.non_trainable_variables]
    y, _ = model.stateless_call(params, rest, x)
    return y

  return init, apply
