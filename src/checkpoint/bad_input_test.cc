// Damaged checkpoints: each is refused with one line that names the file, what was found and what
// was expected.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/convert.h"
#include "checkpoint/expected_tensors.h"
#include "checkpoint/safetensors_writer.h"
#include "checkpoint/shard_index.h"
#include "io/faulty_file_system.h"

namespace fathom {
namespace {
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const std::string kGolden = FATHOM_SOURCE_DIR "/tests/golden/model/v3-tiny-fp8";
const std::string kFirstShard = "model-00001-of-00002.safetensors";
const std::string kSecondShard = "model-00002-of-00002.safetensors";

std::string read(const std::string& path) { return io::read_file(path); }
void write(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

// What a header and `data_bytes` of data make as a file; the length is the header's own.
std::string shard_of(const std::string& header, size_t data_bytes) {
  const uint64_t length = header.size();
  std::string file(sizeof(length), '\0');
  std::memcpy(file.data(), &length, sizeof(length));
  return file + header + std::string(data_bytes, '\0');
}

class BadInput : public testing::Test {
 protected:
  BadInput() : dir_(testing::TempDir() + "bad_input." + std::to_string(getpid())) {
    fs::remove_all(dir_);
    fs::create_directories(dir_);
  }
  ~BadInput() override { fs::remove_all(dir_); }

  std::string path(const std::string& name) const { return io::join(dir_, name); }
  void copy_golden() {
    for (const std::string& name : io::list_files(kGolden)) {
      fs::copy_file(io::join(kGolden, name), path(name), fs::copy_options::overwrite_existing);
    }
  }
  void edit_json(const std::string& name, const std::function<void(Json&)>& change) {
    Json json = Json::parse(read(path(name)));
    change(json);
    write(path(name), json.dump());
  }

  // One line, of that kind, with each of the parts.
  void expect_refused(ErrorKind kind, const std::vector<std::string>& parts,
                      const std::function<void()>& action) {
    try {
      action();
      FAIL() << "accepted; expected an error with " << parts.front();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind) << error.what();
      EXPECT_THAT(error.what(), Not(HasSubstr("\n")));
      for (const std::string& part : parts) EXPECT_THAT(error.what(), HasSubstr(part));
    }
  }
  void expect_checkpoint_refused(ErrorKind kind, const std::vector<std::string>& parts) {
    expect_refused(kind, parts, [&] {
      const Checkpoint checkpoint = Checkpoint::open(dir_);
      require_no_problems(check_tensors(checkpoint.config(), checkpoint.tensors()), dir_);
    });
  }
  void expect_file_refused(const std::string& file, const std::vector<std::string>& parts,
                           ErrorKind kind = ErrorKind::kBadInput) {
    write(path("x.safetensors"), file);
    expect_refused(kind, parts, [&] { SafetensorsFile::open(path("x.safetensors")); });
  }
  void expect_config_refused(const std::string& key, const Json& value, ErrorKind kind,
                             const std::vector<std::string>& parts) {
    copy_golden();
    edit_json("config.json", [&](Json& json) { json[key] = value; });
    std::vector<std::string> all = parts;
    all.push_back(key);
    expect_refused(kind, all, [&] { ModelConfig::load(dir_); });
  }

  const std::string dir_;
};

// A file that is not what its header says.

TEST_F(BadInput, TruncatedShard) {
  copy_golden();
  fs::resize_file(path(kFirstShard), fs::file_size(path(kFirstShard)) - 1000);
  expect_checkpoint_refused(ErrorKind::kBadInput, {kFirstShard, "truncated or damaged"});
  fs::resize_file(path(kFirstShard), 100);
  expect_checkpoint_refused(ErrorKind::kBadInput, {kFirstShard, "and 92 bytes follow"});
  fs::resize_file(path(kFirstShard), 3);
  expect_checkpoint_refused(ErrorKind::kBadInput, {kFirstShard, "3 bytes are too few"});
  fs::resize_file(path(kFirstShard), 0);
  expect_checkpoint_refused(ErrorKind::kBadInput, {kFirstShard, "0 bytes are too few"});
}

TEST_F(BadInput, HeaderLongerThanTheFile) {
  std::string file = shard_of("{}", 0);
  const uint64_t huge = uint64_t{1} << 60;
  std::memcpy(file.data(), &huge, sizeof(huge));
  expect_file_refused(file, {"x.safetensors", "1152921504606846976", "2 bytes follow"});
}

TEST_F(BadInput, HeaderLongerThanTheFormatAllows) {
  const std::string file = shard_of("{}", 0);
  write(path("x.safetensors"), file);
  const uint64_t length = 100'000'001;
  std::string header(sizeof(length), '\0');
  std::memcpy(header.data(), &length, sizeof(length));
  write(path("x.safetensors"), header);
  fs::resize_file(path("x.safetensors"), 8 + length);
  expect_refused(ErrorKind::kBadInput, {"100000001", "at most 100000000"},
                 [&] { SafetensorsFile::open(path("x.safetensors")); });
}

TEST_F(BadInput, OverlappingOffsets) {
  expect_file_refused(shard_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                               R"("b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
                               12),
                      {R"("a" and "b" overlap at byte 4)"});
}

TEST_F(BadInput, OffsetsOutOfRange) {
  expect_file_refused(shard_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 4),
                      {R"("a" ends at byte 8 of the data, and the file holds 4)"});
  expect_file_refused(shard_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", 8),
                      {R"("a" ends at byte 0 of the data, before its start at 8)"});
  expect_file_refused(shard_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}})", 8),
                      {"offset -8"});
}

