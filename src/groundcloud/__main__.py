"""`python -m groundcloud` is `ground`."""

from groundcloud.cli.main import main

main()
