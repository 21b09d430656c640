"""Work in the background: on tables and on what is exported or imported."""
