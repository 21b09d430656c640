"""Runs every benchmark, one after the other."""

import runpy
import sys

for name in ("bench.start", "bench.hot_calls", "bench.invoke", "bench.runtime", "bench.state"):
    print(f"\n== {name}", flush=True)
    sys.argv = [name]
    runpy.run_module(name, run_name="__main__")
