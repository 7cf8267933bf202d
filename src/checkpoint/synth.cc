#include "checkpoint/synth.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/error.h"
#include "checkpoint/checkpoint_dir.h"
#include "checkpoint/expected_tensors.h"
#include "checkpoint/parallel_jobs.h"
#include "checkpoint/safetensors_writer.h"
#include "checkpoint/shard_index.h"
#include "checkpoint/synth_tokenizer.h"
#include "checkpoint/synth_values.h"
#include "tensor/buffer.h"

namespace fathom {
namespace {

constexpr int64_t kChunkElements = 1 << 20;
static_assert(kChunkElements % SynthValues::kGranule == 0);

struct PlannedTensor {
  ExpectedTensor tensor;
  DType dtype = DType::kBF16;

  TensorSpec spec() const { return {tensor.name, dtype, tensor.shape}; }
  TensorSpec scale_spec() const {
    return {tensor.name + std::string(kScaleSuffix), DType::kF32, scale_shape(tensor.shape)};
  }
  bool has_scale() const { return dtype == DType::kF8E4M3; }
};

using PlannedShard = std::vector<PlannedTensor>;

/// In the published order, a new shard begun when the next tensor would pass the limit.
std::vector<PlannedShard> plan_shards(const ModelConfig& config, const SynthOptions& options) {
  std::vector<PlannedShard> shards(1);
  uint64_t filled = 0;
  for (ExpectedTensor& tensor : expected_tensors(config)) {
    if (tensor.optional) continue;  // tied to the embedding
    PlannedTensor planned{std::move(tensor)};
    if (planned.tensor.role == TensorRole::kGateBias) planned.dtype = DType::kF32;
    if (options.fp8 && planned.tensor.quantized_as_published()) planned.dtype = DType::kF8E4M3;
    const uint64_t bytes =
        planned.spec().bytes() + (planned.has_scale() ? planned.scale_spec().bytes() : 0);
    if (!shards.back().empty() && filled + bytes > options.shard_bytes) {
      shards.emplace_back();
      filled = 0;
    }
    filled += bytes;
    shards.back().push_back(std::move(planned));
  }
  return shards;
}

SafetensorsLayout layout_of(const PlannedShard& shard) {
  std::vector<TensorSpec> specs;
  for (const PlannedTensor& planned : shard) {
    specs.push_back(planned.spec());
    if (planned.has_scale()) specs.push_back(planned.scale_spec());
  }
  return SafetensorsLayout(std::move(specs));
}

/// Fills one shard, its tensors cut into chunks that threads take in turn.
class ShardFiller {
 public:
  ShardFiller(const PlannedShard& shard, SafetensorsWriter& writer, const SynthOptions& options)
      : shard_(shard), writer_(writer), seed_(options.seed) {
    for (size_t i = 0; i < writer.layout().tensors.size(); ++i) {
      places_[writer.layout().tensors[i].name] = i;
    }
    for (size_t i = 0; i < shard.size(); ++i) {
      const int64_t elements = shard[i].spec().elements();
      for (int64_t first = 0; first < elements; first += kChunkElements) {
        chunks_.push_back({i, first, std::min(kChunkElements, elements - first)});
      }
    }
    for (int i = 0; i < options.threads; ++i) buffers_.emplace_back(kChunkElements * sizeof(float));
  }

  void run(ThreadPool& pool, const std::function<void(uint64_t bytes)>& wrote) {
    run_jobs(pool, static_cast<int64_t>(chunks_.size()), [&](int64_t item, int thread) {
      const Chunk& chunk = chunks_[item];
      wrote(write_chunk(chunk, buffers_[thread]));
    });
  }

 private:
  struct Chunk {
    size_t tensor = 0;
    int64_t first = 0;
    int64_t elements = 0;
  };

