// fathom inspect: what a checkpoint is, what it needs, and what is wrong with it.
#include <fmt/format.h>

#include <map>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/checkpoint_dir.h"
#include "checkpoint/expected_tensors.h"
#include "cli/commands.h"
#include "cli/default_model.h"
#include "cli/json_lines.h"

namespace fathom::cli {
namespace {

using Json = nlohmann::ordered_json;

// Counted as the published model card counts: the MTP layers' own block, without the embedding and
// head that they share, and with eh_proj apart.
struct Parameters {
  int64_t total = 0;           // of the main model
  int64_t active = 0;          // of these, read for one token: the head whole, one embedding row
  int64_t mtp = 0;             // of the MTP layers' blocks and norms
  int64_t mtp_projection = 0;  // of their eh_proj
};

Parameters count_parameters(const ModelConfig& c) {
  Parameters p;
  int64_t routed = 0;
  for (const ExpectedTensor& t : expected_tensors(c)) {
    if (t.optional) continue;
    int64_t elements = 1;
    for (int64_t extent : t.shape) elements *= extent;
    if (t.mtp) {
      const bool shared = t.role == TensorRole::kEmbedding || t.role == TensorRole::kHead;
      if (!shared) (t.role == TensorRole::kMtpProjection ? p.mtp_projection : p.mtp) += elements;
      continue;
    }
    p.total += elements;
    const bool one_row = t.role == TensorRole::kEmbedding && !c.tie_word_embeddings;
    (t.role == TensorRole::kExpert ? routed : p.active) += one_row ? c.hidden_size : elements;
  }
  if (c.n_routed_experts > 0) p.active += routed / c.n_routed_experts * c.num_experts_per_tok;
  return p;
}

std::string_view problem_name(TensorProblem::Kind kind) {
  switch (kind) {
    case TensorProblem::Kind::kMissing:
      return "missing";
    case TensorProblem::Kind::kUnexpected:
      return "unexpected";
    case TensorProblem::Kind::kWrong:
      return "wrong";
  }
  return "?";
}

Json report(const Checkpoint& checkpoint, const std::vector<TensorProblem>& problems) {
  const ModelConfig& c = checkpoint.config();
  const Parameters p = count_parameters(c);
  std::map<std::string, uint64_t> by_dtype;
  uint64_t bytes = 0;
  for (const TensorView& t : checkpoint.tensors()) {
    by_dtype[std::string(dtype_name(t.dtype))] += t.bytes;
    bytes += t.bytes;
  }
  const int64_t layers = c.num_hidden_layers + c.num_nextn_predict_layers;
  Json json;
  json["dir"] = checkpoint.dir();
  json["config"] = Json::parse(c.to_json());
  json["shards"] = checkpoint.shards().size();
  json["tensors"] = checkpoint.tensors().size();
  json["parameters"] = {{"total", p.total},
                        {"active", p.active},
                        {"mtp", p.mtp},
                        {"mtp_projection", p.mtp_projection}};
  json["bytes"] = bytes;
  json["bytes_by_dtype"] = by_dtype;
  json["memory"] = {{"weights", bytes}, {"per_1k_tokens", 1024 * layers * c.kv_latent_dim() * 2}};
  for (const char* kind : {"missing", "unexpected", "wrong"}) json[kind] = Json::array();
  for (const TensorProblem& problem : problems) {
    json[std::string(problem_name(problem.kind))].push_back(
        {{"tensor", problem.tensor}, {"message", problem.message}});
  }
  json["ok"] = problems.empty();
  return json;
}

std::string billions(int64_t count) {
  if (count >= 1'000'000'000) return fmt::format("{:.1f}B", static_cast<double>(count) / 1e9);
  return fmt::format("{:.2f}M", static_cast<double>(count) / 1e6);
}

void print_words(const ModelConfig& c, const Json& json) {
  fmt::print("{}: {}\n", json["dir"].get<std::string>(), c.architecture);
  fmt::print(
      "  {} layers ({} dense, then experts{}), hidden {}, vocabulary {}, context {}\n",
      c.num_hidden_layers, std::min(c.first_k_dense_replace, c.num_hidden_layers),
      c.num_nextn_predict_layers > 0 ? fmt::format("; {} MTP", c.num_nextn_predict_layers) : "",
      c.hidden_size, c.vocab_size, c.max_position_embeddings);
  fmt::print("  attention: {} heads of {}+{}, values of {}, latent {}, queries {}\n",
             c.num_attention_heads, c.qk_nope_head_dim, c.qk_rope_head_dim, c.v_head_dim,
             c.kv_lora_rank,
             c.q_lora_rank > 0 ? fmt::format("by rank {}", c.q_lora_rank) : "in full");
  if (c.n_routed_experts > 0) {
    fmt::print("  experts: {} of {}, {} active, {} shared, {} of {} groups, {} scores\n",
               c.n_routed_experts, c.moe_intermediate_size, c.num_experts_per_tok,
               c.n_shared_experts, c.topk_group, c.n_group,
               c.scoring_func == ScoringFunc::kSigmoid ? "sigmoid" : "softmax");
  }
  if (c.yarn) {
    fmt::print("  YaRN: factor {} over {} positions\n", c.yarn->factor,
               c.yarn->original_max_position_embeddings);
  }
  const Json& p = json["parameters"];
  fmt::print("parameters: {} in all, {} active per token; MTP: {} more, and {} in its projection\n",
             billions(p["total"].get<int64_t>()), billions(p["active"].get<int64_t>()),
             billions(p["mtp"].get<int64_t>()), billions(p["mtp_projection"].get<int64_t>()));
  fmt::print("tensors: {} in {} shards;", json["tensors"].get<size_t>(),
             json["shards"].get<size_t>());
  for (const auto& [dtype, bytes] : json["bytes_by_dtype"].items()) {
    fmt::print(" {} {}", dtype, human_bytes(bytes.get<uint64_t>()));
  }
  fmt::print("\nmemory: {} for weights, {} per 1K tokens of context\n",
             human_bytes(json["memory"]["weights"].get<uint64_t>()),
             human_bytes(json["memory"]["per_1k_tokens"].get<uint64_t>()));
  constexpr size_t kShown = 20;
  for (const char* kind : {"missing", "unexpected", "wrong"}) {
    const Json& list = json[kind];
    for (size_t i = 0; i < std::min(kShown, list.size()); ++i) {
      fmt::print("{}: {}: {}\n", kind, list[i]["tensor"].get<std::string>(),
                 list[i]["message"].get<std::string>());
    }
    if (list.size() > kShown) fmt::print("{}: and {} more\n", kind, list.size() - kShown);
  }
  if (json["ok"].get<bool>()) fmt::print("every tensor has its name, type and shape\n");
}

void run(const std::string& dir, bool as_json) {
  const Checkpoint checkpoint = Checkpoint::open(dir.empty() ? default_model_dir() : dir);
  const auto problems = check_tensors(checkpoint.config(), checkpoint.tensors());
  const Json json = report(checkpoint, problems);
  if (as_json) {
    // A directory's name may be any bytes.
    write_stdout(json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  } else {
    print_words(checkpoint.config(), json);
    write_stdout("");  // throws where not all of it got through
  }
  require_no_problems(problems, checkpoint.dir());
}

}  // namespace

void add_inspect(CLI::App& app) {
  const auto dir = std::make_shared<std::string>();
  const auto as_json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("inspect", "What a checkpoint is, needs, and lacks");
  command->add_option("DIR", *dir, "Checkpoint directory (default: the embedded model)");
  command->add_flag("--json", *as_json, "The same as JSON");
  command->callback([dir, as_json] { run(*dir, *as_json); });
}

}  // namespace fathom::cli
