"""Benchmarks: `python -m bench` (or `make bench`). Every figure stands beside something else that was measured in the same run."""
