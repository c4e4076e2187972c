import math

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from findcli.errors import FindCLIError
from findcli.models.weights import select_device
from findcli.training.loop import CHECKPOINT, collapse_warning, fit, mixed_precision, set_determinism, step_seed

SETTINGS = {
    "steps": 30, "lr": 1e-2, "weight_decay": 0.01, "warmup": 0.1, "clip": 1.0, "seed": 3, "checkpoint_every": 7,
}  # fmt: skip


class InterruptedTrainingError(Exception):
    pass


class Model(nn.Module):
    """A frozen part, a trained part with dropout and a weight that never gets a gradient."""

    def __init__(self):
        super().__init__()
        self.frozen = nn.Linear(4, 8).requires_grad_(False)
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(8, 1))
        self.idle = nn.Parameter(torch.ones(3))

    def forward(self, inputs):
        return self.head(self.frozen(inputs).relu()).squeeze(1)


def task():
    """A fresh model, its loss with randomness of its own, and a validation that at some point only gets worse."""
    torch.manual_seed(0)
    modules = {"model": Model(), "free": nn.ParameterDict({"bias": nn.Parameter(torch.zeros(()))})}
    inputs = torch.randn(64, 4)
    truth = 3 * modules["model"].frozen(inputs).relu().sum(1)

    def loss(_step):
        batch = torch.randint(64, (16,))
        error = modules["model"](inputs[batch]) + modules["free"]["bias"] - truth[batch]
        return {"square": error.square().mean(), "size": 0.01 * modules["free"]["bias"] ** 2}

    def validate():
        return abs(modules["model"].head[1].weight.detach().norm().item() - 0.8)

    return modules, loss, validate


def trained_bytes(modules):
    weights = nn.ModuleDict(modules).state_dict()
    return {name: weight.numpy().tobytes() for name, weight in weights.items()}


def stop_at(step):
    def progress(done, _total, _metrics):
        if done == step:
            raise InterruptedTrainingError

    return progress


def test_it_learns_and_tells_what_it_went_through():
    modules, loss, _ = task()
    told = []
    options = SETTINGS | {"steps": 80, "lr": 0.1}
    history = fit(loss, modules, **options, progress=lambda *step: told.append(step))
    table = history.table()
    assert table.columns == ["step", "square", "size", "loss", "grad_norm", "lr"]
    assert table["step"].to_list() == list(range(1, 81))
    summary = history.summary()
    assert summary.keys() == {"steps", "loss_first", "loss_last"}
    assert summary["loss_first"] == pytest.approx(table["loss"][:8].mean())
    assert summary["loss_first"] > 2 * summary["loss_last"]
    assert told[-1] == (80, 80, history.rows[-1])
    assert not modules["model"].training


def test_learning_rate_warms_up_then_falls():
    modules, loss, _ = task()
    rates = fit(loss, modules, **SETTINGS).table()["lr"].to_list()
    assert rates[:4] == pytest.approx([1e-2 / 3, 2e-2 / 3, 1e-2, 1e-2])
    assert rates[3:] == sorted(rates[3:], reverse=True)
    assert 0 < rates[-1] < 1e-4


def test_frozen_stays_frozen_and_is_not_in_the_checkpoint(tmp_path):
    modules, loss, _ = task()
    before = trained_bytes(modules)
    fit(loss, modules, **SETTINGS, checkpoint_dir=tmp_path)
    after = trained_bytes(modules)
    assert {name for name in before if before[name] == after[name]} == {
        "model.frozen.weight", "model.frozen.bias", "model.idle",
    }  # fmt: skip
    assert b"frozen" not in (tmp_path / CHECKPOINT).read_bytes()


def test_same_seed_same_bytes_another_seed_others():
    results = []
    for seed in (3, 3, 4):
        modules, loss, _ = task()
        torch.manual_seed(len(results))
        fit(loss, modules, **SETTINGS | {"seed": seed})
        results.append(trained_bytes(modules))
    assert results[0] == results[1] != results[2]