TEST_F(BadInput, BytesThatBelongToNoTensor) {
  expect_file_refused(shard_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", 12),
                      {"bytes 0 to 4 of the data belong to no tensor"});
  expect_file_refused(shard_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 9),
                      {"bytes 8 to 9"});
}

TEST_F(BadInput, SizesThatContradictTheShape) {
  expect_file_refused(shard_of(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8),
                      {R"("a" has 8 bytes, expected 12 for F32 [3])"});
  expect_file_refused(
      shard_of(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}})", 8),
      {"too large"});
  expect_file_refused(shard_of(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,8]}})", 8),
                      {"dimension -1"});
}

TEST_F(BadInput, HeadersThatAreNoHeader) {
  expect_file_refused(shard_of("[]", 0), {"the header is an array, expected a JSON object"});
  expect_file_refused(shard_of("{", 0), {"not valid JSON"});
  expect_file_refused(shard_of(R"({"a":{"dtype":"F32","shape":[2]}})", 8),
                      {R"("a")", "lacks data_offsets"});
  expect_file_refused(shard_of(R"({"a":{"dtype":"Q4_K","shape":[2],"data_offsets":[0,8]}})", 8),
                      {R"("a")", R"(unknown dtype "Q4_K")"}, ErrorKind::kUnsupported);
  expect_file_refused(shard_of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                               R"("a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                               8),
                      {R"(names tensor "a" twice)"});
  expect_file_refused(shard_of("{\"\xff\":{}}", 0), {"not valid JSON"});
}

// A directory whose parts do not fit together.

TEST_F(BadInput, DirectoryThatIsNoCheckpoint) {
  expect_checkpoint_refused(ErrorKind::kNotFound, {dir_, "config.json"});
  fs::copy_file(kGolden + "/config.json", path("config.json"));
  expect_checkpoint_refused(ErrorKind::kNotFound, {dir_, "not a checkpoint", kSingleFileName});
  expect_refused(ErrorKind::kNotFound, {"/no/such/place"},
                 [] { Checkpoint::open("/no/such/place"); });
}

TEST_F(BadInput, MissingShard) {
  copy_golden();
  fs::remove(path(kSecondShard));
  expect_checkpoint_refused(ErrorKind::kNotFound, {kSecondShard, "this shard is missing"});
}

