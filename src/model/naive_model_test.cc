// A second, independent reading of the architecture: double throughout, keys and values expanded
// (the naive form of latent attention), no cache, no batch, and no code in common with the model
// but the views of its weights.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numbers>
#include <numeric>

#include "base/rng.h"
#include "checkpoint/synth.h"
#include "model/capture.h"
#include "tensor/float_formats.h"

namespace fathom {
namespace {

using Doubles = std::vector<double>;

double weight(const WeightView& w, int64_t row, int64_t col) {
  const int64_t i = row * w.cols + col;
  if (w.dtype == DType::kF32) return static_cast<const float*>(w.data)[i];
  if (w.dtype == DType::kBF16) return bf16_to_f32(static_cast<const uint16_t*>(w.data)[i]);
  return static_cast<double>(e4m3_to_f32(static_cast<const uint8_t*>(w.data)[i])) *
         w.scale[row / 128 * ((w.cols + 127) / 128) + col / 128];
}

Doubles times(const WeightView& w, const Doubles& x) {
  Doubles y(static_cast<size_t>(w.rows), 0.0);
  for (int64_t r = 0; r < w.rows; ++r) {
    for (int64_t c = 0; c < w.cols; ++c) {
      y[static_cast<size_t>(r)] += weight(w, r, c) * x[static_cast<size_t>(c)];
    }
  }
  return y;
}

Doubles normalized(const Doubles& x, const Vector& w, double eps) {
  const double square = std::inner_product(x.begin(), x.end(), x.begin(), 0.0);
  const double scale = 1 / std::sqrt(square / static_cast<double>(x.size()) + eps);
  Doubles y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = x[i] * scale * w[i];
  return y;
}

class Naive {
 public:
  explicit Naive(const ModelWeights& weights) : w_(weights), c_(weights.config()) {}

  Doubles logits(std::span<const int32_t> tokens) {
    std::vector<Doubles> x;
    for (int32_t token : tokens) {
      Doubles row(static_cast<size_t>(c_.hidden_size));
      for (int64_t i = 0; i < c_.hidden_size; ++i) {
        row[static_cast<size_t>(i)] = weight(w_.embed, token, i);
      }
      x.push_back(std::move(row));
    }
    for (const LayerWeights& layer : w_.layers) block(layer, x);
    Doubles out;
    for (const Doubles& row : x) {
      const Doubles y = times(w_.head, normalized(row, w_.final_norm, c_.rms_norm_eps));
      out.insert(out.end(), y.begin(), y.end());
    }
    return out;
  }

 private:
  static void add(Doubles& a, const Doubles& b, double factor = 1) {
    for (size_t i = 0; i < a.size(); ++i) a[i] += factor * b[i];
  }

  void block(const LayerWeights& layer, std::vector<Doubles>& x) {
    std::vector<Doubles> in;
    for (const Doubles& row : x) in.push_back(normalized(row, layer.input_norm, c_.rms_norm_eps));
    const auto attended = attention(layer.attention, in);
    for (size_t t = 0; t < x.size(); ++t) {
      add(x[t], attended[t]);
      const Doubles normed = normalized(x[t], layer.post_norm, c_.rms_norm_eps);
      add(x[t], layer.moe ? moe(*layer.moe, normed) : mlp(*layer.mlp, normed));
    }
  }

  static Doubles mlp(const MlpWeights& w, const Doubles& x) {
    Doubles gate = times(w.gate, x);
    const Doubles up = times(w.up, x);
    for (size_t i = 0; i < gate.size(); ++i) gate[i] = gate[i] / (1 + std::exp(-gate[i])) * up[i];
    return times(w.down, gate);
  }

  Doubles moe(const MoeWeights& w, const Doubles& x) const {
    Doubles scores = times(w.router, x);
    if (c_.scoring_func == ScoringFunc::kSigmoid) {
      for (double& s : scores) s = 1 / (1 + std::exp(-s));
    } else {
      double sum = 0;
      for (double& s : scores) sum += s = std::exp(s);
      for (double& s : scores) s /= sum;
    }
    Doubles biased = scores;
    for (size_t e = 0; e < w.bias.size(); ++e) biased[e] += w.bias[e];
    std::vector<std::pair<double, size_t>> order;
    const auto groups = kept_groups(biased);
    const size_t group_size = biased.size() / static_cast<size_t>(c_.n_group);
    for (size_t e = 0; e < biased.size(); ++e) {
      if (groups[e / group_size]) order.push_back({-biased[e], e});
    }
    std::sort(order.begin(), order.end());
    order.resize(static_cast<size_t>(c_.num_experts_per_tok));
    double sum = 0;
    for (const auto& [key, e] : order) sum += scores[e];
    Doubles y(x.size(), 0.0);
    for (const auto& [key, e] : order) {
      const double share = scores[e] / (c_.norm_topk_prob ? sum : 1) * c_.routed_scaling_factor;
      add(y, mlp(w.experts[e], x), share);
    }
    if (w.shared) add(y, mlp(*w.shared, x));
    return y;
  }