  uint64_t write_chunk(const Chunk& chunk, Buffer& buffer) {
    const PlannedTensor& planned = shard_[chunk.tensor];
    const SynthValues values(planned.tensor, planned.dtype, seed_);
    const size_t size = dtype_size(planned.dtype);
    const std::span<std::byte> bytes(buffer.data(), chunk.elements * size);
    values.fill(chunk.first, bytes);
    writer_.write_part(places_.at(planned.tensor.name), chunk.first * size, bytes);
    uint64_t written = bytes.size();
    if (planned.has_scale() && chunk.first == 0) {
      const std::vector<float> scales = values.scales();
      writer_.write_part(places_.at(planned.scale_spec().name), 0,
                         std::as_bytes(std::span(scales)));
      written += scales.size() * sizeof(float);
    }
    return written;
  }

  const PlannedShard& shard_;
  SafetensorsWriter& writer_;
  uint64_t seed_;
  std::map<std::string, size_t> places_;
  std::vector<Chunk> chunks_;
  std::vector<Buffer> buffers_;
};

bool write_tokenizer(const ModelConfig& config, const std::string& dir, const SynthOptions& options,
                     io::FileSystem& files) {
  TokenizerFiles made;
  if (options.tokenizer_dir.empty()) {
    made = make_byte_tokenizer(config);
    if (made.tokenizer_json.empty()) return false;
  } else {
    made.tokenizer_json = io::read_file(io::join(options.tokenizer_dir, "tokenizer.json"));
    made.tokenizer_config_json =
        io::read_file(io::join(options.tokenizer_dir, "tokenizer_config.json"));
  }
  io::write_file_atomically(files, io::join(dir, "tokenizer.json"), made.tokenizer_json);
  io::write_file_atomically(files, io::join(dir, "tokenizer_config.json"),
                            made.tokenizer_config_json);
  return true;
}

}  // namespace

ModelConfig cut_layers(ModelConfig config, int64_t layers) {
  config.num_hidden_layers = layers;
  // A MoE layer's index is a multiple of the frequency.
  const int64_t last_moe = (layers - 1) / config.moe_layer_freq * config.moe_layer_freq;
  const int64_t most = config.n_routed_experts > 0 ? last_moe : layers;
  config.first_k_dense_replace = std::min(config.first_k_dense_replace, most);
  return config;
}

SynthSummary synth_checkpoint(const ModelConfig& wanted, const std::string& dir,
                              const SynthOptions& options, io::FileSystem& files) {
  ModelConfig config = wanted;
  config.fp8 = options.fp8;
  files.create_dirs(dir);
  const io::FileLock lock = lock_for_writing(dir);
  require_no_model(dir);

  const std::vector<PlannedShard> shards = plan_shards(config, options);
  SynthSummary summary{.shards = static_cast<int>(shards.size())};
  std::vector<SafetensorsLayout> layouts;
  ShardIndex index;
  uint64_t tensor_bytes = 0;
  for (size_t i = 0; i < shards.size(); ++i) {
    index.shards.push_back(fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size()));
    layouts.push_back(layout_of(shards[i]));
    summary.bytes += layouts[i].file_bytes;
    tensor_bytes += layouts[i].file_bytes - layouts[i].header.size();
    for (const TensorSpec& tensor : layouts[i].tensors) {
      index.entries.push_back({tensor.name, static_cast<int>(i)});
    }
  }
  if (!options.sparse) require_room(files, dir, summary.bytes);

  ThreadPool pool(options.threads);
  std::atomic<uint64_t> done = 0;
  for (size_t i = 0; i < shards.size(); ++i) {
    SafetensorsWriter writer(files, io::join(dir, index.shards[i]), std::move(layouts[i]));
    if (options.sparse) {
      writer.leave_holes();
    } else {
      ShardFiller(shards[i], writer, options).run(pool, [&](uint64_t bytes) {
        const uint64_t now = done += bytes;
        if (options.progress) options.progress(now, tensor_bytes);
      });
    }
    writer.finish();
  }

  io::write_file_atomically(files, io::join(dir, kIndexFileName), index.to_json(tensor_bytes));
  summary.tokenizer = write_tokenizer(config, dir, options, files);
  io::write_file_atomically(files, io::join(dir, "config.json"), config.to_json());
  return summary;
}

}  // namespace fathom
