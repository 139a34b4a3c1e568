import torch

from models.dalle2.unet import ChannelNorm, UNet, fourier


def small(**changes) -> UNet:
    torch.manual_seed(0)
    options = {"widths": (16, 32), "blocks": 1, "condition": 8, "context": 8, "attention": (1,)}
    net = UNet(3, 3, **{**options, **changes}).eval()
    for p in net.parameters():  # the last layers start at zero, which would hide everything
        torch.nn.init.normal_(p, std=0.2)
    return net


def inputs(rows: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(1)
    return tuple(torch.randn(rows, *s, generator=g) for s in ((3, 8, 8), (8,), (2, 8)))  # type: ignore[return-value]


def answer(net: UNet, x, condition, context, layout=None) -> torch.Tensor:
    return net(x, condition, net.keys(context), layout)


def test_a_fresh_network_answers_zero() -> None:
    net = UNet(3, 3, (16, 32), 1, 8, 8, (1,))
    assert answer(net, *inputs(2)).abs().max() == 0 or net.out.bias.abs().max() > 0
    assert net.out.weight.abs().max() == 0


def test_rows_do_not_see_each_other() -> None:
    net = small()
    x, c, t = inputs(3)
    with torch.inference_mode():
        together = answer(net, x, c, t)
        alone = answer(net, x[1:2], c[1:2], t[1:2])
    assert together.shape == x.shape
    assert torch.allclose(together[1:2], alone, rtol=1e-3, atol=1e-3 * float(alone.abs().max()))


def test_condition_context_and_layout_all_matter() -> None:
    net = small()
    x, c, t = inputs(2)
    layout = torch.randn(2, 32, 4, 4)
    with torch.inference_mode():
        base = answer(net, x, c, t, layout)
        for other in ((x, -c, t, layout), (x, c, -t, layout), (x, c, t, -layout)):
            changed = answer(net, *other)
            assert not torch.allclose(base, changed, rtol=1e-2)


def test_channel_norm_normalises_each_position() -> None:
    x = 5 + 3 * torch.randn(2, 64, 4, 4)
    y = ChannelNorm(64)(x)
    assert y.mean(1).abs().max() < 1e-4
    assert (y.var(1, unbiased=False) - 1).abs().max() < 1e-2


def test_fourier_features_tell_levels_apart() -> None:
    f = fourier(torch.tensor([-1.0, -0.99, 1.0]), 64)
    assert f.shape == (3, 64) and f.abs().max() <= 1
    assert (f[0] - f[1]).norm() > 0.1 and (f[0] - f[2]).norm() > 0.1
