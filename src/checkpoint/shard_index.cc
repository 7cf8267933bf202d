#include "checkpoint/shard_index.h"

#include <algorithm>
#include <map>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "checkpoint/strict_json.h"

namespace fathom {
namespace {

constexpr int kMaxDepth = 16;

/// Collects weight_map's pairs and walks past everything else.
class IndexEvents final : public nlohmann::json_sax<nlohmann::json> {
 public:
  using Pairs = std::vector<std::pair<std::string, std::string>>;  // tensor, file

  IndexEvents(const std::string& origin, Pairs* pairs) : origin_(origin), pairs_(pairs) {}

  bool has_map() const { return has_map_; }

  bool start_object(size_t) override {
    if (in_map()) not_a_file_name();
    if (depth_ == 1 && top_key_ == "weight_map") {
      if (has_map_) fail(ErrorKind::kBadInput, "{}: the key \"weight_map\" stands twice", origin_);
      has_map_ = true;
    }
    return descend();
  }
  bool start_array(size_t) override {
    if (depth_ == 0) fail(ErrorKind::kBadInput, "{}: expected a JSON object", origin_);
    if (in_map()) not_a_file_name();
    if (depth_ == 1 && top_key_ == "weight_map") no_object();
    return descend();
  }
  bool end_object() override { return ascend(); }
  bool end_array() override { return ascend(); }

  bool key(std::string& name) override {
    if (depth_ == 1) top_key_ = name;
    if (in_map()) pairs_->emplace_back(name, "");
    return true;
  }
  bool string(std::string& value) override {
    if (!in_map()) return scalar();
    pairs_->back().second = value;
    return true;
  }
  bool null() override { return scalar(); }
  bool boolean(bool) override { return scalar(); }
  bool number_integer(int64_t) override { return scalar(); }
  bool number_unsigned(uint64_t) override { return scalar(); }
  bool number_float(double, const std::string&) override { return scalar(); }
  bool binary(binary_t&) override { return scalar(); }

  bool parse_error(size_t, const std::string&, const nlohmann::json::exception& error) override {
    fail(ErrorKind::kBadInput, "{}: not valid JSON: {}", origin_, json_complaint(error.what()));
  }

 private:
  bool in_map() const { return depth_ == 2 && top_key_ == "weight_map"; }

  bool descend() {
    if (++depth_ > kMaxDepth) {
      fail(ErrorKind::kBadInput, "{}: nested deeper than {} levels", origin_, kMaxDepth);
    }
    return true;
  }
  bool ascend() {
    --depth_;
    return true;
  }
  bool scalar() {
    if (depth_ == 0) fail(ErrorKind::kBadInput, "{}: expected a JSON object", origin_);
    if (in_map()) not_a_file_name();
    if (depth_ == 1 && top_key_ == "weight_map") no_object();
    return true;
  }
  [[noreturn]] void no_object() {
    fail(ErrorKind::kBadInput, "{}: weight_map is no object", origin_);
  }
  [[noreturn]] void not_a_file_name() {
    fail(ErrorKind::kBadInput, "{}: weight_map[{}] is not a file name", origin_,
         printable(pairs_->back().first));
  }

  const std::string& origin_;
  Pairs* pairs_;
  int depth_ = 0;
  bool has_map_ = false;
  std::string top_key_;
};

void check_file_name(const std::string& file, const std::string& tensor,
                     const std::string& origin) {
  const bool plain = !file.empty() && file.size() <= 255 && file[0] != '.' &&
                     file.find('/') == std::string::npos && file.find('\0') == std::string::npos;
  if (!plain) {
    fail(ErrorKind::kBadInput, "{}: weight_map[{}] is {}, expected the name of a file beside it",
         origin, printable(tensor), printable(file));
  }
}

}  // namespace

ShardIndex ShardIndex::parse(std::string_view text, const std::string& origin) {
  IndexEvents::Pairs pairs;
  IndexEvents events(origin, &pairs);
  nlohmann::json::sax_parse(text.begin(), text.end(), &events);
  if (!events.has_map()) fail(ErrorKind::kBadInput, "{}: there is no weight_map", origin);
  if (pairs.empty()) fail(ErrorKind::kBadInput, "{}: weight_map names no tensor", origin);

  std::sort(pairs.begin(), pairs.end());
  std::map<std::string, int> files;
  for (size_t i = 0; i < pairs.size(); ++i) {
    const auto& [tensor, file] = pairs[i];
    if (i > 0 && tensor == pairs[i - 1].first) {
      fail(ErrorKind::kBadInput, "{}: tensor {} stands twice, in {} and in {}", origin,
           printable(tensor), printable(pairs[i - 1].second), printable(file));
    }
    check_file_name(file, tensor, origin);
    files.emplace(file, 0);
  }

  ShardIndex index;
  for (auto& [file, number] : files) {
    number = static_cast<int>(index.shards.size());
    index.shards.push_back(file);
  }
  index.entries.reserve(pairs.size());
  for (auto& [tensor, file] : pairs) {
    index.entries.push_back({std::move(tensor), files.at(file)});
  }
  return index;
}

std::string ShardIndex::to_json(uint64_t total_bytes) const {
  // By hand, as an ordered JSON object searches all its keys for each that is added.
  std::string text =
      fmt::format("{{\n  \"metadata\": {{\n    \"total_size\": {}\n  }},\n", total_bytes);
  text += "  \"weight_map\": {";
  const char* separator = "\n";
  for (const Entry& entry : entries) {
    text += fmt::format("{}    {}: {}", separator, nlohmann::json(entry.tensor).dump(),
                        nlohmann::json(shards.at(entry.shard)).dump());
    separator = ",\n";
  }
  return text + "\n  }\n}\n";
}

}  // namespace fathom
