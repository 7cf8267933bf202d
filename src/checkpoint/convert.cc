#include "checkpoint/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <set>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/checkpoint_dir.h"
#include "checkpoint/expected_tensors.h"
#include "checkpoint/fp8_cast.h"
#include "checkpoint/parallel_jobs.h"
#include "checkpoint/safetensors_writer.h"
#include "checkpoint/shard_index.h"

namespace fathom {
namespace {

constexpr const char* kJournal = ".fathom-convert.json";
// Rows of a matrix that one job converts: a multiple of the scale block.
constexpr int64_t kJobRows = 1024;

class Conversion {
 public:
  Conversion(const std::string& source, std::string target, const ConvertOptions& options,
             io::FileSystem& files)
      : source_(Checkpoint::open(source)),
        target_(std::move(target)),
        options_(options),
        files_(files),
        pool_(options.threads) {
    require_no_problems(check_tensors(source_.config(), source_.tensors()), source_.dir());
    for (const ExpectedTensor& t : expected_tensors(source_.config())) {
      if (t.quantized_as_published()) quantized_.insert(t.name);
    }
  }

  ConvertSummary run() {
    files_.create_dirs(target_);
    const io::FileLock lock = lock_for_writing(target_);
    begin_journal();
    std::vector<std::vector<const TensorView*>> by_shard(source_.shards().size());
    for (const TensorView& t : source_.tensors()) {
      by_shard[static_cast<size_t>(t.shard)].push_back(&t);
    }
    std::vector<SafetensorsLayout> layouts;
    for (const auto& tensors : by_shard) {
      layouts.emplace_back(shard_specs(tensors));
      total_ += layouts.back().file_bytes;
    }
    for (size_t s = 0; s < layouts.size(); ++s) {
      const std::string path = io::join(target_, source_.shards()[s]);
      if (io::file_exists(path) && io::file_size(path) == layouts[s].file_bytes) {
        ++summary_.kept;
        advance(layouts[s].file_bytes);
      } else {
        require_room(files_, target_, layouts[s].file_bytes);
        write_shard(path, std::move(layouts[s]), by_shard[s]);
      }
      ++summary_.shards;
    }
    summary_.bytes = total_;
    finish();
    return summary_;
  }

 private:
  static bool is_scale(std::string_view name) { return name.ends_with(kScaleSuffix); }
  bool to_fp8(const TensorView& t) const {
    return options_.to == DType::kF8E4M3 && t.dtype != DType::kF8E4M3 &&
           quantized_.contains(std::string(t.name));
  }
  bool to_bf16(const TensorView& t) const {
    return options_.to == DType::kBF16 && t.dtype == DType::kF8E4M3;
  }

  // What the target's file of these tensors holds.
  std::vector<TensorSpec> shard_specs(const std::vector<const TensorView*>& tensors) const {
    std::vector<TensorSpec> specs;
    for (const TensorView* t : tensors) {
      const std::string name(t->name);
      if (is_scale(name)) {
        if (options_.to == DType::kF8E4M3) specs.push_back({name, t->dtype, t->shape});
        continue;
      }
      if (to_bf16(*t)) {
        specs.push_back({name, DType::kBF16, t->shape});
      } else if (to_fp8(*t)) {
        specs.push_back({name, DType::kF8E4M3, t->shape});
        specs.push_back({name + std::string(kScaleSuffix), DType::kF32, scale_shape(t->shape)});
      } else {
        specs.push_back({name, t->dtype, t->shape});
      }
    }
    return specs;
  }

  void write_shard(const std::string& path, SafetensorsLayout layout,
                   const std::vector<const TensorView*>& tensors) {
    SafetensorsWriter writer(files_, path, std::move(layout));
    struct Job {
      const TensorView* tensor;
      int64_t first, count;
    };
    std::vector<Job> jobs;
    for (const TensorView* t : tensors) {
      if (is_scale(t->name) && options_.to == DType::kBF16) continue;
      const int64_t rows = t->shape.empty() ? 1 : t->shape[0];
      for (int64_t r = 0; r < rows; r += kJobRows) {
        jobs.push_back({t, r, std::min(kJobRows, rows - r)});
      }
    }
    run_jobs(pool_, static_cast<int64_t>(jobs.size()), [&](int64_t i, int) {
      const Job& job = jobs[static_cast<size_t>(i)];
      write_rows(writer, *job.tensor, job.first, job.count);
    });
    writer.finish();
  }

  WeightView matrix(const TensorView& t) const {
    WeightView w{t.data, t.dtype, t.shape[0], t.shape[1], nullptr};
    if (t.dtype == DType::kF8E4M3) {
      const TensorView& scale = source_.get(std::string(t.name) + std::string(kScaleSuffix));
      w.scale = scale.as<float>().data();
    }
    return w;
  }

  void write_rows(SafetensorsWriter& writer, const TensorView& t, int64_t first, int64_t count) {
    const size_t index = writer.layout().find(t.name);
    if (to_bf16(t)) {
      const WeightView w = matrix(t);
      std::vector<uint16_t> rows(static_cast<size_t>(count * w.cols));
      cast_fp8_to_bf16(w, first, count, rows.data());
      write_part(writer, index, static_cast<uint64_t>(first * w.cols) * 2,
                 std::as_bytes(std::span(rows)));
      return;
    }
    if (to_fp8(t)) {
      write_quantized(writer, index, t, first, count);
      return;
    }
    const int64_t rows = t.shape.empty() ? 1 : t.shape[0];
    const size_t row_bytes = t.bytes / static_cast<size_t>(rows);
    const uint64_t offset = static_cast<uint64_t>(first) * row_bytes;
    write_part(writer, index, offset, {t.data + offset, static_cast<size_t>(count) * row_bytes});
  }

