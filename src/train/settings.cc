#include "train/settings.h"

#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <numbers>
#include <set>
#include <sstream>

#include "base/error.h"

namespace fathom::train {
namespace {

constexpr double kHuge = std::numeric_limits<double>::infinity();

/// One table: hands out its keys by name and refuses those that nobody asked for.
class Section {
 public:
  Section(const toml::table* table, std::string origin, std::string name)
      : table_(table), origin_(std::move(origin)), name_(std::move(name)) {}

  void read(const char* key, double& to, double low, double high) {
    const toml::node* node = find(key);
    if (!node) return;
    const auto value = node->value<double>();
    if (!node->is_number() || !value || !(*value >= low && *value <= high)) {
      wrong(key, fmt::format("a number from {} to {}", low, high));
    }
    to = *value;
  }
  void read(const char* key, int64_t& to, int64_t low, int64_t high) {
    const toml::node* node = find(key);
    if (!node) return;
    const auto value = node->value_exact<int64_t>();
    if (!value || *value < low || *value > high) {
      wrong(key, fmt::format("an integer from {} to {}", low, high));
    }
    to = *value;
  }
  void read(const char* key, uint64_t& to) {
    int64_t value = static_cast<int64_t>(to);
    read(key, value, 0, std::numeric_limits<int64_t>::max());
    to = static_cast<uint64_t>(value);
  }
  void read(const char* key, int& to, int low, int high) {
    int64_t value = to;
    read(key, value, low, high);
    to = static_cast<int>(value);
  }
  void read(const char* key, bool& to) {
    const toml::node* node = find(key);
    if (!node) return;
    const auto value = node->value_exact<bool>();
    if (!value) wrong(key, "true or false");
    to = *value;
  }
  void read(const char* key, std::string& to) {
    const toml::node* node = find(key);
    if (!node) return;
    const auto value = node->value_exact<std::string>();
    if (!value) wrong(key, "a string");
    to = *value;
  }
  Section table(const char* key) {
    const toml::node* node = find(key);
    if (node && !node->is_table()) wrong(key, "a table");
    return {node ? node->as_table() : nullptr, origin_, name_ + key + "."};
  }
  /// Each table of an array of tables.
  template <typename Body>
  void each(const char* key, const Body& body) {
    const toml::node* node = find(key);
    if (!node) return;
    if (!node->is_array()) wrong(key, "an array of tables");
    for (const toml::node& element : *node->as_array()) {
      if (!element.is_table()) wrong(key, "an array of tables");
      Section section(element.as_table(), origin_, name_ + key + ".");
      body(section);
      section.finish();
    }
  }
  void finish() const {
    if (!table_) return;
    for (const auto& [key, node] : *table_) {
      if (!known_.contains(std::string(key.str()))) {
        fail(ErrorKind::kUnsupported, "{}: {}{} is not a setting of this program", origin_, name_,
             key.str());
      }
    }
  }
  [[noreturn]] void wrong(const std::string& key, const std::string& expected) const {
    std::ostringstream found;
    if (const toml::node* node = table_ ? table_->get(key) : nullptr) {
      node->visit([&](const auto& value) { found << value; });
    } else {
      found << "missing";
    }
    fail(ErrorKind::kBadInput, "{}: {}{} is {}, expected {}", origin_, name_, key, found.str(),
         expected);
  }

 private:
  const toml::node* find(const char* key) {
    known_.insert(key);
    return table_ ? table_->get(key) : nullptr;
  }

