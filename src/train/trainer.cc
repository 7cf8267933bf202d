#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "base/processors.h"
#include "io/file_system.h"
#include "train/cost.h"
#include "train/divided_weights.h"
#include "train/export.h"
#include "train/import.h"
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

/// Whether the ranks divide the experts. Throws Error where they can't, or have no shard each.
bool divide_experts(const Settings& settings, const ModelConfig& config, int ranks) {
  const int64_t shards = settings.batch.shards, experts = config.n_routed_experts;
  if (shards < ranks) {
    fail(ErrorKind::kBadInput, "batch.shards is {}, {} ranks need at least as many", shards, ranks);
  }
  if (!settings.parallel.experts || ranks == 1) return false;
  if (shards != ranks || experts % ranks != 0) {
    fail(ErrorKind::kBadInput,
         "parallel.experts: batch.shards is {} and the model has {} experts; {} ranks need as many "
         "shards and a multiple of experts",
         shards, experts, ranks);
  }
  return true;
}

void add(const LossSums& part, LossSums& sums) {
  sums.main += part.main;
  sums.mtp += part.mtp;
  sums.balance += part.balance;
  sums.mtp_correct += part.mtp_correct;
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

Trainer::Trainer(const Settings& settings, Ranks& ranks, bool resume)
    : settings_(settings),
      ranks_(ranks),
      config_(load_architecture(settings.model)),
      divided_(divide_experts(settings, config_, ranks.size())),
      whole_(config_),
      layout_(config_, divided_ ? ExpertShare{ranks.rank(), ranks.size()} : ExpertShare{}),
      pool_(settings.threads > 0 ? settings.threads : available_processors()),
      weights_(whole_, config_.n_routed_experts, settings.optimizer.ema > 0),
      net_(config_, layout_, pool_, settings.precision, divided_ ? &ranks : nullptr),
      loader_(settings.data.train, settings.data.sequence, config_.vocab_size, settings.seed),
      grads_(layout_, ranks, settings.batch.shards, divided_),
      load_(layout_.moe_layers.size() * static_cast<size_t>(config_.n_routed_experts), 0) {
  if (settings.data.sequence > config_.max_position_embeddings) {
    fail(ErrorKind::kBadInput, "data.sequence is {}, the model's context {}",
         settings.data.sequence, config_.max_position_embeddings);
  }
  io::system_files().create_dirs(settings.output.dir);
  const bool saved = std::filesystem::exists(state_path());
  if (saved && !resume) {
    fail(ErrorKind::kConflict, "{}: holds a run already; --resume goes on with it",
         settings.output.dir);
  }
  start_weights(saved);
  if (divided_) weights_ = part_of(weights_, layout_);
  if (ranks.rank() == 0) {
    journal_ = std::make_unique<Journal>(settings.output.dir, progress_.step,
                                         settings.schedule.steps(), config_.n_routed_experts);
  }
}

/// Of the whole model: from the saved state or new.
void Trainer::start_weights(bool saved) {
  if (saved) {
    progress_ = load_state(state_path(), whole_, weights_);
    loader_.restore(progress_.loader);
    return;
  }
  const double embedding_std =
      settings_.embedding_std > 0 ? settings_.embedding_std : settings_.init_std;
  weights_.initialize(whole_, settings_.init_std, embedding_std, settings_.seed);
  if (settings_.local_heads > 0) {
    start_local_heads(config_, whole_, {settings_.local_heads, settings_.init_std, embedding_std},
                      weights_.params.as<float>());
    std::memcpy(weights_.ema.data(), weights_.params.data(), weights_.ema.size());
  }
  if (settings_.init_from.empty()) return;
  if (std::filesystem::is_directory(settings_.init_from)) {
    import_model(settings_.init_from, config_, whole_, weights_);
  } else {
    load_parameters(settings_.init_from, whole_, weights_);
  }
}

double Trainer::flops_per_token() const {
  return train::flops_per_token(config_, whole_, settings_.data.sequence);
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

/// Sequences from `first` on, as many as a pass takes and not beyond `end`.
MicroBatch Trainer::micro_batch(const StepBatch& batch, int64_t first, int64_t end) const {
  const int64_t seq = settings_.data.sequence;
  MicroBatch micro;
  micro.batch = std::min(settings_.batch.micro, end - first);
  micro.seq = seq;
  micro.ids = batch.ids.data() + first * (seq + 2);
  micro.mask = batch.mask.data() + first * (seq + 2);
  if (!batch.segment.empty()) micro.segment = batch.segment.data() + first * seq;
  return micro;
}

/// Forward and backward over this rank's shards; the losses and the load are those of all ranks.
LossSums Trainer::accumulate(const StepBatch& batch, const LossScales& scales) {
  const int64_t per_shard = batch.sequences / settings_.batch.shards;
  std::vector<LossSums> passes;
  for (int64_t i = 0; i < grads_.shards(); ++i) {
    const std::vector<float*> to = grads_.begin(i);
    const int64_t first = (grads_.first_shard() + i) * per_shard, end = first + per_shard;
    for (int64_t at = first; at < end; at += settings_.batch.micro) {
      passes.push_back(net_.train(micro_batch(batch, at, end), scales, to, load_.data()));
    }
  }
  load_ = sum_all(ranks_, load_);
  LossSums sums;
  for (const LossSums& part : gather_all(ranks_, passes)) add(part, sums);
  return sums;
}

/// The global norm, from the parameters' sums in the whole model's order.
double Trainer::gradient_norm(const float* grads) {
  const std::vector<double> own = gradient_squares(pool_, layout_, grads);
  std::vector<double> squares(whole_.params.size(), 0.0);
  for (size_t i = 0, next = 0; next < own.size(); ++i) {
    const Param& p = whole_.params[i];
    if (p.place != layout_.params[next].place) continue;
    // What every rank has counts on one; what is another's is 0 here and comes from there.
    if (!divided_ || p.routed || ranks_.rank() == 0) squares[i] = own[next];
    ++next;
  }
  if (divided_) squares = sum_all(ranks_, squares);
  double sum = 0;
  for (const double s : squares) sum += s;
  return std::sqrt(sum);
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

  const ThreadPool::Burst burst(pool_);
  net_.load(weights_.params.as<float>(), weights_.bias.data());
  std::fill(load_.begin(), load_.end(), 0);
  const LossSums sums = accumulate(batch, scales);
  const float* grads = grads_.sum();

  StepRecord record;
  record.grad_norm = gradient_norm(grads);
  record.loss = sums.main * scales.main;
  if (!std::isfinite(record.loss) || !std::isfinite(record.grad_norm)) {
    const std::string kept = std::filesystem::exists(state_path())
                                 ? state_path() + " holds what was saved last"
                                 : "nothing was saved yet";
    fail(ErrorKind::kBadInput, "step {}: loss {}, gradient norm {}: the run diverged; {}", step + 1,
         record.loss, record.grad_norm, kept);
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
  if (journal_) journal_->step(record);
}

/// Always the same sequences: the first that a loader of its own gives. The ranks take passes in
/// turn; where the last round has none for a rank, it repeats the last pass and drops the result.
ValidationRecord Trainer::validate() {
  Loader loader(settings_.data.validation, settings_.data.sequence, config_.vocab_size, 1);
  std::swap(loader, loader_);
  StepBatch batch;
  gather_batch(settings_.output.validate_sequences, batch);
  std::swap(loader, loader_);
  net_.load(weights_.params.as<float>(), weights_.bias.data());
  std::fill(load_.begin(), load_.end(), 0);
  const int64_t passes = round_up(batch.sequences, settings_.batch.micro) / settings_.batch.micro;
  std::vector<LossSums> mine;
  for (int64_t round = 0; round < passes; round += ranks_.size()) {
    const int64_t own = round + ranks_.rank(), at = std::min(own, passes - 1);
    const MicroBatch micro = micro_batch(batch, at * settings_.batch.micro, batch.sequences);
    mine.push_back(net_.evaluate(micro, own < passes ? load_.data() : nullptr));
  }
  load_ = sum_all(ranks_, load_);
  const std::vector<LossSums> all = gather_all(ranks_, mine);
  const int64_t rounds = static_cast<int64_t>(mine.size());
  LossSums sums;
  for (int64_t i = 0; i < passes; ++i) {
    add(all[i % ranks_.size() * rounds + i / ranks_.size()], sums);
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

/// On rank 0; where the experts are divided, every rank's part of them goes to `gathered` first.
const Weights& Trainer::whole_weights(std::unique_ptr<Weights>& gathered) {
  if (!divided_) return weights_;
  gathered = std::make_unique<Weights>(whole_, config_.n_routed_experts, weights_.ema.size() > 0);
  gather_weights(ranks_, config_, layout_, weights_, *gathered);
  return *gathered;
}

void Trainer::save() {
  std::unique_ptr<Weights> gathered;
  const Weights& weights = whole_weights(gathered);
  if (ranks_.rank() == 0) save_state(state_path(), whole_, weights, progress_);
}

void Trainer::export_now() {
  std::unique_ptr<Weights> gathered;
  const Weights& weights = whole_weights(gathered);
  if (ranks_.rank() != 0) return;
  ExportOptions options;
  options.fp8 = !settings_.output.export_bf16;
  options.tokenizer = settings_.data.tokenizer;
  const bool average = settings_.output.export_ema && weights.ema.size() > 0;
  export_model(settings_.output.dir + "/export", config_, whole_,
               (average ? weights.ema : weights.params).as<float>(), weights.bias.data(), options);
  write_report(journal_->path(), settings_.output.dir + "/report.html");
}

void Trainer::run(const std::atomic<bool>& stop) {
  const OutputSettings& out = settings_.output;
  const int64_t steps = settings_.schedule.steps();
  const auto due = [&](int64_t every) {
    return every > 0 && (progress_.step % every == 0 || progress_.step == steps);
  };
  while (progress_.step < steps) {
    step();
    if (!settings_.data.validation.empty() && due(out.validate_every)) {
      const ValidationRecord record = validate();
      if (journal_) journal_->validation(record);
    }
    bool stopping = false;
    for (const uint8_t asked : gather_all(ranks_, std::vector<uint8_t>(1, stop))) {
      stopping |= asked != 0;
    }
    if (due(out.save_every) || stopping) save();
    if (due(out.export_every)) export_now();
    if (stopping) {
      if (journal_) journal_->finish();
      fail(ErrorKind::kCancelled, "stopped after step {}; --resume goes on", progress_.step);
    }
  }
  if (journal_) journal_->finish();
  save();
  export_now();
}

}  // namespace fathom::train
