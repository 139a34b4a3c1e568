"""A tiny AlphaFold 3: molecular graph -> trunk once -> diffusion over raw atom coordinates.

Axis letters of this package, beside those of :mod:`models`:

    M  atom slots of a structure, M = T * A (a token's slots are neighbours: slot a of token t is t * A + a)
    K  noisy copies of one structure that share a trunk pass

Tokens follow AlphaFold 3: one per residue for proteins (A = 4 slots: N, CA, C, O), one per heavy atom
for everything else (A = 1). Hydrogens are not modelled.
"""
