"""What runs outside the server's process: the stage that builds the root, the zygote, and the Python runtime of a sandbox.

Standard library only, relative imports only: the directory is loaded under the name `_groundcloud` by an interpreter that sees
none of the server's packages, and copied to /var/runtime of the sandboxes' root.
"""
