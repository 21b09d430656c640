"""AWS's own runtime interface clients, unmodified, against the Runtime API: that of Node.js (Python's is in `test_provided`)."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.runtime.test_provided import REQUEST, bootstrap

TOOLS = ("npm", "cmake", "make", "autoreconf", "libtoolize")
"""Its native part is compiled where it is installed."""

BOOTSTRAP = "#!/bin/sh\nexec node /var/task/node_modules/aws-lambda-ric/bin/index.mjs app.handler\n"
HANDLER = """
exports.handler = async (event, context) => {
  console.log("in the handler");
  if (event === "raise") throw new RangeError("too far");
  return [event, context.functionName, context.awsRequestId, context.getRemainingTimeInMillis() > 0];
};
"""


@pytest.mark.slow
def test_awss_own_interface_client_for_node_runs_unmodified(house: Any, tmp_path: Path) -> None:
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        pytest.skip(f"aws-lambda-ric cannot be compiled without {', '.join(missing)}")
    done = subprocess.run(["npm", "install", "--silent", "aws-lambda-ric"], cwd=tmp_path, capture_output=True, env=os.environ)
    if done.returncode != 0:
        pytest.skip("aws-lambda-ric cannot be installed here")
    spec = bootstrap(house, BOOTSTRAP, files={"app.js": HANDLER}, memory_mb=256)
    client = "node_modules/aws-lambda-ric"
    for part in ("bin", "dist", "package.json"):
        source, target = tmp_path / client / part, spec.code_path / client / part
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    subprocess.run(["chmod", "-R", "a+rX", spec.code_path], check=True)
    assert house.answer(spec, "x") == ["x", spec.function_name, REQUEST, True]
    result = house.invoke(spec, "raise")
    assert (result.kind, result.error_type) == ("error", "RangeError")
    assert any("in the handler" in line for line, _ in house.lines)