@pytest.mark.parametrize("at", [3, 7, 17, 26, 30])
@pytest.mark.parametrize("validated", [False, True])
def test_an_interrupted_training_ends_in_the_same_bytes(tmp_path, at, validated):
    modules, loss, validate = task()
    options = SETTINGS | ({"validate": validate, "validate_every": 2, "patience": 5} if validated else {})
    whole = fit(loss, modules, **options)
    expected = trained_bytes(modules)

    modules, loss, validate = task()
    options |= {"validate": validate} if validated else {}
    at = min(at, len(whole.rows))
    with pytest.raises(InterruptedTrainingError):
        fit(loss, modules, **options, checkpoint_dir=tmp_path, progress=stop_at(at))
    modules, loss, validate = task()
    options |= {"validate": validate} if validated else {}
    steps = []
    history = fit(loss, modules, **options, checkpoint_dir=tmp_path, progress=lambda *told: steps.append(told[0]))
    assert trained_bytes(modules) == expected
    assert history == whole
    assert steps[0] == at // 7 * 7 + 1 if steps else at == len(whole.rows)


def test_early_stop_puts_the_best_weights_back():
    modules, loss, _ = task()
    seen = []

    def validate():
        assert not modules["model"].training
        seen.append(trained_bytes(modules))
        return [5.0, 3.0, 4.0, float("nan"), 3.0][len(seen) - 1]

    history = fit(loss, modules, **SETTINGS, validate=validate, validate_every=2, patience=3)
    assert (history.best, history.best_step, len(history.rows)) == (3.0, 4, 10)
    assert (history.summary()["validation_best"], history.summary()["best_step"]) == (3.0, 4)
    assert trained_bytes(modules) == seen[1]
    validations = history.table()["validation"]
    assert validations.null_count() == 5
    assert validations[1] == 5.0


def test_the_last_step_is_validated():
    modules, loss, validate = task()
    history = fit(loss, modules, **SETTINGS | {"steps": 5}, validate=validate, validate_every=3)
    assert ["validation" in row for row in history.rows] == [False, False, True, False, True]


def test_a_module_may_have_its_own_learning_rate():
    modules, loss, _ = task()
    before = trained_bytes(modules)
    fit(loss, modules, **SETTINGS, module_lrs={"model": 0.0})
    after = trained_bytes(modules)
    assert {name for name in before if before[name] != after[name]} == {"free.bias"}


def test_no_steps_change_nothing():
    modules, loss, _ = task()
    before = trained_bytes(modules)
    assert fit(loss, modules, **SETTINGS | {"steps": 0}).rows == []
    assert trained_bytes(modules) == before


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_a_loss_that_is_not_finite_is_told_before_it_does_harm(value):
    modules, loss, _ = task()

    def broken(step):
        return {name: term * (value if step == 2 else 1) for name, term in loss(step).items()}

    with pytest.raises(FindCLIError, match="at step 3 the loss is") as error:
        fit(broken, modules, **SETTINGS)
    assert "lr" in error.value.hint
    assert all(weight.isfinite().all() for weight in modules["model"].parameters())


