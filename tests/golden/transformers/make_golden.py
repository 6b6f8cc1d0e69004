"""Tiny transformers with random weights and their layers' values, by the package `transformers`: a folder for each model, with the
files of `save_pretrained` and `values.safetensors`, beside this file. Needs torch, transformers and safetensors.

Written with torch 2.15.0 and transformers 5.24.0."""

import json
import pathlib

import torch
import transformers as t
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
TEXTS = {"short": [7, 0, 3], "long": [1, 38, 5, 5, 12, 39, 0, 22, 17, 30, 2, 9]}


def site(name, module, store):
    module.register_forward_hook(
        lambda _, __, out: store.__setitem__(name, (out[0] if isinstance(out, tuple) else out)[0].detach().float().clone()))


def make(folder, model, blocks, mlp, attn, dtype=torch.float32, shard="1GB"):
    """Random weights, saved; then the values of each block: `mlp` and `attn` name modules in it."""
    path = HERE / folder
    torch.manual_seed(sum(map(ord, folder)))
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.normal_(0, 0.3)
            if "norm" in name.lower() or "ln_" in name:
                p.add_(1 if name.endswith("weight") else 0)
    model.to(dtype).save_pretrained(path, max_shard_size=shard)
    model = model.to(torch.float32).eval()
    values = {}
    for text, ids in TEXTS.items():
        store = {}
        for i, block in enumerate(blocks(model)):
            site(f"{text}.resid.{i}", block, store)
            site(f"{text}.mlp.{i}", block.get_submodule(mlp), store)
            site(f"{text}.attn.{i}", block.get_submodule(attn), store)
        with torch.no_grad():
            model(torch.tensor([ids]))
        values |= store
        values[f"{text}.ids"] = torch.tensor(ids, dtype=torch.int32)
    save_file(values, path / "values.safetensors")
    # What saves space and what changes with the version of the package.
    (path / "generation_config.json").unlink(missing_ok=True)
    config = json.loads((path / "config.json").read_text())
    config.pop("transformers_version", None)
    (path / "config.json").write_text(json.dumps(config, indent=1) + "\n")


neox = dict(vocab_size=40, max_position_embeddings=12, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
            intermediate_size=24, bos_token_id=0, eos_token_id=0, attn_implementation="eager")
blocks = lambda model: model.gpt_neox.layers
make("neox", t.GPTNeoXForCausalLM(t.GPTNeoXConfig(**neox, rotary_pct=0.5)), blocks, "mlp.act", "attention.dense", shard="6KB")
make("neox-sequential", t.GPTNeoXForCausalLM(t.GPTNeoXConfig(**neox, rotary_pct=0.25, use_parallel_residual=False)),
     blocks, "mlp.act", "attention.dense", torch.float16)
make("gpt2", t.GPT2LMHeadModel(t.GPT2Config(
    vocab_size=40, n_positions=12, n_embd=16, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0, attn_implementation="eager")),
    lambda model: model.transformer.h, "mlp.act", "attn.c_proj")
make("bert", t.BertForMaskedLM(t.BertConfig(
    vocab_size=40, max_position_embeddings=12, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
    hidden_act="gelu_new", attn_implementation="eager")),
    lambda model: model.bert.encoder.layer, "intermediate.intermediate_act_fn", "attention.output.dense", torch.bfloat16)
