"""Loading models: what is refused and why, that no stranger's code runs, and that a conversion happened or did not."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reasonry.core import atomic, models, optional
from reasonry.core.models import (
    PACKAGED,
    ModelConfig,
    check_config,
    device,
    find_causal_lm,
    gguf,
    load_causal_lm,
    local_folder,
)
from reasonry.errors import (
    ConfigError,
    DataError,
    MissingDependencyError,
    ReasonryError,
    ResourceError,
    UnsafeArtifactError,
)

FLOAT32 = ModelConfig(dtype="float32", device="cpu")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model to damage."""
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def refused(name: str | Path, kind: type[ReasonryError], match: str, options: ModelConfig = FLOAT32) -> ReasonryError:
    """The error of a load; one paragraph, whatever libraries wrote into it."""
    with pytest.raises(kind, match=match) as caught:
        load_causal_lm(str(name), options)
    assert "\n" not in str(caught.value)
    return caught.value


# ---------------------------------------------------------------- code in disguise


def plant(folder: Path) -> Path:
    """Python files in the model folder that leave a canary when they are imported; returns where it would sit."""
    canary = folder.parent / "canary"
    code = f"""
        open({str(canary)!r}, "w").close()
        from transformers import LlamaConfig as EvilConfig, LlamaForCausalLM as EvilModel
        from transformers import PreTrainedTokenizerFast as EvilTokenizer
    """
    (folder / "evil.py").write_text(textwrap.dedent(code))
    return canary


TOKENIZER_MAP = {"AutoTokenizer": ["evil.EvilTokenizer", None]}
AUTO_MAP = {"AutoConfig": "evil.EvilConfig", "AutoModelForCausalLM": "evil.EvilModel"}
SMUGGLED: dict[str, tuple[str, dict[str, Any]]] = {
    "auto_map": ("config.json", {"auto_map": AUTO_MAP, "model_type": "evil"}),
    "auto_map of the tokenizer": ("tokenizer_config.json", {"auto_map": TOKENIZER_MAP}),
    "nested trust_remote_code": ("config.json", {"text_config": {"sub": [{"trust_remote_code": True}]}}),
    "trust_remote_code of the generation": ("generation_config.json", {"trust_remote_code": True}),
    "_attn_implementation_internal": ("config.json", {"_attn_implementation_internal": "evil/kernel"}),
    "_attn_implementation": ("config.json", {"_attn_implementation": "evil/kernel"}),
    "attn_implementation": ("config.json", {"attn_implementation": "evil/kernel:attention"}),
    "attention per sub-model": ("config.json", {"attn_implementation": {"": "eager", "text_config": "evil/kernel"}}),
    "experts_implementation": ("config.json", {"experts_implementation": "evil/kernel"}),
    "custom_pipelines": ("config.json", {"custom_pipelines": {"x": {"impl": "evil.EvilModel"}}}),
}


@pytest.mark.parametrize("trick", SMUGGLED)
def test_a_config_that_would_run_code_is_refused_before_anything_runs(folder: Path, trick: str) -> None:
    canary = plant(folder)
    file, changes = SMUGGLED[trick]
    edit(folder / file, **changes)
    error = refused(folder, UnsafeArtifactError, "runs code from the model's repository")
    assert error.exit_code == 4 and error.place == str(folder / file)
    assert any(key in error.problem for key in ("auto_map", "trust_remote_code", "implementation", "custom_pipelines"))
    assert not canary.exists()


def test_the_canary_sings_when_code_is_trusted(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The test above can fail: the same folder does run its code once its user opts in."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", [*sys.path])
    canary = plant(folder)
    edit(folder / "config.json", auto_map={"AutoModelForCausalLM": "evil.EvilModel"}, model_type="llama")
    from transformers import LlamaForCausalLM

    # Loading repository code marks the class it names, for the rest of the process; the mark goes with this test.
    monkeypatch.setattr(LlamaForCausalLM, "_auto_class", None)
    load_causal_lm(str(folder), FLOAT32.with_(trust_remote_code=True, revision=COMMIT))
    assert canary.exists()


