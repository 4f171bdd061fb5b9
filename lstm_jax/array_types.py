"""The letters of array axes, and the jaxtyping aliases built from them.

  b  batch            t  time               d  input features
  h  hidden units     g  gate inputs (4h)   r  recurrent input (h for an LSTM)
  v  vocabulary       e  embedding          l  layers

Arrays are batch-major, `[b t ...]`, at every public boundary and time-major,
`[t b ...]`, inside `recurrence.py`. Types are checked while the tests run
(`pytest` loads jaxtyping's import hook) and cost nothing otherwise.
"""

from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float, Int, Key, PyTree, Shaped

Array = jax.Array | np.ndarray
ArrayLike = Any  # arrays, and what NumPy makes arrays of; checked on entry
Params = dict[str, Any]  # nested dictionary of arrays, one branch a module
State = PyTree[Float[Array, "b ..."]]  # what a recurrence carries

__all__ = [
  "Array",
  "ArrayLike",
  "Bool",
  "Float",
  "Int",
  "Key",
  "Params",
  "PyTree",
  "Shaped",
  "State",
]
