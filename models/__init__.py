"""Two generative models on one diffusion core.

Axis letters used in shape comments everywhere in this package:

    B  rows of a batch (one row = one sample of one visitor at its own noise level)
    S  samples of one request          N  atoms          T  tokens
    A  atom slots per token            D  channels       H, W  image height, width
"""
