"""Training of decoder and prior, both on the bank."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.compact import load_compact
from models.dalle2 import bank, decoder, prior
from models.dalle2.stage import Options, autocast, fit_stage, warm_start
from models.dalle2.unet import channels_last
from models.diffusion.precond import Precond
from models.diffusion.training import TrainConfig, denoising_loss


def _rows(count: int, size: int) -> Iterator[np.ndarray]:
    """Endless shuffled passes over range(count) in batches. The shared loop reseeds torch when it
    resumes, before the first batch is drawn, so a resumed run does not repeat its first batches."""
    rng = np.random.default_rng(torch.initial_seed())
    while True:
        order = rng.permutation(count)
        for start in range(0, count - size + 1, size):
            yield np.sort(order[start : start + size])


def _sketch_path(options: Options) -> Path:
    return options.out / "sketch" / "sketch.safetensors"


def _decoder_config(stock: bank.Bank) -> decoder.DecoderConfig:
    sample = bank.shrink(stock.pictures(np.arange(0, len(stock.images), 40)), 16)
    return decoder.DecoderConfig(
        sigma_data=round(bank.measured_sigma(sample), 4), states=stock.states.shape[-1]
    )


def train_sketch(options: Options) -> None:
    """The decoder's perceptron alone: mean picture of an embedding, squared error."""
    device, stock = options.device, bank.load_bank(options.images)
    config = _decoder_config(stock)
    net = decoder.Sketch(config.embed, config.sketch, config.size).to(device)
    targets = torch.cat(
        [
            bank.shrink(stock.pictures(np.arange(i, min(i + 1000, len(stock.images)))), config.size)
            for i in range(0, len(stock.images), 1000)
        ]
    )

    def loss_fn(rows: np.ndarray) -> dict[str, Tensor]:
        index = torch.from_numpy(rows)
        embed = stock.image_embed[index].float().to(device)
        noisy = decoder.drop(decoder.condition(embed, embed))["image_embed"]
        with autocast(options):
            guess = net(noisy * config.embed**0.5)
        return {"loss": (guess.float() - targets[index].to(device)).square().mean()}

    train = TrainConfig(
        lr=1e-3, max_seconds=options.seconds, ema=0.998, decay_from=0.3, seed=options.seed
    )
    fit_stage(
        "sketch",
        options,
        train,
        net,
        loss_fn,
        _rows(len(stock.images), 512),
        _sketch_path(options),
        config,
    )


def train_decoder(options: Options) -> None:
    """The 16x16 base on the bank's pictures, image embedding and text embedding dropped at random.

    Its perceptron starts as `train_sketch` left it, unless a warm start brings one along.
    """
    device, stock = options.device, bank.load_bank(options.images)
    config = _decoder_config(stock)
    network = decoder.DecoderNetwork(config)
    net = Precond(network, config.sigma_data)
    kept = warm_start(options, net, decoder.CHECKPOINT)
    if "network.sketch.layers.0.weight" not in kept and _sketch_path(options).exists():
        network.sketch.load_state_dict(load_compact(_sketch_path(options))[0])
    net = channels_last(net).to(device)

    def loss_fn(rows: np.ndarray) -> dict[str, Tensor]:
        target = bank.shrink(stock.pictures(rows), config.size).to(device)
        index = torch.from_numpy(rows)
        words = stock.caption[index]
        embed, mirrored = (
            e[index].float().to(device) for e in (stock.image_embed, stock.mirror_embed)
        )
        cond = decoder.drop(
            decoder.condition(
                embed,
                stock.text_embed[words].float().to(device),
                states=stock.states[words].float().to(device),
            )
        )
        # The prior guesses left and right. So that the caption's words decide, half of the embeddings
        # that come with words are those of the mirrored picture.
        told = cond["has_text"] & (cond["states"].abs().sum((1, 2)) > 0)
        turned = told & (torch.rand(len(rows), device=device) < 0.5)
        cond["image_embed"] = cond["image_embed"] + turned[:, None] * (mirrored - embed)
        sigma = decoder.TRAINED.draw(len(rows), device)
        with autocast(options):
            noisy = target + sigma.view(-1, 1, 1, 1) * torch.randn_like(target)
            denoised = net(noisy, sigma, **cond)
        return {"loss": denoising_loss(denoised, target, sigma, config.sigma_data).mean()}

    train = TrainConfig(
        lr=1e-3,
        max_seconds=options.seconds,
        ema=0.9985,
        decay_from=0.1 if options.warm else 0.5,
        seed=options.seed,
    )
    fit_stage(
        "decoder",
        options,
        train,
        net,
        loss_fn,
        _rows(len(stock.images), 96),
        options.place(decoder.CHECKPOINT),
        config,
    )


def train_prior(options: Options) -> None:
    """Image embeddings from captions; token states and text embedding are dropped together."""
    device, stock = options.device, bank.load_bank(options.images)
    scaled = stock.image_embed.float() * stock.image_embed.shape[1] ** 0.5
    config = prior.PriorConfig(
        sigma_data=round(float((scaled - scaled.mean(0)).std()), 4), states=stock.states.shape[-1]
    )
    net = Precond(prior.PriorNetwork(config), config.sigma_data)
    warm_start(options, net, prior.CHECKPOINT)
    net = net.to(device)

    def loss_fn(rows: np.ndarray) -> dict[str, Tensor]:
        index = torch.from_numpy(rows)
        target, words = scaled[index].to(device), stock.caption[index]
        states = stock.states[words].float().to(device)
        sigma = prior.TRAINED.draw(len(rows), device)
        with autocast(options):
            denoised = net(
                target + sigma[:, None] * torch.randn_like(target),
                sigma,
                text_embed=stock.text_embed[words].float().to(device),
                states=states,
                mask=states.abs().sum(-1) > 0,
                has_text=torch.rand(len(rows), device=device) >= prior.TEXT_DROP,
            )
        return {"loss": denoising_loss(denoised, target, sigma, config.sigma_data).mean()}

    train = TrainConfig(
        lr=1e-3, max_seconds=options.seconds, ema=0.998, decay_from=0.3, seed=options.seed
    )
    fit_stage(
        "prior",
        options,
        train,
        net,
        loss_fn,
        _rows(len(stock.images), 512),
        options.place(prior.CHECKPOINT),
        config,
    )
