"""The one loop of every training stage: optimiser, schedule, validation, checkpoints, history."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path

import polars as pl
import torch
from torch import Tensor, nn
from torch.nn import functional

from findcli.errors import FindCLIError
from findcli.progress import Progress
from findcli.training.checkpoints import load_checkpoint, save_checkpoint
from findcli.training.losses import effective_rank

CHECKPOINT = "checkpoint.safetensors"


@dataclass(kw_only=True)
class History:
    """The record of a training.

    Attributes:
        rows: one per step, with `step` from 1, each loss term by name, `loss`, `grad_norm`, `lr` and, if measured,
            `validation`.
        best: lowest validation so far.
        best_step: the step after which it was measured.
        waited: validations since then.
    """

    rows: list[dict[str, float]] = field(default_factory=list)
    best: float = math.inf
    best_step: int | None = None
    waited: int = 0

    def table(self) -> pl.DataFrame:
        """The rows as a table, null if not measured."""
        return pl.DataFrame(self.rows, infer_schema_length=None)

    def summary(self) -> dict[str, float]:
        """The number of steps, the mean loss over the first and last tenth of them, and the best validation."""
        losses = [row["loss"] for row in self.rows]
        tenth = max(1, len(losses) // 10)
        figures = {"steps": float(len(losses))}
        if losses:
            figures |= {"loss_first": sum(losses[:tenth]) / tenth, "loss_last": sum(losses[-tenth:]) / tenth}
        if self.best_step:
            figures |= {"validation_best": self.best, "best_step": float(self.best_step)}
        return figures


def fit(
    loss: Callable[[int], dict[str, Tensor]],
    modules: Mapping[str, nn.Module],
    *,
    steps: int,
    lr: float,
    weight_decay: float,
    warmup: float,
    clip: float,
    seed: int,
    module_lrs: Mapping[str, float] | None = None,
    validate: Callable[[], float] | None = None,
    validate_every: int = 50,
    patience: int = 4,
    checkpoint_dir: Path | None = None,
    checkpoint_every: int = 100,
    after_backward: Callable[[int], dict[str, float]] | None = None,
    state: Mapping[str, Tensor] | None = None,
    progress: Progress | None = None,
) -> History:
    """Train every parameter of `modules` that requires a gradient, in place; leave the modules in eval mode.

    Each step resets the random state from the seed and the step's number, so an interrupted training resumes from its
    checkpoint and ends in the same bytes as an uninterrupted one.

    Args:
        loss: maps a step, from 0, to the weighted terms that add up to the loss, each ().
        modules: the modules to train, by name; their buffers must stay constant, but for those in `state`.
        steps: optimiser steps at most.
        lr: peak learning rate of AdamW; it rises linearly over the warm-up, then falls to zero as a cosine.
        weight_decay: decay of matrices; biases and scales have none.
        warmup: share of the steps that warm up, in [0, 1].
        clip: upper bound of the gradient's norm.
        seed: seed of the steps.
        module_lrs: peak learning rates of modules, by name, that differ from `lr`.
        validate: measures the modules, lower is better; the best weights are restored at the end.
        validate_every: steps between validations; the last step is validated too.
        patience: validations without progress before training stops.
        checkpoint_dir: folder of the checkpoint to resume from; for one set of settings and inputs only. A
            checkpoint that cannot be read is set aside as `.unreadable`.
        checkpoint_every: steps between checkpoints.
        after_backward: called with the step once gradients are there, before they are clipped; what it returns joins
            the history.
        state: tensors by name that it changes in place; checkpoints carry them.
        progress: called after every step.

    Raises:
        FindCLIError: the loss or its gradient is not finite.
    """
    root = nn.ModuleDict(dict(modules))
    weights = {name: weight for name, weight in root.named_parameters() if weight.requires_grad}
    optimizer = _optimizer(weights, lr=lr, module_lrs=module_lrs or {}, weight_decay=weight_decay)
    checkpoint = checkpoint_dir / CHECKPOINT if checkpoint_dir else None
    carried = weights | {f"state/{name}": tensor for name, tensor in (state or {}).items()}
    history, best = _resume(checkpoint, carried, optimizer)
    root.train()
    while (step := len(history.rows)) < steps and history.waited < patience:
        done = step + 1
        torch.manual_seed(step_seed(seed, step))
        factor = _schedule(step, steps=steps, warmup=warmup)
        figures = _step(loss, step, weights, optimizer, clip=clip, factor=factor, after_backward=after_backward)
        row = {"step": done, **figures, "lr": lr * factor}
        history.rows.append(row)
        if validate and (done % validate_every == 0 or done == steps):
            row["validation"] = _measure(validate, root)
            best = _keep_best(history, weights, best)
        if checkpoint and done % checkpoint_every == 0:
            save_checkpoint(checkpoint, weights=carried, best=best, optimizer=optimizer, history=asdict(history))
        if progress:
            progress(done, steps, row)
    for name, weight in best.items():
        weights[name].data.copy_(weight)
    root.eval()
    return history


def _optimizer(
    weights: Mapping[str, nn.Parameter], *, lr: float, module_lrs: Mapping[str, float], weight_decay: float
) -> torch.optim.AdamW:
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, weight in weights.items():
        peak = module_lrs.get(name.split(".")[0], lr)
        groups.setdefault((peak, weight_decay if weight.ndim > 1 else 0.0), []).append(weight)
    return torch.optim.AdamW(
        [{"params": params, "peak": peak, "weight_decay": decay} for (peak, decay), params in groups.items()],
        lr=lr,
        fused=True,
    )


def _resume(
    checkpoint: Path | None, weights: Mapping[str, Tensor], optimizer: torch.optim.Optimizer
) -> tuple[History, dict[str, Tensor]]:
    if checkpoint is None or not checkpoint.exists():
        return History(), {}
    before = {name: weight.detach().clone() for name, weight in weights.items()}
    try:
        history, best = load_checkpoint(checkpoint, weights=weights, optimizer=optimizer)
        return History(**history), best
    except Exception:  # noqa: BLE001, torn, of other weights or foreign: a checkpoint is read or it is not
        checkpoint.replace(checkpoint.with_suffix(".unreadable"))
        optimizer.state.clear()
        for name, weight in weights.items():  # part of it may have been read
            weight.data.copy_(before[name])
        return History(), {}


def _schedule(step: int, *, steps: int, warmup: float) -> float:
    """Factor of the peak learning rate at a step: linear warm-up, then a cosine to zero."""
    rising = round(warmup * steps)
    if step < rising:
        return (step + 1) / rising
    return (1 + math.cos(math.pi * (step - rising) / (steps - rising))) / 2


def _step(
    loss: Callable[[int], dict[str, Tensor]],
    step: int,
    weights: Mapping[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    *,
    clip: float,
    factor: float,
    after_backward: Callable[[int], dict[str, float]] | None,
) -> dict[str, float]:
    optimizer.zero_grad()
    terms = loss(step)
    total = torch.stack(list(terms.values())).sum()
    total.backward()  # type: ignore[no-untyped-call]
    observed = after_backward(step) if after_backward else {}
    norm = nn.utils.clip_grad_norm_(weights.values(), clip)
    if not torch.isfinite(total + norm):
        raise FindCLIError(
            f"at step {step + 1} the loss is {total.item()} and its gradient's norm {norm.item()}",
            hint="lower the stage's lr in findcli.toml, or look for extreme values with: findcli check",
        )
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor
    optimizer.step()
    losses = {name: term.item() for name, term in terms.items()}
    return {**losses, "loss": total.item(), "grad_norm": norm.item(), **observed}


def _measure(validate: Callable[[], float], root: nn.Module) -> float:
    root.eval()
    with torch.no_grad():
        value = validate()
    root.train()
    return value


def _keep_best(history: History, weights: Mapping[str, nn.Parameter], best: dict[str, Tensor]) -> dict[str, Tensor]:
    value = history.rows[-1]["validation"]
    if value < history.best:
        history.best, history.best_step, history.waited = value, len(history.rows), 0
        return {name: weight.detach().clone() for name, weight in weights.items()}
    history.waited += 1
    return best


def step_seed(seed: int, step: int) -> int:
    """Derive the seed of one step, for `torch.manual_seed` and for the loss's generators."""
    return int.from_bytes(blake2b(f"{seed}:{step}".encode(), digest_size=7).digest())