@pytest.mark.parametrize("revision", ["", "main", "v1.0", COMMIT[:-1], COMMIT.upper(), COMMIT + "\n"])
def test_trust_needs_a_pinned_commit(folder: Path, revision: str) -> None:
    canary = plant(folder)
    edit(folder / "config.json", auto_map=AUTO_MAP)
    options = FLOAT32.with_(trust_remote_code=True, revision=revision)
    error = refused(folder, UnsafeArtifactError, "trust_remote_code with revision", options)
    assert "40 hex digits" in error.remedy and error.exit_code == 4
    assert not canary.exists()


@pytest.mark.parametrize("key", ["trust_remote_code", "_attn_implementation"])
def test_trust_in_a_commit_does_not_cover_code_from_elsewhere(key: str) -> None:
    with pytest.raises(UnsafeArtifactError):
        check_config({"text_config": {key: "evil/kernel"}}, place="x", trust=True)


def test_ordinary_configs_pass_the_check() -> None:
    check_config({"_attn_implementation": "sdpa", "auto_map": {}, "trust_remote_code": False}, place="x")
    check_config({"auto_map": AUTO_MAP}, place="x", trust=True)
    check_config({"_name_or_path": "owner/name", "architectures": ["a/b"]}, place="x")


def test_a_config_nested_to_exhaust_the_stack_is_read(folder: Path) -> None:
    nested: dict[str, Any] = {"trust_remote_code": True}
    for _ in range(5000):
        nested = {"a": nested}
    with pytest.raises(UnsafeArtifactError):
        check_config(nested, place="x")
    (folder / "config.json").write_text('{"a":' * 100_000 + "1" + "}" * 100_000)
    refused(folder, DataError, "cannot be read")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.pkl", "consolidated.00.pth"])
def test_pickled_weights_are_refused_unopened(folder: Path, name: str) -> None:
    import torch

    class Evil:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
            return os.mkdir, (str(folder.parent / "canary"),)

    (folder / "model.safetensors").unlink()
    torch.save({"lm_head.weight": Evil()}, folder / name)  # noqa: TID251 - this is the attack
    error = refused(folder, UnsafeArtifactError, "only pickled weights")
    assert "safetensors" in error.remedy and error.exit_code == 4
    assert not (folder.parent / "canary").exists()


def test_pickled_weights_beside_safetensors_are_ignored(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"not even a pickle")
    assert load_causal_lm(str(folder), FLOAT32).model.num_parameters() > 0


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("smolm2-135m", "Did you mean 'smollm2-135m'?"),
        ("gemma3", "Did you mean 'gemma3-270m'?"),
        ("qqq", "Packaged models: smollm2-135m, gemma3-270m, minilm"),
        ("", "Packaged models: smollm2-135m"),
    ],
)
def test_an_unknown_name_gets_the_nearest_one(name: str, hint: str) -> None:
    error = refused(name, ConfigError, f"unknown model '{name}'")
    assert hint in error.remedy and error.exit_code == 2


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "../nowhere", "~/nowhere", "a/b/c", "runs/x/y"])
def test_a_path_that_does_not_exist_is_not_taken_for_a_hub_id(name: str) -> None:
    refused(name, ConfigError, "is not a folder")


def test_a_file_is_not_a_model_folder(folder: Path) -> None:
    error = refused(folder / "model.safetensors", ConfigError, "is not a folder")
    assert "config.json" in error.remedy


@pytest.mark.parametrize("name", ["~no-such-user-here/model", "x" * 5000])
def test_names_that_the_file_system_refuses_are_usage_errors(name: str) -> None:
    assert len(str(refused(name, ConfigError, "cannot be looked up"))) < 500


def test_a_packaged_encoder_is_not_a_language_model() -> None:
    error = refused("minilm", ConfigError, "is an encoder")
    assert "smollm2-135m" in error.remedy and "minilm" not in error.remedy


def test_an_encoder_folder_is_refused_instead_of_given_a_random_head() -> None:
    if not models.is_installed("minilm"):
        pytest.skip("minilm is not installed")
    refused(local_folder("minilm"), DataError, r"the weights lack \d+ tensors of BertLMHeadModel")


def test_without_a_network_a_hub_id_is_a_resource_error_that_names_the_packaged_models() -> None:
    error = refused("owner/name", ResourceError, "cannot get the model from the hub")
    assert error.exit_code == 5 and "smollm2-135m, gemma3-270m" in error.remedy and "minilm" not in error.remedy


