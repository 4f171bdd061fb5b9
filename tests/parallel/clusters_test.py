"""--coordinator=auto: what JAX finds of SLURM, Cloud TPU and Kubernetes.

The clusters are variables and modules; nothing is connected.
"""

import os
import socket
import sys
import types

import jax
import pytest
from jax._src import clusters
from jax._src.clusters import cloud_tpu_cluster, cluster, k8s_cluster

from lstm_jax.errors import ConfigError
from lstm_jax.parallel import processes

_VARIABLES = ("SLURM_", "OMPI_", "KUBERNETES_", "TPU_", "MEGASCALE_", "JAX_CO")


@pytest.fixture
def nowhere(monkeypatch):
  """An environment without any cluster."""
  for name in list(os.environ):
    if name.startswith(_VARIABLES):
      monkeypatch.delenv(name)
  return monkeypatch


@pytest.fixture
def joined(nowhere):
  """Joins, and returns what JAX would connect with."""
  found = []

  def connect(address, processes, process, **options):
    state = clusters.ClusterEnv.auto_detect_unset_distributed_params(
      address, processes, process, None, None, 300
    )
    if None in state[:3]:
      raise ValueError("coordinator_address should be defined.")
    found.append(state[:3])

  nowhere.setattr(jax.distributed, "initialize", connect)

  def join(coordinator="auto", *numbers):
    processes._join(coordinator, *(numbers or (None, None)))
    return found[-1]

  return join


@pytest.fixture
def slurm(nowhere):
  for name, value in (
    ("JOB_ID", "70000"),
    ("STEP_NODELIST", "node[007-009,011]"),
    ("NTASKS", "4"),
    ("PROCID", "2"),
    ("LOCALID", "0"),
  ):
    nowhere.setenv(f"SLURM_{name}", value)


def test_slurm(slurm, joined):
  # The port is of the last 4,096, by the job's number.
  assert joined() == (f"node007:{61440 + 70000 % 4096}", 4, 2)
  # What is given counts.
  assert joined("auto", 8, 5)[1:] == (8, 5)


@pytest.fixture
def tpu(nowhere):
  """Looks like a TPU VM, whose hosts have names."""
  for module in (cloud_tpu_cluster, cluster):
    nowhere.setattr(module, "running_in_cloud_tpu_vm", True)
  nowhere.setattr(socket, "gethostbyname", lambda name: "192.0.2.1")
  return nowhere


def test_cloud_tpu(tpu, joined):
  told = {
    "agent-worker-number": "1",
    "worker-network-endpoints": "a:0:192.0.2.10,b:1:192.0.2.11",
    "tpu-env": "ACCELERATOR_TYPE: 'v5p-16'",
  }
  tpu.setattr(cloud_tpu_cluster, "get_metadata", lambda key: (told[key], 200))
  assert joined() == ("192.0.2.10:8482", 2, 1)
  # A second slice of two.
  told["tpu-env"] = (
    "MEGASCALE_COORDINATOR_ADDRESS: 'first:8080'\n"
    "MEGASCALE_NUM_SLICES: '2'\n"
    "MEGASCALE_SLICE_ID: '1'"
  )
  assert joined() == ("first:8482", 4, 3)


def test_cloud_tpu_under_kubernetes(tpu, joined):
  for name, value in (
    ("TPU_SKIP_MDS_QUERY", "1"),
    ("TPU_WORKER_HOSTNAMES", "w0.svc,w1.svc,w2.svc"),
    ("TPU_WORKER_ID", "2"),
    ("MEGASCALE_COORDINATOR_ADDRESS", ""),
    ("MEGASCALE_NUM_SLICES", ""),
    ("MEGASCALE_SLICE_ID", ""),
  ):
    tpu.setenv(name, value)
  assert joined() == ("w0.svc:8482", 3, 2)


def named(name, **fields):
  return types.SimpleNamespace(
    metadata=types.SimpleNamespace(
      name=name,
      labels={"job-name": "lstm"},
      owner_references=[types.SimpleNamespace(controller=True, kind="Job")],
    ),
    spec=types.SimpleNamespace(**fields),
  )


@pytest.fixture
def kubernetes(nowhere):
  """A pod, number 1 of a job of three, and the module that is asked."""
  pod = named("lstm-1", subdomain="pods")
  job = named("lstm", parallelism=3)
  none = types.SimpleNamespace(items=[])
  module = types.ModuleType("kubernetes")
  module.config = types.SimpleNamespace(load_incluster_config=lambda: None)
  module.client = types.SimpleNamespace(
    CoreV1Api=lambda: types.SimpleNamespace(
      list_namespaced_pod=lambda **_: types.SimpleNamespace(items=[pod]),
      list_namespaced_service=lambda namespace: none,
    ),
    BatchV1Api=lambda: types.SimpleNamespace(
      read_namespaced_job=lambda name, namespace: job
    ),
    exceptions=types.SimpleNamespace(ApiException=ConnectionError),
  )
  nowhere.setitem(sys.modules, "kubernetes", module)
  nowhere.setenv("KUBERNETES_SERVICE_HOST", "192.0.2.1")
  nowhere.setenv("HOSTNAME", "lstm-1")
  nowhere.setenv("JOB_COMPLETION_INDEX", "1")
  nowhere.setattr(socket, "gethostbyname", lambda name: "192.0.2.7")
  found = k8s_cluster.K8sCluster
  nowhere.setattr(found, "_namespace", lambda: "default")
  asked = (found._pod, found._job, found._headless_svc, found._controller)
  for function in asked:
    function.cache_clear()
  yield pod
  for function in asked:
    function.cache_clear()


def test_kubernetes(kubernetes, joined):
  assert joined() == ("lstm-0.pods:55527", 3, 1)


def test_what_kubernetes_lacks_is_one_line(kubernetes, joined, nowhere):
  nowhere.delenv("JOB_COMPLETION_INDEX")
  with pytest.raises(ConfigError, match="jobs must be indexed by setting"):
    joined()
  kubernetes.spec.subdomain = None
  with pytest.raises(ConfigError, match="auto: Pods within a job need a hea"):
    joined()

  def outside():
    raise type("ConfigException", (Exception,), {})("not in a cluster")

  sys.modules["kubernetes"].config.load_incluster_config = outside
  with pytest.raises(ConfigError, match="auto: not in a cluster; give coord"):
    joined()


def test_nowhere(joined):
  with pytest.raises(ConfigError, match="auto: .*; give coordinator, num"):
    joined()
