"""The control plane of REST APIs, and the door of their data plane."""
