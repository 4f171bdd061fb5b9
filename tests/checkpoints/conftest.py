import pytest
from checkpoint_states import save, steps


@pytest.fixture(scope="session")
def three(tmp_path_factory):
  """A run directory that had three checkpoints, of which two are kept."""
  path = tmp_path_factory.mktemp("three")
  save(path, 3.0, 2.0, 2.5)
  assert steps(path)[0] == [2, 3]
  return path