@pytest.mark.parametrize("spoil", ["torn", "empty", "other weights", "other moments", "another history"])
def test_a_checkpoint_that_cannot_be_used_is_set_aside_and_training_starts_anew(tmp_path, spoil):
    modules, loss, _ = task()
    fit(loss, modules, **SETTINGS)
    wanted = trained_bytes(modules)
    other = {"model": nn.Linear(2, 1)}
    fit(lambda _: {"loss": other["model"](torch.ones(1, 2)).sum() ** 2}, other, **SETTINGS, checkpoint_dir=tmp_path)
    if spoil in ("other moments", "another history"):
        mine, loss, _ = task()
        fit(loss, mine, **SETTINGS | {"steps": 9}, checkpoint_dir=tmp_path)
        with safe_open(tmp_path / CHECKPOINT, framework="pt") as file:
            history, kept = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if spoil == "other moments":
            kept = {name.replace("optimizer/", "optimizer/x"): tensor for name, tensor in kept.items()}
        else:
            history = {"history": '{"unheard": "of"}'}
        save_file(kept, tmp_path / CHECKPOINT, metadata=history)
    elif spoil != "other weights":
        content = (tmp_path / CHECKPOINT).read_bytes()
        (tmp_path / CHECKPOINT).write_bytes(content[: len(content) // 2] if spoil == "torn" else b"")
    modules, loss, _ = task()
    fit(loss, modules, **SETTINGS, checkpoint_dir=tmp_path)
    assert trained_bytes(modules) == wanted
    assert (tmp_path / CHECKPOINT).with_suffix(".unreadable").is_file()


def test_an_interrupted_write_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    modules, loss, _ = task()
    fit(loss, modules, **SETTINGS, checkpoint_dir=tmp_path)
    before = (tmp_path / CHECKPOINT).read_bytes()

    def torn(_tensors, path, **_options):
        path.write_bytes(b"torn")
        raise OSError("disk full")

    monkeypatch.setattr("findcli.training.checkpoints.save_file", torn)
    with pytest.raises(OSError, match="disk full"):
        fit(loss, modules, **SETTINGS | {"steps": 60}, checkpoint_dir=tmp_path)
    assert (tmp_path / CHECKPOINT).read_bytes() == before


def test_lora_adapters_train_and_resume(tmp_path):
    peft = pytest.importorskip("peft")

    def wrapped():
        torch.manual_seed(0)
        base = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
        tower = peft.get_peft_model(base, peft.LoraConfig(r=2, target_modules=["0", "2"]))
        return {"tower": tower}, lambda _: {"loss": (tower(torch.randn(8, 4)) - 1).square().mean()}

    results = []
    for stops in ((), (9,)):
        for stop in stops:
            modules, loss = wrapped()
            with pytest.raises(InterruptedTrainingError):
                fit(loss, modules, **SETTINGS, checkpoint_dir=tmp_path, progress=stop_at(stop))
        modules, loss = wrapped()
        before = trained_bytes(modules)
        fit(loss, modules, **SETTINGS, checkpoint_dir=tmp_path if stops else None)
        results.append(trained_bytes(modules))
    assert results[0] == results[1]
    assert all("lora" in name for name in before if before[name] != results[0][name])


@pytest.fixture
def determinism():
    threads = torch.get_num_threads()
    yield set_determinism
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


def test_training_runs_under_determinism(determinism):
    determinism(1)
    assert torch.get_num_threads() == 1
    assert torch.are_deterministic_algorithms_enabled()
    modules, loss, _ = task()
    assert len(fit(loss, modules, **SETTINGS).rows) == 30


def test_step_seeds_differ_and_suit_torch():
    assert len({step_seed(seed, step) for seed in range(20) for step in range(200)}) == 4000
    torch.Generator().manual_seed(step_seed(2**40, 10**9))


def test_devices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert select_device("auto") == select_device("cpu") == torch.device("cpu")
    for name in ("cuda", "mps", "gpu"):
        with pytest.raises(FindCLIError, match=f"{name!r} is not available"):
            select_device(name)


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [({}, torch.float32), ({"amx_bf16": True}, torch.bfloat16), ({"avx512_bf16": True}, torch.bfloat16)],
)
def test_mixed_precision_follows_the_hardware(monkeypatch, capabilities, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    ones = torch.ones(2, 2)
    with mixed_precision("cpu"):
        assert (ones @ ones).dtype == expected


def test_collapse_is_told():
    torch.manual_seed(0)
    spread = torch.randn(50, 8)
    assert collapse_warning(spread) is None
    assert collapse_warning(spread[:2]) is None
    assert "collapsed" in (collapse_warning(torch.ones(50, 8) + 1e-3 * spread) or "")
    assert "directions" in (collapse_warning(spread[:, :1] * torch.ones(8)) or "")