TEST_F(BadInput, IndexThatNamesATensorTwice) {
  copy_golden();
  std::string text = read(path(kIndexFileName));
  const size_t at = text.find("\"lm_head.weight\"");
  ASSERT_NE(at, std::string::npos);
  text.insert(at, "\"lm_head.weight\": \"" + kSecondShard + "\", ");
  write(path(kIndexFileName), text);
  expect_checkpoint_refused(ErrorKind::kBadInput,
                            {kIndexFileName, "\"lm_head.weight\" stands twice"});
}

TEST_F(BadInput, IndexThatDisagreesWithTheShards) {
  copy_golden();
  edit_json(kIndexFileName, [](Json& json) { json["weight_map"].erase("lm_head.weight"); });
  expect_checkpoint_refused(ErrorKind::kBadInput,
                            {kIndexFileName, "lm_head.weight", "the index does not name it"});
  copy_golden();
  edit_json(kIndexFileName, [](Json& json) { json["weight_map"]["no.such.tensor"] = kFirstShard; });
  expect_checkpoint_refused(ErrorKind::kBadInput,
                            {kIndexFileName, "no.such.tensor", "does not hold it"});
  copy_golden();
  edit_json(kIndexFileName, [](Json& json) {
    Json& file = json["weight_map"]["lm_head.weight"];
    file = file == kFirstShard ? kSecondShard : kFirstShard;
  });
  expect_checkpoint_refused(ErrorKind::kBadInput, {kIndexFileName, "lm_head.weight", "and is in"});
}

TEST_F(BadInput, IndexThatLeadsOutOfTheDirectory) {
  for (const char* file : {"../secret", "/etc/passwd", "", ".hidden"}) {
    copy_golden();
    edit_json(kIndexFileName, [&](Json& json) { json["weight_map"]["lm_head.weight"] = file; });
    expect_checkpoint_refused(ErrorKind::kBadInput,
                              {kIndexFileName, "expected the name of a file beside it"});
  }
}

TEST_F(BadInput, IndexThatIsNoIndex) {
  copy_golden();
  for (const auto& [text, part] : std::vector<std::pair<std::string, std::string>>{
           {"[]", "expected a JSON object"},
           {"{}", "there is no weight_map"},
           {R"({"weight_map": 3})", "weight_map is no object"},
           {R"({"weight_map": ["a"]})", "weight_map is no object"},
           {R"({"weight_map": {}})", "names no tensor"},
           {R"({"weight_map": {"a": 3}})", "is not a file name"},
           {"{\"weight_map", "not valid JSON"},
           {std::string(1000, '['), "expected a JSON object"},
           {R"({"x":)" + std::string(1000, '['), "nested deeper"}}) {
    write(path(kIndexFileName), text);
    expect_checkpoint_refused(ErrorKind::kBadInput, {kIndexFileName, part});
  }
}

// Tensors that are not those of the config.

// Rewrites the golden as one file with `change` applied to its tensors.
void rewrite(const std::string& dir, const std::function<void(std::vector<NamedTensor>&)>& change) {
  const Checkpoint golden = Checkpoint::open(kGolden);
  std::vector<NamedTensor> tensors;
  for (const TensorView& t : golden.tensors()) {
    tensors.push_back({{std::string(t.name), t.dtype, t.shape}, {t.data, t.bytes}});
  }
  change(tensors);
  write_safetensors(io::join(dir, kSingleFileName), tensors);
  fs::copy_file(kGolden + "/config.json", io::join(dir, "config.json"),
                fs::copy_options::overwrite_existing);
}

NamedTensor& named(std::vector<NamedTensor>& tensors, const std::string& name) {
  for (NamedTensor& tensor : tensors) {
    if (tensor.spec.name == name) return tensor;
  }
  throw std::runtime_error("no tensor " + name);
}

