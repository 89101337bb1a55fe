"""Tiny random models, exported as people export them, with what others answer on them."""
