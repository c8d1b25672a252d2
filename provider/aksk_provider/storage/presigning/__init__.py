"""Links: what they are made of, what they say about themselves, and using them."""