TEST_F(BadInput, WrongDtype) {
  rewrite(dir_, [](auto& tensors) {
    NamedTensor& norm = named(tensors, "model.norm.weight");
    norm.spec.dtype = DType::kF8E4M3;
    norm.bytes = norm.bytes.first(static_cast<size_t>(norm.spec.elements()));
  });
  expect_checkpoint_refused(ErrorKind::kBadInput,
                            {"\"model.norm.weight\"", "has dtype F8_E4M3", "expected BF16 or F32"});
}

TEST_F(BadInput, WrongShape) {
  rewrite(dir_, [](auto& tensors) {
    std::vector<int64_t>& shape = named(tensors, "lm_head.weight").spec.shape;
    std::swap(shape[0], shape[1]);
  });
  expect_checkpoint_refused(ErrorKind::kBadInput, {"\"lm_head.weight\"", "has shape [192, "});
}

TEST_F(BadInput, MissingAndUnexpectedTensors) {
  rewrite(dir_, [](auto& tensors) {
    named(tensors, "model.norm.weight").spec.name = "model.norm.wieght";
  });
  expect_checkpoint_refused(ErrorKind::kBadInput,
                            {"\"model.norm.weight\"", "missing, expected shape [192]", "1 more"});
}

TEST_F(BadInput, MissingScale) {
  const std::string scale = "model.layers.0.mlp.down_proj.weight_scale_inv";
  rewrite(dir_, [&](auto& tensors) {
    std::erase_if(tensors, [&](const NamedTensor& t) { return t.spec.name == scale; });
  });
  expect_checkpoint_refused(ErrorKind::kBadInput, {scale, "missing, expected F32 ["});
}

TEST_F(BadInput, ScaleOfAnotherShape) {
  const std::string scale = "model.layers.0.mlp.down_proj.weight_scale_inv";
  rewrite(dir_, [&](auto& tensors) {
    NamedTensor& tensor = named(tensors, scale);
    tensor.spec.shape = {tensor.spec.elements()};
  });
  expect_checkpoint_refused(ErrorKind::kBadInput, {scale, "expected F32 ["});
}

TEST_F(BadInput, ScalesThatAreNotFinite) {
  const std::string name = "model.layers.0.mlp.down_proj.weight_scale_inv";
  for (const float value : {NAN, INFINITY, -INFINITY}) {
    std::vector<float> values;
    rewrite(dir_, [&](auto& tensors) {
      NamedTensor& tensor = named(tensors, name);
      values.assign(static_cast<size_t>(tensor.spec.elements()), 1.0f);
      values.back() = value;
      tensor.bytes = std::as_bytes(std::span(values));
    });
    const Checkpoint checkpoint = Checkpoint::open(dir_);
    expect_refused(ErrorKind::kBadInput, {dir_, name, "the scale of block [", "expected a finite"},
                   [&] { check_scales(checkpoint.get(name), dir_); });
  }
}

// Values in config.json.

TEST_F(BadInput, ConfigValuesOutOfRange) {
  using enum ErrorKind;
  const Json huge = uint64_t{1} << 62;
  for (const char* key :
       {"hidden_size", "vocab_size", "intermediate_size", "moe_intermediate_size",
        "num_hidden_layers", "num_attention_heads", "kv_lora_rank", "q_lora_rank",
        "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim", "n_routed_experts",
        "num_experts_per_tok", "n_group", "topk_group", "max_position_embeddings"}) {
    expect_config_refused(key, huge, kBadInput, {"4611686018427387904"});
    expect_config_refused(key, -1, kBadInput, {"-1"});
    expect_config_refused(key, 1.5, kBadInput, {"1.5"});
    expect_config_refused(key, "12", kBadInput, {"\"12\""});
  }
  expect_config_refused("hidden_size", 0, kBadInput, {"0"});
  expect_config_refused("rms_norm_eps", -1e-6, kBadInput, {});
  expect_config_refused("rope_theta", 0, kBadInput, {});
  expect_config_refused("num_experts_per_tok", 15, kBadInput, {"15"});
  expect_config_refused("n_group", 5, kBadInput, {"5", "divisor"});
}

