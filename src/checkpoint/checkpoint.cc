#include "checkpoint/checkpoint.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/error.h"
#include "checkpoint/shard_index.h"
#include "checkpoint/strict_json.h"
#include "io/file_system.h"

namespace fathom {

struct Checkpoint::State {
  std::string dir;
  ModelConfig config;
  std::vector<std::string> shards;
  std::vector<SafetensorsFile> files;
  std::vector<TensorView> tensors;
};

namespace {

constexpr uint64_t kMaxIndexBytes = 256 << 20;

bool by_name(const TensorView& a, const TensorView& b) { return a.name < b.name; }

SafetensorsFile open_shard(const std::string& dir, const ShardIndex& index, int shard) {
  const std::string path = io::join(dir, index.shards[shard]);
  if (!io::file_exists(path)) {
    const auto first = std::find_if(index.entries.begin(), index.entries.end(),
                                    [&](const auto& entry) { return entry.shard == shard; });
    fail(ErrorKind::kNotFound, "{}: this shard is missing; {} places tensor {} in it", path,
         kIndexFileName, printable(first->tensor));
  }
  return SafetensorsFile::open(path);
}

/// Both in order of name: the tensors found in the shards, and where the index puts them.
void check_against_index(const std::vector<TensorView>& found, const ShardIndex& index,
                         const std::string& dir) {
  const std::string origin = io::join(dir, kIndexFileName);
  size_t at = 0;
  for (const ShardIndex::Entry& entry : index.entries) {
    if (at < found.size() && found[at].name < entry.tensor) break;  // reported below
    if (at == found.size() || found[at].name != entry.tensor) {
      fail(ErrorKind::kBadInput, "{}: tensor {} should be in {}, which does not hold it", origin,
           printable(entry.tensor), index.shards[entry.shard]);
    }
    if (found[at].shard != entry.shard) {
      fail(ErrorKind::kBadInput, "{}: tensor {} should be in {}, and is in {}", origin,
           printable(entry.tensor), index.shards[entry.shard], index.shards[found[at].shard]);
    }
    ++at;
  }
  if (at < found.size()) {
    fail(ErrorKind::kBadInput, "{}: tensor {} is in {}, and the index does not name it", origin,
         printable(found[at].name), index.shards[found[at].shard]);
  }
}

void check_unique(const std::vector<TensorView>& tensors, const std::vector<std::string>& shards,
                  const std::string& dir) {
  const auto twice =
      std::adjacent_find(tensors.begin(), tensors.end(),
                         [](const auto& a, const auto& b) { return a.name == b.name; });
  if (twice != tensors.end()) {
    fail(ErrorKind::kBadInput, "{}: tensor {} is in two shards, {} and {}", dir,
         printable(twice->name), shards[twice->shard], shards[(twice + 1)->shard]);
  }
}

}  // namespace

Checkpoint::Checkpoint(std::unique_ptr<State> state) : state_(std::move(state)) {}
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint& Checkpoint::operator=(Checkpoint&&) noexcept = default;
Checkpoint::~Checkpoint() = default;

Checkpoint Checkpoint::open(const std::string& dir) {
  auto state = std::make_unique<State>();
  state->dir = dir;
  state->config = ModelConfig::load(dir);

  const std::string index_path = io::join(dir, kIndexFileName);
  const bool indexed = io::file_exists(index_path);
  ShardIndex index;
  if (indexed) {
    index = ShardIndex::parse(io::read_file(index_path, kMaxIndexBytes), index_path);
    for (size_t i = 0; i < index.shards.size(); ++i) {
      state->files.push_back(open_shard(dir, index, static_cast<int>(i)));
    }
  } else {
    const std::string single = io::join(dir, kSingleFileName);
    if (!io::file_exists(single)) {
      fail(ErrorKind::kNotFound, "{}: not a checkpoint: there is neither {} nor {}", dir,
           kIndexFileName, kSingleFileName);
    }
    index.shards = {kSingleFileName};
    state->files.push_back(SafetensorsFile::open(single));
  }

  for (size_t i = 0; i < state->files.size(); ++i) {
    for (TensorView tensor : state->files[i].tensors()) {
      tensor.shard = static_cast<int>(i);
      state->tensors.push_back(std::move(tensor));
    }
  }
  std::stable_sort(state->tensors.begin(), state->tensors.end(), by_name);
  check_unique(state->tensors, index.shards, dir);
  if (indexed) check_against_index(state->tensors, index, dir);
  state->shards = std::move(index.shards);
  return Checkpoint(std::move(state));
}

const std::string& Checkpoint::dir() const { return state_->dir; }
const ModelConfig& Checkpoint::config() const { return state_->config; }
const std::vector<std::string>& Checkpoint::shards() const { return state_->shards; }
std::span<const TensorView> Checkpoint::tensors() const { return state_->tensors; }

const TensorView* Checkpoint::find(std::string_view name) const {
  const auto& tensors = state_->tensors;
  const auto found = std::lower_bound(
      tensors.begin(), tensors.end(), name,
      [](const TensorView& tensor, std::string_view wanted) { return tensor.name < wanted; });
  return found != tensors.end() && found->name == name ? &*found : nullptr;
}

const TensorView& Checkpoint::get(std::string_view name) const {
  const TensorView* found = find(name);
  if (!found) fail(ErrorKind::kBadInput, "{}: tensor {} is missing", dir(), printable(name));
  return *found;
}

void Checkpoint::release(const void* data, size_t bytes) const {
  const auto* first = static_cast<const std::byte*>(data);
  for (const SafetensorsFile& file : state_->files) {
    const auto all = file.mapping().bytes();
    // A tensor that lay unaligned is a copy, in no mapping.
    if (std::less<>()(first, all.data()) || !std::less<>()(first, all.data() + all.size())) {
      continue;
    }
    file.mapping().advise(static_cast<uint64_t>(first - all.data()), bytes, io::Advice::kDontNeed);
  }
}

}  // namespace fathom