  const toml::table* table_;
  std::string origin_, name_;
  std::set<std::string> known_;
};

constexpr int64_t kMany = int64_t{1} << 40;

void read_data(Section section, DataSettings& d, const auto& resolve) {
  const auto sources = [&](const char* key, std::vector<SourceSettings>& to) {
    section.each(key, [&](Section& s) {
      SourceSettings source;
      s.read("path", source.path);
      s.read("weight", source.weight, 0, 1e9);
      if (source.path.empty()) s.wrong("path", "a token bin");
      resolve(source.path);
      to.push_back(source);
    });
  };
  sources("train", d.train);
  sources("validation", d.validation);
  section.read("sequence", d.sequence, 2, 1 << 20);
  section.read("use_mask", d.use_mask);
  section.read("isolate_documents", d.isolate_documents);
  section.read("tokenizer", d.tokenizer);
  resolve(d.tokenizer);
  section.finish();
  if (d.train.empty()) section.wrong("train", "at least one source");
}

void read_batch(Section section, BatchSettings& b) {
  section.read("sequences", b.sequences, 1, 1 << 20);
  section.read("start_sequences", b.start_sequences, 0, 1 << 20);
  section.read("ramp_steps", b.ramp_steps, 0, kMany);
  section.read("micro", b.micro, 1, 1 << 16);
  section.read("shards", b.shards, 1, 1 << 16);
  section.finish();
  if (b.sequences % b.shards != 0) section.wrong("sequences", "a multiple of shards");
}

void read_schedule(Section section, ScheduleSettings& s) {
  section.read("peak", s.peak, 0, 10);
  section.read("final", s.final, 0, 10);
  section.read("warmup", s.warmup, 0, kMany);
  section.read("constant", s.constant, 0, kMany);
  section.read("decay", s.decay, 0, kMany);
  section.each("tail", [&](Section& t) {
    ScheduleTail tail;
    t.read("steps", tail.steps, 1, kMany);
    t.read("lr", tail.lr, 0, 10);
    s.tails.push_back(tail);
  });
  section.finish();
}

void read_optimizer(Section section, OptimizerSettings& o) {
  // At 1 a moment never moves, and is then divided by 0.
  constexpr double kMostBeta = 0.999999;
  section.read("beta1", o.beta1, 0, kMostBeta);
  section.read("beta2", o.beta2, 0, kMostBeta);
  section.read("eps", o.eps, 0, 1);
  section.read("weight_decay", o.weight_decay, 0, 10);
  section.read("clip", o.clip, 0, kHuge);
  section.read("ema", o.ema, 0, 1);
  section.read("rounding_seed", o.rounding_seed);
  section.finish();
}

void read_objective(Section section, ObjectiveSettings& o) {
  section.read("gamma", o.gamma, 0, 1);
  section.read("gamma_steps", o.gamma_steps, -1, kMany);
  section.read("balance_alpha", o.balance_alpha, 0, 10);
  section.read("mtp_weight", o.mtp_weight, 0, 10);
  section.read("mtp_late_weight", o.mtp_late_weight, 0, 10);
  section.read("mtp_late_step", o.mtp_late_step, -1, kMany);
  section.finish();
}

void read_output(Section section, OutputSettings& o, const auto& resolve) {
  section.read("dir", o.dir);
  resolve(o.dir);
  section.read("save_every", o.save_every, 1, kMany);
  section.read("export_every", o.export_every, 0, kMany);
  section.read("validate_every", o.validate_every, 0, kMany);
  section.read("validate_sequences", o.validate_sequences, 1, 1 << 20);
  section.read("export_ema", o.export_ema);
  section.read("export_bf16", o.export_bf16);
  section.finish();
  if (o.dir.empty()) section.wrong("dir", "a directory for the run");
}

Precision parse_precision(Section& section, const std::string& name) {
  if (name == "fp8") return Precision::kFP8;
  if (name == "bf16") return Precision::kBF16;
  if (name != "f32") section.wrong("precision", "fp8, bf16 or f32");
  return Precision::kF32;
}

}  // namespace

int64_t ScheduleSettings::steps() const {
  int64_t total = warmup + constant + decay;
  for (const ScheduleTail& tail : tails) total += tail.steps;
  return total;
}

double ScheduleSettings::rate(int64_t step) const {
  if (step < warmup) return peak * static_cast<double>(step + 1) / static_cast<double>(warmup);
  step -= warmup;
  if (step < constant) return peak;
  step -= constant;
  if (step < decay) {
    const double x = static_cast<double>(step) / static_cast<double>(decay);
    return final + (peak - final) * 0.5 * (1 + std::cos(std::numbers::pi * x));
  }
  step -= decay;
  for (const ScheduleTail& tail : tails) {
    if (step < tail.steps) return tail.lr;
    step -= tail.steps;
  }
  return tails.empty() ? final : tails.back().lr;
}

int64_t Settings::sequences_at(int64_t step) const {
  if (batch.start_sequences == 0 || step >= batch.ramp_steps) return batch.sequences;
  const int64_t grown = (batch.sequences - batch.start_sequences) * step / batch.ramp_steps;
  return std::max(batch.shards, (batch.start_sequences + grown) / batch.shards * batch.shards);
}

Settings Settings::load(const std::string& path) {
  toml::table root;
  try {
    root = toml::parse_file(path);
  } catch (const toml::parse_error& error) {
    std::ostringstream where;
    where << error.source().begin;
    const bool missing = !std::filesystem::exists(path);
    fail(missing ? ErrorKind::kNotFound : ErrorKind::kBadInput, "{}: {} ({})", path,
         error.description(), where.str());
  }
  const std::filesystem::path base = std::filesystem::path(path).parent_path();
  const auto resolve = [&](std::string& p) {
    if (!p.empty() && std::filesystem::path(p).is_relative())
      p = (base / p).lexically_normal().string();
  };
  Settings s;
  Section top(&root, path, "");
  std::string precision = "fp8";
  top.read("model", s.model);
  if (s.model.empty()) top.wrong("model", "an architecture's config.json");
  resolve(s.model);
  top.read("init_from", s.init_from);
  resolve(s.init_from);
  top.read("precision", precision);
  s.precision = parse_precision(top, precision);
  top.read("seed", s.seed);
  top.read("init_std", s.init_std, 0, 10);
  top.read("embedding_std", s.embedding_std, 0, 10);
  top.read("local_heads", s.local_heads, 0, 1 << 16);
  top.read("threads", s.threads, 0, 4096);
  read_data(top.table("data"), s.data, resolve);
  read_batch(top.table("batch"), s.batch);
  Section parallel = top.table("parallel");
  parallel.read("experts", s.parallel.experts);
  parallel.finish();
  read_schedule(top.table("schedule"), s.schedule);
  read_optimizer(top.table("optimizer"), s.optimizer);
  read_objective(top.table("objective"), s.objective);
  read_output(top.table("output"), s.output, resolve);
  top.finish();
  return s;
}

}  // namespace fathom::train
