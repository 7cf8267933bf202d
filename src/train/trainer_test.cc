#include "train/trainer.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/error.h"
#include "base/rng.h"
#include "checkpoint/checkpoint.h"
#include "io/file_system.h"
#include "train/token_bin.h"

namespace fathom::train {
namespace {
namespace fs = std::filesystem;

constexpr const char* kConfig = R"({
  "architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3",
  "bos_token_id": 0, "eos_token_id": 1, "first_k_dense_replace": 1, "hidden_act": "silu",
  "hidden_size": 16, "intermediate_size": 16, "kv_lora_rank": 8, "max_position_embeddings": 64,
  "moe_intermediate_size": 8, "moe_layer_freq": 1, "n_group": 2, "n_routed_experts": 4,
  "n_shared_experts": 1, "norm_topk_prob": true, "num_attention_heads": 2,
  "num_experts_per_tok": 2, "num_hidden_layers": 2, "num_key_value_heads": 2,
  "num_nextn_predict_layers": 1, "q_lora_rank": 8, "qk_nope_head_dim": 4, "qk_rope_head_dim": 4,
  "rms_norm_eps": 1e-06, "rope_theta": 10000, "routed_scaling_factor": 1.0,
  "scoring_func": "sigmoid", "tie_word_embeddings": false, "topk_group": 1,
  "topk_method": "noaux_tc", "torch_dtype": "bfloat16", "v_head_dim": 8, "vocab_size": 40,
  "attention_bias": false})";

/// A folder with a tiny architecture and a bin of runs that count up, which is quickly learnt. A
/// run is shorter than a window: else an epoch's windows would cut all runs at one place, and what
/// comes after the other places would be forgotten.
class TrainerTest : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = testing::TempDir() + "trainer_" +
           testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(dir_);
    fs::create_directories(dir_);
    std::ofstream(dir_ + "/config.json") << kConfig;
    TokenBinWriter writer(dir_ + "/data.bin", 40, true);
    Rng rng(1);
    for (int i = 0; i < 300; ++i) {
      std::vector<int32_t> ids;
      const auto start = static_cast<int32_t>(rng.below(20));
      for (int32_t t = 0; t < 12; ++t) ids.push_back(2 + start + t);
      ids.push_back(1);
      writer.append(ids, std::vector<uint8_t>(ids.size(), 1));
    }
    writer.finish();
  }
  void TearDown() override { fs::remove_all(dir_); }

  Settings settings(const std::string& run, int64_t steps, int threads = 2) const {
    Settings s;
    s.model = dir_ + "/config.json";
    s.precision = Precision::kFP8;
    s.threads = threads;
    s.data.train = {{dir_ + "/data.bin", 1}};
    s.data.validation = s.data.train;
    s.data.sequence = 16;
    s.data.use_mask = s.data.isolate_documents = true;
    s.batch.sequences = 4;
    s.batch.micro = 2;
    s.batch.shards = 2;
    s.schedule.peak = 5e-3;
    s.schedule.final = 1e-3;
    s.schedule.warmup = 5;
    s.schedule.constant = steps - 15;
    s.schedule.decay = 10;
    s.optimizer.rounding_seed = 3;
    s.output.dir = dir_ + "/" + run;
    s.output.save_every = 7;
    s.output.validate_every = 20;
    s.output.validate_sequences = 4;
    return s;
  }
  static void train(const Settings& s, bool resume = false) {
    const std::atomic<bool> stop = false;
    SoleRank alone;
    Trainer(s, alone, resume).run(stop);
  }
  std::string state(const std::string& run) const {
    return io::read_file(dir_ + "/" + run + "/state.safetensors");
  }
  std::string weights(const std::string& run) const {
    return io::read_file(dir_ + "/" + run + "/export/model.safetensors");
  }
  int64_t steps_logged(const std::string& run) const {
    std::ifstream log(dir_ + "/" + run + "/log.jsonl");
    int64_t lines = 0;
    for (std::string line; std::getline(log, line);) ++lines;
    return lines;
  }

  std::string dir_;
};