@pytest.mark.parametrize("alias", PACKAGED)
def test_a_packaged_model_that_is_not_installed_names_the_command(alias: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == PACKAGED[alias].module else real(name, *a)
    )
    assert not models.is_installed(alias)
    with pytest.raises(MissingDependencyError, match="is not installed") as caught:
        models.find_model(alias)
    assert caught.value.remedy == f"Install it with: {PACKAGED[alias].install}" and caught.value.exit_code == 5


def test_names_are_checked_without_torch(tiny_model: Path) -> None:
    code = (
        "import sys; from reasonry.core.models import find_causal_lm\n"
        f"find_causal_lm({str(tiny_model)!r}); find_causal_lm('owner/name')\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ---------------------------------------------------------------- damaged folders


def test_a_folder_without_config_is_named(tmp_path: Path) -> None:
    assert refused(tmp_path, DataError, "has no config.json").place == str(tmp_path)
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "some/base"}')
    with pytest.raises(DataError, match="has no config") as caught:
        models.find_model(str(tmp_path))
    assert "merge it" in caught.value.remedy


def test_an_adapter_beside_a_model_is_refused(folder: Path) -> None:
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "evil/base", "peft_type": "LORA"}')
    refused(folder, DataError, "adapter beside the model")


@pytest.mark.parametrize("content", [b"", b"garbage" * 99, None])
def test_damaged_weights_are_a_data_error(folder: Path, content: bytes | None) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2] if content is None else content)
    error = refused(folder, DataError, "cannot be loaded")
    assert error.exit_code == 3 and error.place == str(folder)


