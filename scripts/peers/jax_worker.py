"""Forward, training and batch-split programs of any JAX contender.

A contender's file has `TIME_MAJOR` and `layer(shape, variant)`, which returns
two pure functions: init(key) -> params and apply(params, x) -> y. Only the
shapes of init's parameters are used.
"""

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from scripts.peers import problem


def make(module, case: dict, devices: int = 1):
  """The function that runs the case once, blocks, and returns its arrays."""
  function, arguments = _program(module, case, devices)
  function = jax.jit(function)
  return lambda: jax.block_until_ready(jax.tree.leaves(function(*arguments)))


def temporary_bytes(module, case: dict) -> int:
  """What the compiled program holds besides arguments and results."""
  function, arguments = _program(module, case, 1)
  compiled = jax.jit(function).lower(*arguments).compile()
  return compiled.memory_analysis().temp_size_in_bytes


def _program(module, case, devices):
  init, apply = module.layer(case["shape"], case.get("variant", ""))
  # One distribution for everybody, torch's; orthogonal ones take long.
  bound = case["shape"][3] ** -0.5
  rng = np.random.default_rng(1)
  params = jax.tree.map(
    lambda a: rng.uniform(-bound, bound, a.shape).astype(np.float32),
    jax.eval_shape(init, jax.random.key(0)),
  )
  x, dy = problem.arrays(case["shape"], module.TIME_MAJOR)

  def train(params, x, dy):
    y, vjp = jax.vjp(apply, params, x)
    return y, *vjp(dy)

  if case["mode"] == "forward":
    function, arguments = apply, (params, x)
  else:
    function, arguments = train, (params, x, dy)
  if devices == 1:
    return function, jax.device_put(arguments)
  return _split(function, arguments, module.TIME_MAJOR, devices)


def _split(function, arguments, time_major, devices):
  """The same with the batch over the devices; weight gradients are summed."""
  mesh = jax.make_mesh((devices,), ("batch",), (AxisType.Auto,))
  split = P(None, "batch") if time_major else P("batch")
  placement = (P(), *[split] * (len(arguments) - 1))

  def local(*arguments):
    results = function(*arguments)
    if len(arguments) == 2:  # forward
      return results
    y, dparams, dx = results
    return y, jax.lax.psum(dparams, "batch"), dx

  # check_vma is off because the peers' scans start from zeros of their own,
  # which it would take for the same on every device.
  sharded = jax.shard_map(
    local,
    mesh=mesh,
    in_specs=placement,
    out_specs=split if len(arguments) == 2 else (split, P(), split),
    check_vma=False,
  )
  put = [
    jax.device_put(a, jax.tree.map(lambda _, s=s: NamedSharding(mesh, s), a))
    for a, s in zip(arguments, placement, strict=True)
  ]
  return sharded, put
