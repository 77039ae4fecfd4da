"""One job service for science."""
