"""The fixtures of every test; see groundcloud.testing.fixtures."""

from groundcloud.testing.fixtures import *  # noqa: F403