  void write_quantized(SafetensorsWriter& writer, size_t index, const TensorView& t, int64_t first,
                       int64_t count) {
    const WeightView w = matrix(t);
    const int64_t block_cols = ceil_div(w.cols, kScaleBlock);
    std::vector<uint8_t> codes(static_cast<size_t>(count * w.cols));
    std::vector<float> scales(static_cast<size_t>(ceil_div(count, kScaleBlock) * block_cols));
    if (const auto bad = cast_to_fp8(w, first, count, codes.data(), scales.data())) {
      fail(ErrorKind::kBadInput,
           "{}: tensor {} holds a NaN or infinity in block [{}, {}], expected finite weights",
           source_.dir(), t.name, first / kScaleBlock + bad->row, bad->col);
    }
    write_part(writer, index, static_cast<uint64_t>(first * w.cols),
               std::as_bytes(std::span(codes)));
    write_part(writer, writer.layout().find(std::string(t.name) + std::string(kScaleSuffix)),
               static_cast<uint64_t>(first / kScaleBlock * block_cols) * sizeof(float),
               std::as_bytes(std::span(scales)));
  }

  void write_part(SafetensorsWriter& writer, size_t index, uint64_t offset,
                  std::span<const std::byte> bytes) {
    writer.write_part(index, offset, bytes);
    advance(bytes.size());
  }

  void advance(uint64_t bytes) {
    const uint64_t done = done_ += bytes;
    if (options_.progress) options_.progress(done, total_);
  }

  // The journal says what the unfinished directory is going to be; without it, files that are there
  // belong to another model.
  void begin_journal() {
    const std::string path = io::join(target_, kJournal);
    const std::string journal = journal_json();
    if (io::file_exists(path)) {
      if (io::read_file(path) != journal) {
        fail(ErrorKind::kConflict, "{}: an unfinished conversion of another source is here",
             target_);
      }
      return;
    }
    require_no_model(target_);
    io::write_file_atomically(files_, path, journal);
  }

  // Models of one shape differ in nothing but the weights, so their files are in it, too.
  std::string journal_json() const {
    auto shards = nlohmann::ordered_json::array();
    for (const std::string& name : source_.shards()) {
      const std::string path = io::join(source_.dir(), name);
      shards.push_back(
          {{"name", name}, {"bytes", io::file_size(path)}, {"modified", io::file_time(path)}});
    }
    const nlohmann::ordered_json journal = {
        {"source", std::filesystem::canonical(source_.dir()).string()},
        {"shards", shards},
        {"config", source_.config().to_json()},
        {"to", dtype_name(options_.to)}};
    // A directory's name may be any bytes.
    return journal.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  }

  void finish() {
    const std::set<std::string> shards(source_.shards().begin(), source_.shards().end());
    for (const std::string& name : io::list_files(source_.dir())) {
      const bool rewritten =
          shards.contains(name) || name == kIndexFileName || name == "config.json";
      const bool of_a_run = name == kJournal || name == kWriteLockName;  // one that was killed
      if (rewritten || of_a_run) continue;
      io::copy_file_atomically(files_, io::join(source_.dir(), name), io::join(target_, name));
    }
    if (io::file_exists(io::join(source_.dir(), kIndexFileName))) write_index();
    io::write_file_atomically(files_, io::join(target_, "config.json"), config_json());
    files_.remove(io::join(target_, kJournal));
    files_.sync_dir(target_);
  }

  void write_index() {
    ShardIndex index;
    index.shards = source_.shards();
    std::vector<const TensorView*> all;
    for (const TensorView& t : source_.tensors()) all.push_back(&t);
    uint64_t bytes = 0;
    for (const TensorView* t : all) {
      for (const TensorSpec& spec : shard_specs({t})) {
        index.entries.push_back({spec.name, t->shard});
        bytes += spec.bytes();
      }
    }
    std::sort(index.entries.begin(), index.entries.end(),
              [](const auto& a, const auto& b) { return a.tensor < b.tensor; });
    io::write_file_atomically(files_, io::join(target_, kIndexFileName), index.to_json(bytes));
  }

  // The source's own file, keys in its order, with quantization_config dropped or added.
  std::string config_json() const {
    auto json =
        nlohmann::ordered_json::parse(io::read_file(io::join(source_.dir(), "config.json")));
    json.erase("quantization_config");
    if (options_.to == DType::kF8E4M3) {
      json["quantization_config"] = {{"activation_scheme", "dynamic"},
                                     {"fmt", "e4m3"},
                                     {"quant_method", "fp8"},
                                     {"weight_block_size", {kScaleBlock, kScaleBlock}}};
    }
    return json.dump(2) + "\n";
  }

  Checkpoint source_;
  std::string target_;
  const ConvertOptions& options_;
  io::FileSystem& files_;
  ThreadPool pool_;
  std::set<std::string> quantized_;
  ConvertSummary summary_;
  uint64_t total_ = 0;
  std::atomic<uint64_t> done_ = 0;
};

}  // namespace

ConvertSummary convert_checkpoint(const std::string& source, const std::string& target,
                                  const ConvertOptions& options, io::FileSystem& files) {
  FATHOM_CHECK(options.to == DType::kBF16 || options.to == DType::kF8E4M3);
  return Conversion(source, target, options, files).run();
}

}  // namespace fathom
