"""The fixtures of every test; see groundcloud.testing.fixtures. No test fetches an interpreter but those that say so."""

import os

from groundcloud.testing.fixtures import *  # noqa: F403

os.environ["GROUND_FETCH_RUNTIMES"] = "no"
