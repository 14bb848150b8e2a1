"""HaloSpec: what a draft length costs and gains in speculative decoding, measured on your machine."""

__version__ = "0.1.0"
