"""DALL·E 1 in small, the comparison beside DALL·E 2: pictures as tokens, drawn one after the other.

`tokenizer.py` turns a picture into 8x8 codes and back, `transformer.py` predicts the next code from the
caption and the codes so far, `drawing.py` is the generator that draws with it (Ramesh et al. 2021).
"""