TEST_F(BadInput, ConfigValuesUnknownHere) {
  using enum ErrorKind;
  expect_config_refused("architectures", Json::array({"LlamaForCausalLM"}), kUnsupported,
                        {"LlamaForCausalLM", "DeepseekV3ForCausalLM"});
  expect_config_refused("scoring_func", "tanh", kUnsupported, {"tanh"});
  expect_config_refused("topk_method", "random", kUnsupported, {"random"});
  expect_config_refused("hidden_act", "gelu", kUnsupported, {"gelu"});
  expect_config_refused("attention_bias", true, kUnsupported, {});
  expect_config_refused("rope_scaling", {{"type", "linear"}, {"factor", 2}}, kUnsupported,
                        {"linear"});
  expect_config_refused("quantization_config", {{"quant_method", "awq"}}, kUnsupported, {"awq"});
}

TEST_F(BadInput, ConfigThatIsNoConfig) {
  copy_golden();
  const std::string text = read(path("config.json"));
  for (const auto& [bad, part] : std::vector<std::pair<std::string, std::string>>{
           {"", "JSON"},
           {"[]", "expected a JSON object"},
           {text.substr(0, text.size() / 2), "JSON"},
           {"{\"a\": \"\xff\"}", "JSON"},
           {"{\"a\": 1, \"a\": 2}", "a"},
           {std::string(100000, '['), "config.json"}}) {
    write(path("config.json"), bad);
    expect_refused(ErrorKind::kBadInput, {"config.json", part}, [&] { ModelConfig::load(dir_); });
  }
}

// A disk that fills, and a process that dies, while convert writes.

TEST_F(BadInput, FullDiskInConvertLeavesNothingUnderAFinalName) {
  const std::string target = path("out");
  io::FaultyFileSystem honest;
  honest.set_disk_bytes(100'000);
  expect_refused(ErrorKind::kIo, {target, "too full"}, [&] {
    convert_checkpoint(kGolden, target, {DType::kBF16, 1, {}}, honest);
  });
  fs::remove_all(target);
  io::FaultyFileSystem lying;
  lying.set_disk_bytes(100'000, /*honest=*/false);
  expect_refused(ErrorKind::kIo, {target}, [&] {
    convert_checkpoint(kGolden, target, {DType::kBF16, 1, {}}, lying);
  });
  for (const auto& entry : fs::directory_iterator(target)) {
    EXPECT_FALSE(entry.path().extension() == ".safetensors") << entry.path();
    EXPECT_FALSE(entry.path().filename() == "config.json");
  }
  // With room again, the same command goes on and ends well.
  convert_checkpoint(kGolden, target, {DType::kBF16, 1, {}});
  EXPECT_FALSE(Checkpoint::open(target).config().fp8);
}

TEST_F(BadInput, EveryFileOperationOfConvertMayFail) {
  io::FaultyFileSystem counting;
  convert_checkpoint(kGolden, path("all"), {DType::kBF16, 1, {}}, counting);
  using enum io::FileOperation;
  for (const auto operation : {kCreate, kWrite, kTruncate, kSync, kRename, kSyncDir}) {
    for (const int64_t skip : {0, 1, 2, 5}) {
      const std::string target = path("out");
      fs::remove_all(target);
      io::FaultyFileSystem files;
      files.fail_at(operation, skip, EIO);
      try {
        convert_checkpoint(kGolden, target, {DType::kBF16, 1, {}}, files);
        continue;  // fewer operations of this kind than that
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kIo) << error.what();
      }
      EXPECT_TRUE(!fs::exists(target + "/config.json") ||
                  fs::exists(target + "/.fathom-convert.json"));
      convert_checkpoint(kGolden, target, {DType::kBF16, 1, {}});
      EXPECT_EQ(read(target + "/" + kFirstShard), read(path("all") + "/" + kFirstShard));
      EXPECT_EQ(read(target + "/" + kSecondShard), read(path("all") + "/" + kSecondShard));
    }
  }
}

}  // namespace
}  // namespace fathom
