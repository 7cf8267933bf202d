#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "io/file_system.h"
#include "train/export.h"
#include "train/local_heads.h"
#include "train/report.h"

namespace fathom::train {
namespace {

ModelConfig load_architecture(const std::string& path) {
  ModelConfig config = ModelConfig::parse(io::read_file(path), path);
  if (config.scoring_func != ScoringFunc::kSigmoid || config.topk_method != TopkMethod::kNoauxTc) {
    fail(ErrorKind::kUnsupported,
         "{}: training needs scoring_func sigmoid and topk_method noaux_tc", path);
  }
  if (config.tie_word_embeddings) {
    fail(ErrorKind::kUnsupported, "{}: training with tie_word_embeddings is not supported", path);
  }
  if (config.num_nextn_predict_layers > 1) {
    fail(ErrorKind::kUnsupported, "{}: num_nextn_predict_layers is {}, training supports 0 or 1",
         path, config.num_nextn_predict_layers);
  }
  return config;
}

}  // namespace

/// The sequences of one step.
struct Trainer::StepBatch {
  int64_t sequences = 0;
  std::vector<int32_t> ids;      // [sequences, sequence + 2]
  std::vector<uint8_t> mask;     // likewise
  std::vector<int32_t> segment;  // [sequences, sequence]
  int64_t main_tokens = 0;
  int64_t mtp_tokens = 0;
};

Trainer::Trainer(const Settings& settings, bool resume)
    : settings_(settings),
      config_(load_architecture(settings.model)),
      layout_(config_),
      pool_(settings.threads > 0 ? settings.threads : available_processors()),
      weights_(layout_, config_.n_routed_experts, settings.optimizer.ema > 0),
      net_(config_, layout_, pool_, settings.precision),
      loader_(settings.data.train, settings.data.sequence, config_.vocab_size, settings.seed),
      grads_(static_cast<size_t>(layout_.size) * 4),
      load_(layout_.moe_layers.size() * static_cast<size_t>(config_.n_routed_experts), 0) {
  if (settings.data.sequence > config_.max_position_embeddings) {
    fail(ErrorKind::kBadInput, "data.sequence is {}, the model's context {}",
         settings.data.sequence, config_.max_position_embeddings);
  }
  if (settings.batch.shards > 1) shard_grads_ = Buffer(static_cast<size_t>(layout_.size) * 4);
  io::system_files().create_dirs(settings.output.dir);
  const bool saved = std::filesystem::exists(state_path());
  if (saved && !resume) {
    fail(ErrorKind::kConflict, "{}: holds a run already; --resume goes on with it",
         settings.output.dir);
  }
  if (saved) {
    progress_ = load_state(state_path(), layout_, weights_);
    loader_.restore(progress_.loader);
  } else {
    const double embedding_std =
        settings.embedding_std > 0 ? settings.embedding_std : settings.init_std;
    weights_.initialize(layout_, settings.init_std, embedding_std, settings.seed);
    if (settings.local_heads > 0) {
      start_local_heads(config_, layout_, {settings.local_heads, settings.init_std, embedding_std},
                        weights_.params.as<float>());
      std::memcpy(weights_.ema.data(), weights_.params.data(), weights_.ema.size());
    }
    if (!settings.init_from.empty()) load_parameters(settings.init_from, layout_, weights_);
  }
  journal_ = std::make_unique<Journal>(settings.output.dir, progress_.step,
                                       settings.schedule.steps(), config_.n_routed_experts);
}

double Trainer::flops_per_token() const {
  const ModelConfig& c = config_;
  const double heads = static_cast<double>(c.num_attention_heads);
  double linear = 0;
  for (const Param& p : layout_.params) {
    if (p.kind == ParamKind::kNorm || p.name == "model.embed_tokens.weight") continue;
    double share = 1;
    if (p.name.find(".experts.") != std::string::npos) {
      share = static_cast<double>(c.num_experts_per_tok) / static_cast<double>(c.n_routed_experts);
    }
    if (p.name == "lm_head.weight") share = c.num_nextn_predict_layers > 0 ? 2 : 1;
    linear += share * static_cast<double>(p.size());
  }
  // Causal attention: half of the keys on average; the backward pass has five products for the
  // forward pass' two (one of them the scores again).
  const double layers = static_cast<double>(c.num_hidden_layers + c.num_nextn_predict_layers);
  const double keys = static_cast<double>(settings_.data.sequence) / 2;
  const double head = static_cast<double>(c.qk_head_dim() + c.v_head_dim);
  return 6 * linear + 2 * layers * heads * keys * head * 3;
}

void Trainer::gather_batch(int64_t sequences, StepBatch& batch) {
  const int64_t seq = settings_.data.sequence, width = seq + 2;
  batch.sequences = sequences;
  batch.ids.resize(sequences * width);
  batch.mask.resize(sequences * width);
  for (int64_t i = 0; i < sequences; ++i) {
    loader_.next(batch.ids.data() + i * width, batch.mask.data() + i * width);
  }
  if (!settings_.data.use_mask) std::fill(batch.mask.begin(), batch.mask.end(), 1);
  if (settings_.data.isolate_documents) batch.segment.resize(sequences * seq);
  for (int64_t i = 0; i < sequences; ++i) {
    const int32_t* ids = batch.ids.data() + i * width;
    const uint8_t* mask = batch.mask.data() + i * width;
    int32_t start = 0;
    for (int64_t t = 0; t < seq; ++t) {
      if (settings_.data.isolate_documents) {
        if (ids[t] == config_.bos_token_id) start = static_cast<int32_t>(t);
        batch.segment[i * seq + t] = start;
      }
      batch.main_tokens += mask[t + 1];
      batch.mtp_tokens += mask[t + 2];
    }
  }
}

LossSums Trainer::pass(const StepBatch& batch, int64_t first, int64_t count,
                       const LossScales& scales, float* grads) {
  const int64_t seq = settings_.data.sequence;
  MicroBatch micro;
  micro.batch = count;
  micro.seq = seq;
  micro.ids = batch.ids.data() + first * (seq + 2);
  micro.mask = batch.mask.data() + first * (seq + 2);
  if (!batch.segment.empty()) micro.segment = batch.segment.data() + first * seq;
  return grads ? net_.train(micro, scales, grads, load_.data())
               : net_.evaluate(micro, load_.data());
}

void Trainer::step() {
  const auto begin = std::chrono::steady_clock::now();
  const ObjectiveSettings& o = settings_.objective;
  const int64_t step = progress_.step, sequences = settings_.sequences_at(step);
  StepBatch batch;
  gather_batch(sequences, batch);
  const bool late = o.mtp_late_step >= 0 && step >= o.mtp_late_step;
  LossScales scales;
  scales.main = 1.0 / static_cast<double>(std::max<int64_t>(1, batch.main_tokens));
  scales.mtp = (late ? o.mtp_late_weight : o.mtp_weight) /
               static_cast<double>(std::max<int64_t>(1, batch.mtp_tokens));
  scales.balance = o.balance_alpha / static_cast<double>(sequences);

  net_.load(weights_.params.as<float>(), weights_.bias.data());
  std::fill(load_.begin(), load_.end(), 0);
  float* grads = grads_.as<float>();
  std::memset(grads, 0, grads_.size());
  LossSums sums;
  const int64_t per_shard = sequences / settings_.batch.shards;
  for (int64_t shard = 0; shard < settings_.batch.shards; ++shard) {
    float* to = shard == 0 ? grads : shard_grads_.as<float>();
    if (shard > 0) std::memset(to, 0, shard_grads_.size());
    for (int64_t at = 0; at < per_shard; at += settings_.batch.micro) {
      const LossSums part = pass(batch, shard * per_shard + at,
                                 std::min(settings_.batch.micro, per_shard - at), scales, to);
      sums.main += part.main;
      sums.mtp += part.mtp;
      sums.balance += part.balance;
      sums.mtp_correct += part.mtp_correct;
    }
    if (shard > 0) {
      for (int64_t i = 0; i < layout_.size; ++i) grads[i] += to[i];
    }
  }

  StepRecord record;
  record.grad_norm = gradient_norm(pool_, grads, layout_.size);
  record.loss = sums.main * scales.main;
  if (!std::isfinite(record.loss) || !std::isfinite(record.grad_norm)) {
    fail(ErrorKind::kBadInput,
         "step {}: loss {}, gradient norm {}: the run diverged; {} holds the last good state",
         step + 1, record.loss, record.grad_norm, state_path());
  }
  const double clip = settings_.optimizer.clip;
  const double scale = clip > 0 && record.grad_norm > clip ? clip / record.grad_norm : 1.0;
  record.lr = settings_.schedule.rate(step);
  adamw(pool_, layout_, settings_.optimizer, record.lr, step, scale, grads, weights_);
  if (o.gamma_steps < 0 || step < o.gamma_steps) {
    update_bias(load_, config_.n_routed_experts, o.gamma, weights_.bias);
  }

  progress_.step = record.step = step + 1;
  progress_.tokens += sequences * settings_.data.sequence;
  progress_.loader = loader_.state();
  record.tokens = progress_.tokens;
  const double mtp_tokens = static_cast<double>(std::max<int64_t>(1, batch.mtp_tokens));
  record.mtp_loss = sums.mtp / mtp_tokens;
  record.mtp_accuracy = static_cast<double>(sums.mtp_correct) / mtp_tokens;
  record.balance_loss = sums.balance;
  record.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  record.tokens_per_second =
      static_cast<double>(sequences * settings_.data.sequence) / record.seconds;
  record.max_violation = max_violation(load_, config_.n_routed_experts);
  record.load = load_;
  journal_->step(record);
}

/// Always the same sequences: the first that a loader of its own gives.
ValidationRecord Trainer::validate() {
  Loader loader(settings_.data.validation, settings_.data.sequence, config_.vocab_size, 1);
  std::swap(loader, loader_);
  StepBatch batch;
  gather_batch(settings_.output.validate_sequences, batch);
  std::swap(loader, loader_);
  net_.load(weights_.params.as<float>(), weights_.bias.data());
  std::fill(load_.begin(), load_.end(), 0);
  LossSums sums;
  for (int64_t at = 0; at < batch.sequences; at += settings_.batch.micro) {
    const LossSums part =
        pass(batch, at, std::min(settings_.batch.micro, batch.sequences - at), {}, nullptr);
    sums.main += part.main;
    sums.mtp += part.mtp;
    sums.mtp_correct += part.mtp_correct;
  }
  ValidationRecord record;
  record.step = progress_.step;
  const double mtp_tokens = static_cast<double>(std::max<int64_t>(1, batch.mtp_tokens));
  record.loss = sums.main / static_cast<double>(std::max<int64_t>(1, batch.main_tokens));
  record.mtp_loss = sums.mtp / mtp_tokens;
  record.mtp_accuracy = static_cast<double>(sums.mtp_correct) / mtp_tokens;
  record.max_violation = max_violation(load_, config_.n_routed_experts);
  return record;
}

void Trainer::save() { save_state(state_path(), layout_, weights_, progress_); }

void Trainer::export_now() {
  ExportOptions options;
  options.fp8 = !settings_.output.export_bf16;
  options.tokenizer = settings_.data.tokenizer;
  const bool average = settings_.output.export_ema && weights_.ema.size() > 0;
  export_model(settings_.output.dir + "/export", config_, layout_,
               (average ? weights_.ema : weights_.params).as<float>(), weights_.bias.data(),
               options);
}

void Trainer::run(const std::atomic<bool>& stop) {
  const OutputSettings& out = settings_.output;
  const int64_t steps = settings_.schedule.steps();
  const auto due = [&](int64_t every) {
    return every > 0 && (progress_.step % every == 0 || progress_.step == steps);
  };
  while (progress_.step < steps) {
    step();
    if (!settings_.data.validation.empty() && due(out.validate_every))
      journal_->validation(validate());
    if (due(out.save_every) || stop) save();
    if (due(out.export_every)) {
      export_now();
      write_report(journal_->path(), out.dir + "/report.html");
    }
    if (stop) {
      journal_->finish();
      fail(ErrorKind::kCancelled, "stopped after step {}; --resume goes on", progress_.step);
    }
  }
  journal_->finish();
  save();
  export_now();
  write_report(journal_->path(), out.dir + "/report.html");
}

}  // namespace fathom::train
