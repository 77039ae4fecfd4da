"""Where jobs are kept; the promises are in `base`."""
