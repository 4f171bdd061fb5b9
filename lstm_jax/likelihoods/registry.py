"""The likelihoods that a task can name, by the loss that they are.

Each is made of what the last layer gives, z [b t k], and says what that means
for a target: `nll(targets)` [b t], `errors` and `right` for tables, `mode()`
and `sample(key)` for predictions. `unit` is the name of its mean.
"""

from lstm_jax.likelihoods.bernoulli import Bernoulli
from lstm_jax.likelihoods.categorical import Categorical
from lstm_jax.likelihoods.squared_error import SquaredError

LIKELIHOODS = {
  "cross_entropy": Categorical,
  "squared_error": SquaredError,
  "binary": Bernoulli,
}
