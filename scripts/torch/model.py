"""The V3 architecture with its training losses in plain PyTorch, parameters named as in the published
checkpoint: what Fathom's gradients and speed are compared with."""
import math

import torch
import torch.nn.functional as F
from torch import nn


class RMSNorm(nn.Module):
    def __init__(self, size, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


def linear(inputs, outputs):
    return nn.Linear(inputs, outputs, bias=False)


class Rope(nn.Module):
    """Cosines and sines of each position, YaRN's frequencies where the configuration asks."""

    def __init__(self, c):
        super().__init__()
        dims, scaling = c["qk_rope_head_dim"], c.get("rope_scaling")
        f = c["rope_theta"] ** (-torch.arange(0, dims, 2, dtype=torch.float64) / dims)
        self.softmax_scale = (c["qk_nope_head_dim"] + dims) ** -0.5
        if scaling and c["max_position_embeddings"] > scaling["original_max_position_embeddings"]:
            def dimension(turns):
                return (dims * math.log(scaling["original_max_position_embeddings"]
                                        / (turns * 2 * math.pi)) / (2 * math.log(c["rope_theta"])))
            low = max(math.floor(dimension(scaling["beta_fast"])), 0)
            high = min(math.ceil(dimension(scaling["beta_slow"])), dims - 1)
            ramp = (torch.arange(dims // 2) - low) / max(high - low, 0.001)
            ramp = ramp.clamp(0, 1).double()
            f = f / scaling["factor"] * ramp + f * (1 - ramp)
            self.softmax_scale *= (0.1 * scaling["mscale_all_dim"]
                                   * math.log(scaling["factor"]) + 1) ** 2
        self.f = f

    def tables(self, length, dtype):
        angles = torch.arange(length, dtype=torch.float64)[:, None] * self.f
        return angles.cos().to(dtype), angles.sin().to(dtype)


def rotate(x, cosine, sine):
    """Turns neighbouring pairs; x [..., length, dims]."""
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cosine - b * sine, a * sine + b * cosine), -1).flatten(-2)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads, self.nope = c["num_attention_heads"], c["qk_nope_head_dim"]
        self.rope_dims, self.v, self.latent = c["qk_rope_head_dim"], c["v_head_dim"], c["kv_lora_rank"]
        hidden, head = c["hidden_size"], self.nope + self.rope_dims
        self.rope = Rope(c)
        self.low_rank = bool(c.get("q_lora_rank"))
        if self.low_rank:
            self.q_a_proj = linear(hidden, c["q_lora_rank"])
            self.q_a_layernorm = RMSNorm(c["q_lora_rank"], c["rms_norm_eps"])
            self.q_b_proj = linear(c["q_lora_rank"], self.heads * head)
        else:
            self.q_proj = linear(hidden, self.heads * head)
        self.kv_a_proj_with_mqa = linear(hidden, self.latent + self.rope_dims)
        self.kv_a_layernorm = RMSNorm(self.latent, c["rms_norm_eps"])
        self.kv_b_proj = linear(self.latent, self.heads * (self.nope + self.v))
        self.o_proj = linear(self.heads * self.v, hidden)

    def forward(self, x, allowed):
        batch, length, _ = x.shape
        q = self.q_b_proj(self.q_a_layernorm(self.q_a_proj(x))) if self.low_rank else self.q_proj(x)
        q = q.view(batch, length, self.heads, -1).transpose(1, 2)
        latent, k_rope = self.kv_a_proj_with_mqa(x).split([self.latent, self.rope_dims], -1)
        kv = self.kv_b_proj(self.kv_a_layernorm(latent)).view(batch, length, self.heads, -1)
        k, v = kv.transpose(1, 2).split([self.nope, self.v], -1)
        cosine, sine = self.rope.tables(length, x.dtype)
        q_nope, q_rope = q.split([self.nope, self.rope_dims], -1)
        q = torch.cat((q_nope, rotate(q_rope, cosine, sine)), -1)
        k_rope = rotate(k_rope[:, None], cosine, sine).expand(-1, self.heads, -1, -1)
        k = torch.cat((k, k_rope), -1)
        scores = (q @ k.transpose(-1, -2)) * self.rope.softmax_scale
        out = scores.masked_fill(~allowed[:, None], float("-inf")).softmax(-1) @ v
        return self.o_proj(out.transpose(1, 2).reshape(batch, length, -1))


class MLP(nn.Module):
    def __init__(self, hidden, width):
        super().__init__()
        self.gate_proj, self.up_proj = linear(hidden, width), linear(hidden, width)
        self.down_proj = linear(width, hidden)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Gate(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.weight = nn.Parameter(torch.empty(c["n_routed_experts"], c["hidden_size"]))
        self.register_buffer("e_score_correction_bias", torch.zeros(c["n_routed_experts"]))

    def forward(self, x):
        c = self.c
        scores = F.linear(x, self.weight).sigmoid()
        with torch.no_grad():
            biased = scores + self.e_score_correction_bias
            groups = biased.unflatten(-1, (c["n_group"], -1))
            best = groups.topk(min(2, groups.shape[-1]), -1)[0].sum(-1).topk(c["topk_group"], -1)[1]
            closed = torch.ones_like(groups, dtype=torch.bool)
            closed.scatter_(-2, best[..., None].expand(*best.shape, groups.shape[-1]), False)
            biased = groups.masked_fill(closed, float("-inf")).flatten(-2)
            chosen = biased.topk(c["num_experts_per_tok"], -1)[1]
        weights = scores.gather(-1, chosen)
        if c["norm_topk_prob"]:
            weights = weights / weights.sum(-1, keepdim=True)
        return scores, chosen, weights * c["routed_scaling_factor"]


class MoE(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.gate = Gate(c)
        width = c["moe_intermediate_size"]
        self.experts = nn.ModuleList(MLP(c["hidden_size"], width)
                                     for _ in range(c["n_routed_experts"]))
        self.shared_experts = None
        if c["n_shared_experts"]:
            self.shared_experts = MLP(c["hidden_size"], width * c["n_shared_experts"])

    def forward(self, x):
        scores, chosen, weights = self.gate(x)
        # Sequence-wise: share of each expert's choices times its mean normalized affinity.
        experts, k = self.c["n_routed_experts"], self.c["num_experts_per_tok"]
        counts = F.one_hot(chosen, experts).sum((1, 2)).to(scores.dtype)
        share = counts * experts / (k * x.shape[1])
        self.balance = (share * (scores / scores.sum(-1, keepdim=True)).mean(1)).sum()
        flat, out = x.flatten(0, 1), torch.zeros_like(x).flatten(0, 1)
        chosen, weights = chosen.flatten(0, 1), weights.flatten(0, 1)
        for e, expert in enumerate(self.experts):
            token, place = torch.where(chosen == e)
            if len(token):
                y = expert(flat[token]) * weights[token, place, None]
                out = out.index_add(0, token, y.to(out.dtype))
        out = out.view_as(x)
        return out if self.shared_experts is None else out + self.shared_experts(x)


class Layer(nn.Module):
    def __init__(self, c, index):
        super().__init__()
        self.input_layernorm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])
        self.self_attn = Attention(c)
        self.post_attention_layernorm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])
        dense = index < c["first_k_dense_replace"]
        self.mlp = MLP(c["hidden_size"], c["intermediate_size"]) if dense else MoE(c)

    def forward(self, x, allowed):
        x = x + self.self_attn(self.input_layernorm(x), allowed)
        return x + self.mlp(self.post_attention_layernorm(x))