def mixed_precision(device: torch.device | str) -> torch.autocast:
    """Run forward passes in bfloat16 if the hardware multiplies it; compute losses outside of this context."""
    device = torch.device(device)
    features = torch.cpu.get_capabilities()
    supported = {
        "cuda": device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False),
        "cpu": bool(features.get("amx_bf16") or features.get("avx512_bf16")),
    }
    return torch.autocast(device.type, torch.bfloat16, enabled=supported.get(device.type, False))


def set_determinism(threads: int | None = None) -> None:
    """Make the same seed and thread count give the same bytes on a CPU; elsewhere torch warns if it cannot.

    Args:
        threads: torch's threads; when None, one per core.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    # As `use_deterministic_algorithms(True, warn_only=True)`, which also imports torch's compiler: a second.
    torch.set_deterministic_debug_mode("warn")
    # Filling guards against reads of uninitialised memory; it costs time and changes no result.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def collapse_warning(vectors: Tensor) -> str | None:
    """A warning if all vectors (N, D) point the same way or along one line, so that they cannot rank; else None."""
    unit = functional.normalize(vectors.float(), dim=-1)
    spread = float(1 - unit.mean(0).square().sum())
    rank = effective_rank(unit)
    if spread >= 0.01 and rank >= min(2, len(vectors) - 1):
        return None
    return (
        f"the vectors of {len(vectors)} users have collapsed: mean cosine distance {spread:.4f}, "
        f"{rank:.1f} effective directions of {vectors.shape[1]}; train longer, with more users or a lower `lr`"
    )
