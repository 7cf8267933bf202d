#!/usr/bin/env python3
"""Writes tests/golden/training: a tiny model's parameters and inputs, and what PyTorch makes of them in
float64: losses and every gradient. With --check, only says whether the committed files are that.

    scripts/torch/make_fixtures.py [--check]      (Debian: python3-torch)
"""
import json
import pathlib
import struct
import sys

import torch

from model import Model

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tests/golden/training"
SCALES = {"main": 0.3, "mtp": 0.2, "balance": 0.05}
BASE = {
    "architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3",
    "attention_bias": False, "bos_token_id": 0, "eos_token_id": 1, "first_k_dense_replace": 1,
    "hidden_act": "silu", "hidden_size": 16, "intermediate_size": 20, "kv_lora_rank": 10,
    "max_position_embeddings": 64, "moe_intermediate_size": 8, "moe_layer_freq": 1, "n_group": 3,
    "n_routed_experts": 6, "n_shared_experts": 1, "norm_topk_prob": True,
    "num_attention_heads": 2, "num_experts_per_tok": 3, "num_hidden_layers": 2,
    "num_key_value_heads": 2, "num_nextn_predict_layers": 1, "q_lora_rank": 12,
    "qk_nope_head_dim": 6, "qk_rope_head_dim": 4, "rms_norm_eps": 1e-6, "rope_theta": 10000,
    "routed_scaling_factor": 1.7, "scoring_func": "sigmoid", "tie_word_embeddings": False,
    "topk_group": 2, "topk_method": "noaux_tc", "torch_dtype": "bfloat16", "v_head_dim": 8,
    "vocab_size": 29,
}
YARN = {"type": "yarn", "factor": 40, "original_max_position_embeddings": 16, "beta_fast": 32,
        "beta_slow": 1, "mscale": 1.0, "mscale_all_dim": 1.0}
CASES = {
    "plain": BASE,
    "documents": {**BASE, "q_lora_rank": None, "norm_topk_prob": False, "rope_scaling": YARN},
}


def case(name, config):
    """The tensors of one fixture."""
    torch.manual_seed(11)
    model = Model(config).double()
    tensors = {}
    for key, tensor in [*model.named_parameters(), *model.named_buffers()]:
        start = 1.0 if key.endswith("norm.weight") else 0.0
        # Float32 values, so that both sides begin with the same.
        tensor.data = (start + 0.3 * torch.randn(tensor.shape)).float().double()
        tensors[key] = tensor.data
    ids = torch.randint(config["vocab_size"], (2, 13))
    mask = segment = None
    if name == "documents":
        mask = (torch.rand(ids.shape) < 0.7).long()
        segment = torch.tensor([[0] * 4 + [4] * 7, [0] * 6 + [6] * 2 + [8] * 3])
        tensors.update(mask=mask.to(torch.uint8), segment=segment.int())
    tensors["ids"] = ids.int()
    main, mtp, balance = model.losses(ids, mask, segment)
    (SCALES["main"] * main + SCALES["mtp"] * mtp + SCALES["balance"] * balance).backward()
    tensors["losses"] = torch.stack((main, mtp, SCALES["balance"] * balance)).detach()
    for key, parameter in model.named_parameters():
        grad = parameter.grad  # none for an expert without tokens
        tensors["gradient." + key] = torch.zeros_like(parameter) if grad is None else grad
    return tensors


def safetensors(tensors):
    kinds = {torch.float32: "F32", torch.float64: "F64", torch.int32: "I32", torch.uint8: "U8"}
    header, data = {}, b""
    tensors = {key: tensor.float() if tensor.dtype == torch.float64 and key != "losses" else tensor
               for key, tensor in tensors.items()}
    # The widest first: then all lie aligned, without gaps.
    for key, tensor in sorted(tensors.items(), key=lambda t: (-t[1].element_size(), t[0])):
        piece = tensor.contiguous().numpy().tobytes()
        header[key] = {"dtype": kinds[tensor.dtype], "shape": list(tensor.shape),
                       "data_offsets": [len(data), len(data) + len(piece)]}
        data += piece
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def main():
    check = sys.argv[1:] == ["--check"]
    torch.set_num_threads(1)
    different = []
    for name, config in CASES.items():
        made = {f"{name}.json": (json.dumps(config, indent=1) + "\n").encode(),
                f"{name}.safetensors": safetensors(case(name, config))}
        for file, content in made.items():
            path = FOLDER / file
            if not check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            elif path.read_bytes() != content:
                different.append(file)
    if different:
        sys.exit(f"not what PyTorch makes now: {', '.join(different)}")


if __name__ == "__main__":
    main()
