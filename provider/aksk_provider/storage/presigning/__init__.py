"""Presigned links and what is built on them; import from the modules of this package."""