  std::vector<bool> kept_groups(const Doubles& biased) const {
    std::vector<bool> keep(static_cast<size_t>(c_.n_group), true);
    if (c_.topk_method == TopkMethod::kGreedy) return keep;
    const size_t size = biased.size() / keep.size();
    std::vector<std::pair<double, size_t>> order;
    for (size_t g = 0; g < keep.size(); ++g) {
      Doubles group(biased.begin() + static_cast<ptrdiff_t>(g * size),
                    biased.begin() + static_cast<ptrdiff_t>((g + 1) * size));
      std::sort(group.rbegin(), group.rend());
      const bool two = c_.topk_method == TopkMethod::kNoauxTc && size > 1;
      order.push_back({-(group[0] + (two ? group[1] : 0)), g});
    }
    std::sort(order.begin(), order.end());
    std::fill(keep.begin(), keep.end(), false);
    for (int64_t i = 0; i < c_.topk_group; ++i) keep[order[static_cast<size_t>(i)].second] = true;
    return keep;
  }

  // Pairs (2i, 2i + 1) by rotating halves of the de-interleaved vector, put back in place.
  void rotate(double* x, int64_t position) const {
    const int64_t dim = c_.qk_rope_head_dim;
    for (int64_t i = 0; i < dim / 2; ++i) {
      const double angle = static_cast<double>(position) * frequency(i);
      const double a = x[2 * i], b = x[2 * i + 1];
      x[2 * i] = a * std::cos(angle) - b * std::sin(angle);
      x[2 * i + 1] = b * std::cos(angle) + a * std::sin(angle);
    }
  }

  double frequency(int64_t i) const {
    const double dim = static_cast<double>(c_.qk_rope_head_dim);
    const double f = std::pow(c_.rope_theta, -2.0 * static_cast<double>(i) / dim);
    if (!c_.yarn) return f;
    const auto corrected = [&](double rotations) {
      return dim *
             std::log(static_cast<double>(c_.yarn->original_max_position_embeddings) /
                      (2 * std::numbers::pi * rotations)) /
             (2 * std::log(c_.rope_theta));
    };
    const double low = std::max(std::floor(corrected(c_.yarn->beta_fast)), 0.0);
    const double high = std::min(std::ceil(corrected(c_.yarn->beta_slow)), dim - 1);
    const double ramp =
        std::clamp((static_cast<double>(i) - low) / std::max(high - low, 0.001), 0.0, 1.0);
    return f / c_.yarn->factor * ramp + f * (1 - ramp);
  }

  double softmax_scale() const {
    const double scale = 1 / std::sqrt(static_cast<double>(c_.qk_head_dim()));
    if (!c_.yarn || c_.yarn->factor <= 1) return scale;
    const double m = 0.1 * c_.yarn->mscale_all_dim * std::log(c_.yarn->factor) + 1;
    return scale * m * m;
  }

  std::vector<Doubles> attention(const AttentionWeights& w, const std::vector<Doubles>& x) const {
    const int64_t heads = c_.num_attention_heads, nope = c_.qk_nope_head_dim;
    const int64_t rope = c_.qk_rope_head_dim, value = c_.v_head_dim;
    std::vector<Doubles> queries, expanded, shared_keys;
    for (size_t t = 0; t < x.size(); ++t) {
      Doubles q = w.q_proj
                      ? times(w.q_proj, x[t])
                      : times(w.q_b, normalized(times(w.q_a, x[t]), w.q_a_norm, c_.rms_norm_eps));
      for (int64_t h = 0; h < heads; ++h) {
        rotate(&q[static_cast<size_t>(h * (nope + rope) + nope)], static_cast<int64_t>(t));
      }
      queries.push_back(std::move(q));
      const Doubles kv = times(w.kv_a, x[t]);
      Doubles latent(kv.begin(), kv.begin() + c_.kv_lora_rank);
      Doubles key(kv.begin() + c_.kv_lora_rank, kv.end());
      rotate(key.data(), static_cast<int64_t>(t));
      shared_keys.push_back(std::move(key));
      expanded.push_back(times(w.kv_b, normalized(latent, w.kv_a_norm, c_.rms_norm_eps)));
    }
    std::vector<Doubles> out;
    for (size_t t = 0; t < x.size(); ++t) {
      Doubles joined(static_cast<size_t>(heads * value), 0.0);
      for (int64_t h = 0; h < heads; ++h) {
        const double* q = &queries[t][static_cast<size_t>(h * (nope + rope))];
        Doubles p(t + 1);
        double total = 0;
        for (size_t s = 0; s <= t; ++s) {
          const double* k = &expanded[s][static_cast<size_t>(h * (nope + value))];
          double dot = std::inner_product(q, q + nope, k, 0.0);
          dot = std::inner_product(q + nope, q + nope + rope, shared_keys[s].data(), dot);
          total += p[s] = std::exp(dot * softmax_scale());
        }
        for (size_t s = 0; s <= t; ++s) {
          const double* v = &expanded[s][static_cast<size_t>(h * (nope + value) + nope)];
          for (int64_t i = 0; i < value; ++i) {
            joined[static_cast<size_t>(h * value + i)] += p[s] / total * v[i];
          }
        }
      }
      out.push_back(times(w.o, joined));
    }
    return out;
  }