class MTPLayer(Layer):
    def __init__(self, c, index):
        super().__init__(c, index)
        self.enorm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])
        self.hnorm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])
        self.eh_proj = linear(2 * c["hidden_size"], c["hidden_size"])
        self.shared_head = nn.ModuleDict({"norm": RMSNorm(c["hidden_size"], c["rms_norm_eps"])})

    def forward(self, next_embedding, state, allowed):
        joined = torch.cat((self.enorm(next_embedding), self.hnorm(state)), -1)
        return self.shared_head["norm"](super().forward(self.eh_proj(joined), allowed))


class Model(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        layers = c["num_hidden_layers"]
        self.model = nn.Module()
        self.model.embed_tokens = nn.Embedding(c["vocab_size"], c["hidden_size"])
        blocks = [Layer(c, i) for i in range(layers)]
        blocks += [MTPLayer(c, layers + i) for i in range(c["num_nextn_predict_layers"])]
        self.model.layers = nn.ModuleList(blocks)
        self.model.norm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])
        self.lm_head = linear(c["hidden_size"], c["vocab_size"])

    def losses(self, ids, mask=None, segment=None):
        """ids [batch, length + 2]: inputs and the two that follow. Sums over the tokens that the mask
        counts, and the balance losses' sum: (main, MTP, balance). `segment` [batch, length]: first
        position that each may attend to."""
        length = ids.shape[1] - 2
        position = torch.arange(length)
        allowed = (position[None, :, None] >= position).expand(len(ids), -1, -1)
        if segment is not None:
            allowed = allowed & (position >= segment[:, :, None])

        def loss(state, shift):
            target = ids[:, shift:shift + length]
            if mask is not None:
                target = target.masked_fill(mask[:, shift:shift + length] == 0, -100)
            logits = self.lm_head(state)
            if logits.dtype == torch.bfloat16:
                logits = logits.float()
            return F.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="sum")

        x = self.model.embed_tokens(ids[:, :length])
        layers = self.c["num_hidden_layers"]
        for block in self.model.layers[:layers]:
            x = block(x, allowed)
        x = self.model.norm(x)
        main, mtp = loss(x, 1), x.new_zeros(())
        if len(self.model.layers) > layers:
            following = self.model.embed_tokens(ids[:, 1:length + 1])
            mtp = loss(self.model.layers[layers](following, x, allowed), 2)
        balance = sum(b.mlp.balance for b in self.model.layers if isinstance(b.mlp, MoE))
        return main, mtp, balance
