"""Chat templates of public models, out of Python packages that carry them."""