  const ModelWeights& w_;
  const ModelConfig& c_;
};

ModelConfig base_config() {
  return ModelConfig::load(FATHOM_SOURCE_DIR "/tests/golden/model/v3-tiny-fp8");
}

struct Variant {
  const char* name;
  void (*change)(ModelConfig&);
  bool fp8;
};

const Variant kVariants[] = {
    {"published_shape", [](ModelConfig&) {}, true},
    {"bf16", [](ModelConfig&) {}, false},
    {"no_q_lora_one_group",  // as Moonlight
     [](ModelConfig& c) {
       c.q_lora_rank = 0;
       c.n_group = c.topk_group = 1;
       c.routed_scaling_factor = 2.446;
       c.yarn.reset();
     },
     true},
    {"softmax_group_limited",  // as DeepSeek-V2
     [](ModelConfig& c) {
       c.scoring_func = ScoringFunc::kSoftmax;
       c.topk_method = TopkMethod::kGroupLimitedGreedy;
       c.norm_topk_prob = false;
       c.routed_scaling_factor = 16;
     },
     true},
    {"softmax_greedy_no_shared",
     [](ModelConfig& c) {
       c.scoring_func = ScoringFunc::kSoftmax;
       c.topk_method = TopkMethod::kGreedy;
       c.n_shared_experts = 0;
       c.n_group = c.topk_group = 1;
     },
     false},
    {"tied_dense_only",
     [](ModelConfig& c) {
       c.tie_word_embeddings = true;
       c.first_k_dense_replace = c.num_hidden_layers;
       c.num_nextn_predict_layers = 0;
     },
     true},
    {"every_other_layer_moe",
     [](ModelConfig& c) {
       c.moe_layer_freq = 2;
       c.n_shared_experts = 3;
       c.num_nextn_predict_layers = 0;
     },
     true},
    {"other_yarn",
     [](ModelConfig& c) {
       c.yarn = YarnConfig{8, 16, 2, 0.707, 0.707, 32};
       c.rope_theta = 50000;
       c.qk_rope_head_dim = 24;
     },
     true},
    {"odd_sizes",
     [](ModelConfig& c) {
       c.hidden_size = 200;
       c.intermediate_size = 301;
       c.moe_intermediate_size = 37;
       c.kv_lora_rank = 130;
       c.v_head_dim = 19;
       c.qk_nope_head_dim = 27;
     },
     true},
};

class NaiveModel : public testing::TestWithParam<Variant> {};

TEST_P(NaiveModel, AgreesWithTheAbsorbedForm) {
  ModelConfig config = base_config();
  GetParam().change(config);
  config.fp8 = GetParam().fp8;
  const auto dir = std::filesystem::temp_directory_path() /
                   ("fathom-naive-" + std::to_string(getpid()) + GetParam().name);
  SynthOptions options;
  options.fp8 = GetParam().fp8;
  options.seed = 5;
  synth_checkpoint(config, dir.string(), options);
  Transformer model(ModelWeights::load(Checkpoint::open(dir.string())),
                    {Numerics::kExact, 2, nullptr});
  const ModelWeights weights = ModelWeights::load(Checkpoint::open(dir.string()));

  Rng rng(9);
  std::vector<int32_t> tokens(70);
  for (int32_t& t : tokens)
    t = static_cast<int32_t>(rng.below(static_cast<uint64_t>(config.vocab_size)));
  const Doubles want = Naive(weights).logits(tokens);
  const NamedArray got = prompt_logits(model, tokens, "logits");
  const auto* logits = reinterpret_cast<const float*>(got.data.data());
  double difference = 0, norm = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    difference += (logits[i] - want[i]) * (logits[i] - want[i]);
    norm += want[i] * want[i];
  }
  EXPECT_LT(std::sqrt(difference / norm), 1e-4);
  std::filesystem::remove_all(dir);
}

INSTANTIATE_TEST_SUITE_P(Variants, NaiveModel, testing::ValuesIn(kVariants),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace fathom
