"""Presigned links beyond the signature: options, checks, bulk, recipes, hand-over. Import from the modules."""
