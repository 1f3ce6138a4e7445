import pytest

from roadshift.estimation.network import EstimatingNetwork
from roadshift.inference.trained_network import load_trained_network


@pytest.fixture(scope="session")
def block_network(colour_network):
    return EstimatingNetwork.of(load_trained_network(colour_network))
