"""The diffusion module over packed rows: what a server computes, by the parts that training has trained."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.alphafold3.diffusion_module import DiffusionModule
from models.alphafold3.layout import WIDTHS, Layout
from models.diffusion.precond import Precond, scalings
from models.inference import PreparedLinear


def matrix(weight: Tensor, dtype: torch.dtype) -> PreparedLinear:
    """(out, in) without a bias, ready to be multiplied by."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight = nn.Parameter(weight.detach().contiguous(), requires_grad=False)
    return PreparedLinear(layer, dtype)


class PackedModule(nn.Module):
    """F of EDM's preconditioning, as :class:`DiffusionModule`, for packed atoms (A, 3)."""

    def __init__(self, module: DiffusionModule, dtype: torch.dtype) -> None:
        super().__init__()
        self.module = module
        atom = module.config.atom
        into, out_of = module.to_token.weight, module.to_atoms.weight
        self.into = nn.ModuleList(matrix(into[:, : w * atom], dtype) for w in WIDTHS)
        self.out_of = nn.ModuleList(matrix(out_of[: w * atom], dtype) for w in WIDTHS)

    def forward(
        self, x: Tensor, c_noise: Tensor, layout: Layout, noise: Tensor, scale: Tensor
    ) -> Tensor:
        """x: (A, 3), c_noise, scale (A per unit of x): (A,); noise: c_noise by row, (rows,)."""
        module = self.module
        level, lengths = c_noise.unsqueeze(-1), scale.unsqueeze(-1)
        dtype = layout.token_input.dtype
        shown = module.encode(x, layout.around, layout.types, level, lengths, dtype)
        tokens = layout.token_input + self._read(layout, shown.atoms).index_select(
            0, layout.by_width
        )
        spread = tokens.new_zeros(layout.padded, tokens.shape[-1])
        spread.index_copy_(0, layout.spot, tokens)
        by_row = module.noise(noise, layout.styles)
        answers, start, row = [], 0, 0
        for group, bias in zip(layout.groups, layout.biases, strict=True):
            shape = group.last - group.first, group.copies
            rows = shape[0] * shape[1]
            inner = spread[start : start + group.cells].unflatten(0, (*shape, group.size))
            levels = by_row[row : row + rows].unflatten(0, shape)
            answers.append(module.transform(inner, levels, bias).flatten(0, 2))
            start, row = start + group.cells, row + rows
        tokens = torch.cat(answers).index_select(0, layout.spot)
        return module.decode(shown, self._write(layout, module.norm(tokens)))

    def _read(self, layout: Layout, atoms: Tensor) -> Tensor:
        """(A, atom) -> what the atoms tell their tokens, by width"""
        cells = atoms.new_zeros(layout.cells, atoms.shape[-1])
        known = slice(0, layout.atoms)
        cells.index_copy_(0, layout.cell[known], torch.relu(atoms[known]))
        out, start = [], 0
        for k, tokens in layout.parts:
            stop = start + tokens * WIDTHS[k]
            per_token = cells[start:stop].view(tokens, -1)
            out.append(self.into[k](per_token))
            start = stop
        return torch.cat(out)

    def _write(self, layout: Layout, tokens: Tensor) -> Tensor:
        """(T, token) -> (A, atom)"""
        by_width = tokens.new_zeros(sum(n for _, n in layout.parts), tokens.shape[-1])
        by_width.index_copy_(0, layout.by_width, tokens)
        out, start = [], 0
        for k, count in layout.parts:
            part = by_width[start : start + count]
            out.append(self.out_of[k](part).view(-1, self.module.config.atom))
            start += count
        return torch.cat(out).index_select(0, layout.cell)


class PackedDenoiser:
    """The preconditioned module over packed rows."""

    def __init__(self, denoiser: Precond, dtype: torch.dtype) -> None:
        module = denoiser.network
        assert isinstance(module, DiffusionModule)
        self.module = module
        self.denoiser = Precond(PackedModule(module, dtype), denoiser.sigma_data)

    def denoise(self, x: Tensor, sigma: Tensor, layout: Layout, sigma_data: Tensor) -> Tensor:
        """x: (space, 3) A, sigma, sigma_data: by row, A -> denoised (space, 3) A"""
        scale = (sigma**2 + sigma_data**2).sqrt()
        level = scalings(sigma, sigma_data).c_noise
        each, own, units = torch.stack([sigma, sigma_data, scale])[:, layout.row]
        return self.denoiser(x, each, layout, level, sigma_data=own, scale=units)