TEST_F(TrainerTest, LearnsWhatIsRegular) {
  const Settings s = settings("run", 200);
  train(s);
  std::ifstream log(dir_ + "/run/log.jsonl");
  std::string line, last;
  while (std::getline(log, line)) {
    if (line.find("\"validation_loss\"") != std::string::npos) last = line;
  }
  const double loss = std::stod(last.substr(last.find("\"validation_loss\":") + 18));
  // It starts at ln 40 = 3.7; what remains is the first id of each run and each window.
  EXPECT_LT(loss, 0.6);
}

TEST_F(TrainerTest, ThreadsDoNotChangeABit) {
  train(settings("one", 20, 1));
  train(settings("three", 20, 3));
  EXPECT_EQ(state("one"), state("three"));
  EXPECT_EQ(weights("one"), weights("three"));
}

TEST_F(TrainerTest, KilledRunsGoOnByteForByte) {
  constexpr int64_t kSteps = 200;
  train(settings("whole", kSteps));
  const Settings s = settings("killed", kSteps);
  for (const int64_t at : {30, 80, 130}) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      try {
        train(s, /*resume=*/true);
      } catch (...) {
        _exit(1);
      }
      _exit(0);
    }
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (steps_logged("killed") < at && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the run ended before it was killed";
  }
  train(s, /*resume=*/true);
  EXPECT_EQ(state("whole"), state("killed"));
  EXPECT_EQ(weights("whole"), weights("killed"));
  EXPECT_EQ(steps_logged("whole"), steps_logged("killed"));
}

TEST_F(TrainerTest, BeginsFromACheckpointDirectory) {
  for (bool bf16 : {true, false}) {
    const std::string name = bf16 ? "bf16" : "fp8";
    Settings first = settings("first-" + name, 30);
    first.output.export_bf16 = bf16;
    train(first);
    // Steps that change nothing show what was read.
    Settings second = settings("second-" + name, 20);
    second.output.export_bf16 = bf16;
    second.seed = 9;
    second.init_from = first.output.dir + "/export";
    second.schedule.peak = second.schedule.final = 0;
    second.objective.gamma = 0;
    train(second);
    const Checkpoint before = Checkpoint::open(second.init_from);
    const Checkpoint after = Checkpoint::open(second.output.dir + "/export");
    for (const TensorView& tensor : before.tensors()) {
      const TensorView& again = after.get(tensor.name);
      if (tensor.dtype == DType::kF32) {  // a scale comes back from its block's largest value
        for (size_t i = 0; i < tensor.as<float>().size(); ++i) {
          EXPECT_FLOAT_EQ(tensor.as<float>()[i], again.as<float>()[i]) << tensor.name;
        }
      } else {
        EXPECT_EQ(std::memcmp(tensor.data, again.data, tensor.bytes), 0) << tensor.name;
      }
    }
  }
}

TEST_F(TrainerTest, RefusesACheckpointOfAnotherArchitecture) {
  train(settings("first", 20));
  std::string config = kConfig;
  const std::string four = "\"n_routed_experts\": 4";
  config.replace(config.find(four), four.size(), "\"n_routed_experts\": 8");
  std::ofstream(dir_ + "/other.json") << config;
  Settings other = settings("other", 20);
  other.model = dir_ + "/other.json";
  other.init_from = dir_ + "/first/export";
  try {
    train(other);
    FAIL() << "not refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kBadInput);
    EXPECT_NE(std::string(error.what()).find("expected [8"), std::string::npos) << error.what();
  }
}

TEST_F(TrainerTest, RefusesToOverwriteARun) {
  train(settings("run", 16));
  EXPECT_THROW(train(settings("run", 16)), Error);
}

}  // namespace
}  // namespace fathom::train
