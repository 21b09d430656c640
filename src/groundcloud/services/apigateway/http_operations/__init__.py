"""The control plane of HTTP APIs, and the door of their data plane."""
