"""AlphaFold 2's structure module in small, the comparison beside AlphaFold 3: frames and torsions.

`frames.py` holds rigid motions and torsion angles, `structure_module.py` the network that moves one frame
per residue (Jumper et al. 2021, supplement 1.8), `folding.py` the generator that asks it block by block.
It reads the trunk of :mod:`models.alphafold3`, which never looks back here.
"""
