"""What every floor stands on: names of things, time, identifiers, errors, limits. Standard library only."""