def test_missing_weights_and_tokenizers_are_data_errors(folder: Path) -> None:
    (folder / "tokenizer.json").rename(folder / "elsewhere")
    refused(folder, DataError, "cannot be loaded.*tokenizer")
    (folder / "elsewhere").rename(folder / "tokenizer.json")
    (folder / "model.safetensors").unlink()
    refused(folder, DataError, "no file named model.safetensors")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_hidden_layers": 3}, r"the weights lack \d+ tensors of LlamaForCausalLM, such as model\.layers\.2"),
        ({"hidden_size": 24}, "cannot be loaded"),
        ({"hidden_size": "wide"}, "expected int, got str"),
        ({"model_type": "nosuch"}, "does not recognize"),
    ],
)
def test_a_config_that_does_not_fit_the_weights_is_a_data_error(
    folder: Path, changes: dict[str, Any], message: str
) -> None:
    edit(folder / "config.json", **changes)
    refused(folder, DataError, message)


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "\udcff"])
def test_a_config_that_is_no_object_is_a_data_error(folder: Path, content: str) -> None:
    (folder / "config.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    assert "config.json" in str(refused(folder, DataError, "cannot be read|not an object"))


@pytest.mark.parametrize("device", ["cuda", "gpu", "cuda:99"])
@pytest.mark.parametrize("dtype", ["auto", "float32"])
def test_a_device_that_is_not_there_is_a_resource_error(tiny_model: Path, device: str, dtype: str) -> None:
    import torch

    if torch.cuda.is_available() and device == "cuda":
        pytest.skip("this machine has one")
    options = ModelConfig().with_(device=device, dtype=dtype)
    error = refused(tiny_model, ResourceError, f"cannot put the model on '{device}'", options)
    assert "--model-options.device cpu" in error.remedy


# ---------------------------------------------------------------- what is loaded


def test_a_loaded_model_is_on_its_device_in_its_format(tiny_model: Path) -> None:
    import torch

    loaded = load_causal_lm(str(tiny_model), FLOAT32)
    assert loaded.model.dtype == torch.float32 and not loaded.model.training and loaded.name == str(tiny_model)
    half = load_causal_lm(str(tiny_model), ModelConfig(dtype="bfloat16", device="cpu"))
    assert half.model.dtype == torch.bfloat16 and half.identity["dtype"] == "bfloat16"
    assert loaded.identity["weights"] == half.identity["weights"] and loaded.identity != half.identity


def test_a_folder_whose_name_ends_like_a_gguf_file_is_a_folder(folder: Path) -> None:
    named = folder.rename(folder.parent / "mine.gguf")
    assert load_causal_lm(str(named), FLOAT32).identity["model"] == "local"


def test_a_local_model_is_identified_by_its_content_not_by_its_name(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    first = load_causal_lm(str(folder), FLOAT32).identity
    moved = folder.rename(folder.parent / "of-somebody")
    assert load_causal_lm(str(moved), FLOAT32).identity == first
    assert not any("of-somebody" in str(v) for v in first.values())
    tensors = load_file(moved / "model.safetensors")
    tensors["model.norm.weight"][0] += 1
    save_file(tensors, moved / "model.safetensors", metadata={"format": "pt"})
    assert load_causal_lm(str(moved), FLOAT32).identity != first, "trained further in place"


@pytest.mark.parametrize(
    ("flags", "dtype"),
    [
        ({"avx2"}, "float32"),
        (set(), "float32"),
        ({"avx2", "avx512_bf16"}, "bfloat16"),
        ({"amx_bf16"}, "bfloat16"),
        ({"bf16", "asimd"}, "bfloat16"),
    ],
)
def test_a_processor_gets_bfloat16_where_it_is_native(
    flags: set[str], dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(device, "cpu_flags", lambda: flags)
    assert models.fast_dtype("cpu") == getattr(torch, dtype)
    assert models.fast_dtype("mps") == torch.float32


@pytest.mark.parametrize(("native", "dtype"), [(True, "bfloat16"), (False, "float16")])
def test_a_gpu_gets_bfloat16_where_it_is_native(native: bool, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: native)
    assert models.fast_dtype("cuda") == models.fast_dtype("cuda:1") == getattr(torch, dtype)


# ---------------------------------------------------------------- the cache and the conversion

ALIAS = "smollm2-135m"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the package that carries the weights, and an empty cache."""
    home = tmp_path / "package"
    home.mkdir()
    (home / PACKAGED[ALIAS].weights).write_bytes(b"GGUF" * 10)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: SimpleNamespace(origin=str(home / "__init__.py")))
    monkeypatch.setenv("REASONRY_CACHE", str(tmp_path / "cache"))
    return home


def convert_well(file: Path, target: Path) -> None:
    assert file.read_bytes().startswith(b"GGUF")
    (target / "config.json").write_text("{}")
    (target / "model.safetensors").write_bytes(b"weights")


def left_in_cache(tmp_path: Path) -> list[str]:
    found = tmp_path / "cache" / "models"
    return sorted(p.name for p in found.iterdir()) if found.exists() else []


def test_the_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REASONRY_CACHE", "/somewhere")
    assert models.cache_dir() == Path("/somewhere")
    monkeypatch.delenv("REASONRY_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert models.cache_dir() == Path("/xdg/reasonry")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert models.cache_dir() == Path("/home/somebody/.cache/reasonry")


def test_a_packaged_model_is_converted_once(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Path] = []
    monkeypatch.setattr(gguf, "dequantise", lambda file, target: (calls.append(target), convert_well(file, target)))
    first, second = local_folder(ALIAS), local_folder(ALIAS)
    assert first == second and len(calls) == 1
    assert Path(first).parent == tmp_path / "cache" / "models"
    assert sorted(p.name for p in Path(first).iterdir()) == ["COMPLETE", "config.json", "model.safetensors"]
    assert left_in_cache(tmp_path) == [Path(first).name]


def test_finding_a_packaged_model_converts_nothing(package: Path, tmp_path: Path) -> None:
    assert find_causal_lm(ALIAS) == str(package / PACKAGED[ALIAS].weights)
    assert left_in_cache(tmp_path) == []


def test_a_new_version_of_the_weights_is_converted_again(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf, "dequantise", convert_well)
    first = local_folder(ALIAS)
    (package / PACKAGED[ALIAS].weights).write_bytes(b"GGUF" * 11)
    assert local_folder(ALIAS) != first and Path(first, "COMPLETE").exists()


FULL = OSError(28, "No space left on device")


@pytest.mark.parametrize("error", [RuntimeError("a bad file"), KeyboardInterrupt(), FULL], ids=repr)
def test_an_interrupted_conversion_leaves_nothing_and_the_next_one_succeeds(
    error: BaseException, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def convert_half(file: Path, target: Path) -> None:
        (target / "config.json").write_text("{}")
        raise error

    monkeypatch.setattr(gguf, "dequantise", convert_half)
    with pytest.raises(ResourceError if isinstance(error, OSError) else type(error)) as caught:
        local_folder(ALIAS)
    if isinstance(caught.value, ResourceError):
        assert "No space left" in str(caught.value) and "REASONRY_CACHE" in caught.value.remedy
    assert left_in_cache(tmp_path) == []
    monkeypatch.setattr(gguf, "dequantise", convert_well)
    assert Path(local_folder(ALIAS), "COMPLETE").exists()


def test_a_disk_that_fills_up_inside_safetensors_is_a_resource_error(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors import SafetensorError

    def fill(file: Path, target: Path) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(gguf, "dequantise", fill)
    with pytest.raises(ResourceError, match="No space left on device"):
        local_folder(ALIAS)


KILLED = """
import os, signal, sys
from pathlib import Path
from reasonry.core.models import PACKAGED, gguf
rename = os.replace
def convert(file, target):
    (target / "config.json").write_text("{}")
    if sys.argv[2] == "amid":
        os.kill(os.getpid(), signal.SIGKILL)
    (target / "model.safetensors").write_bytes(b"weights")
def rename_no_folder(source, target):
    if os.path.isdir(source):
        os.kill(os.getpid(), signal.SIGKILL)
    rename(source, target)
gguf.dequantise = convert
if sys.argv[2] == "at the rename":
    os.replace = rename_no_folder
gguf.converted(PACKAGED["smollm2-135m"], Path(sys.argv[1]))
"""


@pytest.mark.parametrize("instant", ["amid", "at the rename"])
def test_a_killed_conversion_is_never_used_and_is_swept_by_the_next(
    instant: str, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(package), instant], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    (left,) = left_in_cache(tmp_path)
    assert left.startswith(atomic.TMP_PREFIX)
    monkeypatch.setattr(gguf, "dequantise", convert_well)
    found = Path(local_folder(ALIAS))
    assert (found / "COMPLETE").exists() and left_in_cache(tmp_path) == [found.name]


def test_a_conversion_at_work_in_another_process_is_not_swept(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two at once: each keeps its own copy until one of them is first."""

    def convert_while_another_finishes(file: Path, target: Path) -> None:
        convert_well(file, target)
        monkeypatch.setattr(gguf, "dequantise", convert_well)
        other = Path(local_folder(ALIAS))  # the whole conversion of another process, amid this one
        assert (other / "COMPLETE").exists() and (target / "config.json").exists()

    monkeypatch.setattr(gguf, "dequantise", convert_while_another_finishes)
    found = Path(local_folder(ALIAS))
    assert (found / "COMPLETE").exists() and left_in_cache(tmp_path) == [found.name]


def test_a_folder_without_its_last_file_is_made_again(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf, "dequantise", convert_well)
    found = Path(local_folder(ALIAS))
    (found / "COMPLETE").unlink()
    (found / "model.safetensors").write_bytes(b"half")
    assert Path(local_folder(ALIAS)) == found
    assert (found / "model.safetensors").read_bytes() == b"weights" and (found / "COMPLETE").exists()


def test_a_package_without_its_weights_says_how_to_mend_it(package: Path, tmp_path: Path) -> None:
    (package / PACKAGED[ALIAS].weights).unlink()
    row = PACKAGED[ALIAS]._replace(module="json")  # any module without `assemble`
    with pytest.raises(DataError, match=r"holds no .*\.gguf") as caught:
        gguf.converted(row, package)
    assert f"{row.install} --force-reinstall" in caught.value.remedy and left_in_cache(tmp_path) == []


def test_a_cache_that_cannot_be_written_is_a_resource_error(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").touch()
    monkeypatch.setattr(gguf, "dequantise", convert_well)
    with pytest.raises(ResourceError, match="cannot keep the converted") as caught:
        local_folder(ALIAS)
    assert "REASONRY_CACHE" in caught.value.remedy


def test_the_gguf_reader_is_asked_for_before_work_begins(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def need(module: str, *, extra: str, why: str) -> None:
        if module == "gguf":
            raise optional.missing("gguf is not installed", "pip install it")

    monkeypatch.setattr(optional, "need", need)
    with pytest.raises(MissingDependencyError):
        local_folder(ALIAS)
    assert left_in_cache(tmp_path) == []
