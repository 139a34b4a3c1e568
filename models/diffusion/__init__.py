"""The diffusion core: schedule, precond, guidance, sampler, training. Imports torch only.

It drives vectors (the prior), pixels (the decoder), atoms (the structure model) and 2-D particles
(the dye drop) with the same code; nothing in here knows which of them it is working on.
"""
