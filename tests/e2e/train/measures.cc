// train_measures CONFIG.json [--precision fp8|bf16|f32] [--threads N] [--sequence N] [--sequences
// N]
//                [--steps N] [--products 0|1]
//
// Training's speed beside what the processor can do in BF16, sampled in turns with it: the products
// of every matrix, forward and both gradients, and whole steps on random tokens. Prints JSON.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/rng.h"
#include "base/seconds.h"
#include "io/file_system.h"
#include "kernels/peaks.h"
#include "train/cost.h"
#include "train/linear.h"
#include "train/net.h"
#include "train/optimizer.h"

namespace fathom::train {
namespace {

struct Options {
  std::string config;
  std::string precision = "fp8";
  int64_t threads = 1, sequence = 2048, sequences = 2, steps = 4, products = 1;

  Precision precision_value() const {
    return precision == "fp8"    ? Precision::kFP8
           : precision == "bf16" ? Precision::kBF16
                                 : Precision::kF32;
  }
  int64_t tokens() const { return sequence * sequences; }
};

Options parse(int argc, char** argv) {
  Options o;
  const std::map<std::string, int64_t*> numbers = {{"--threads", &o.threads},
                                                   {"--sequence", &o.sequence},
                                                   {"--sequences", &o.sequences},
                                                   {"--steps", &o.steps},
                                                   {"--products", &o.products}};
  if (argc < 2 || argc % 2 != 0)
    fail(ErrorKind::kUsage, "train_measures CONFIG.json [--flag N]...");
  o.config = argv[1];
  for (int i = 2; i + 1 < argc; i += 2) {
    const auto number = numbers.find(argv[i]);
    if (number != numbers.end()) {
      *number->second = std::atoll(argv[i + 1]);
    } else if (std::string(argv[i]) == "--precision") {
      o.precision = argv[i + 1];
    } else {
      fail(ErrorKind::kUsage, "{}: not a flag of train_measures", argv[i]);
    }
  }
  return o;
}

double now() { return seconds_of(CLOCK_MONOTONIC); }

/// Seconds of one call of `body`, from calls that take 20 ms or more together.
template <typename Body>
double seconds_of_one(const Body& body) {
  body();
  const double begin = now();
  int64_t calls = 0;
  while (now() - begin < 0.02) {
    body();
    ++calls;
  }
  return (now() - begin) / static_cast<double>(calls);
}

/// What the processor does in BF16 on all threads, FLOP/s: the mean of samples.
class Peak {
 public:
  explicit Peak(ThreadPool& pool) : pool_(pool) {}
  void sample() {
    constexpr int64_t kRounds = 1 << 18;
    const PeakLoops& loops = peak_loops();
    std::vector<float> results(static_cast<size_t>(pool_.threads()));
    const double seconds = seconds_of_one([&] {
      pool_.run(pool_.threads(), [&](int64_t i, int) { results[i] = loops.bf16(kRounds); });
    });
    sum_ += static_cast<double>(loops.bf16_flops) * kRounds * pool_.threads() / seconds;
    ++samples_;
  }
  double rate() const { return sum_ / samples_; }

 private:
  ThreadPool& pool_;
  double sum_ = 0;
  int samples_ = 0;
};

std::vector<float> random_values(int64_t n, double spread) {
  Rng rng(static_cast<uint64_t>(n));
  std::vector<float> x(static_cast<size_t>(n));
  for (float& v : x) v = static_cast<float>(spread * rng.normal());
  return x;
}

/// Seconds of a matrix' three products over `rows` tokens; `operands`: of what makes activations
/// and gradients ready for them.
struct ProductTimes {
  double products = 0, operands = 0;
};

ProductTimes time_products(ThreadPool& pool, int64_t out, int64_t in, int64_t rows, Format format) {
  const std::vector<float> w = random_values(out * in, 0.05), x = random_values(rows * in, 1.0);
  const std::vector<float> dy = random_values(rows * out, 1e-3);
  std::vector<float> y(static_cast<size_t>(rows * out)), dx(static_cast<size_t>(rows * in));
  std::vector<float> dw(w.size());
  Linear<float> linear(out, in, 0, format);
  linear.load(w.data());
  Rows<float> x_rows, dy_rows;
  Pairs<float> x_pairs, dy_pairs;
  const Dense<float> dense_x{x.data(), in, nullptr, rows, in};
  const Dense<float> dense_dy{dy.data(), out, nullptr, rows, out};
  ProductTimes t;
  t.operands = seconds_of_one([&] {
    x_rows.assign(pool, dense_x, format, ScaleKind::kExact);
    dy_rows.assign(pool, dense_dy, format, ScaleKind::kExact);
    x_pairs.assign(pool, dense_x, format, ScaleKind::kExact);
    dy_pairs.assign(pool, dense_dy, format, ScaleKind::kExact);
  });
  t.products = seconds_of_one([&] { linear.forward_all(pool, x_rows, y.data(), out); });
  t.products += seconds_of_one([&] { linear.dgrad_all(pool, dy_rows, dx.data(), in, false); });
  t.products += seconds_of_one([&] { linear.wgrad_all(pool, dy_pairs, x_pairs, dw.data()); });
  return t;
}

/// All products of one step, each shape measured once.
nlohmann::ordered_json measure_products(const Options& o, const ModelConfig& config,
                                        const Layout& layout, ThreadPool& pool) {
  const Precision precision = o.precision_value();
  const Format trunk = precision == Precision::kFP8    ? Format::kFP8
                       : precision == Precision::kBF16 ? Format::kBF16
                                                       : Format::kDense;
  const Format high = precision == Precision::kF32 ? Format::kDense : Format::kBF16;
  std::map<std::string, ProductTimes> measured;
  Peak peak(pool);
  double flops = 0, products = 0, operands = 0;
  for (const Param& p : layout.params) {
    const double uses = uses_per_token(config, p);
    // The router is no product of a Linear: its dot products are in F32.
    if (uses == 0 || p.name.ends_with("mlp.gate.weight")) continue;
    const int64_t rows =
        static_cast<int64_t>(std::min(uses, 1.0) * static_cast<double>(o.tokens()));
    const Format format = p.kind == ParamKind::kLinear ? trunk : high;
    const std::string key =
        fmt::format("{}x{}x{}{}", rows, p.rows, p.cols, format == trunk ? "" : " high");
    if (!measured.contains(key)) {
      peak.sample();
      measured[key] = time_products(pool, p.rows, p.cols, rows, format);
    }
    const double times = std::max(uses, 1.0);
    flops += 6 * times * static_cast<double>(rows * p.size());
    products += times * measured[key].products;
    operands += times * measured[key].operands;
  }
  peak.sample();
  return {{"peak_gflops", peak.rate() / 1e9},
          {"products_gflops", flops / products / 1e9},
          {"products_of_peak", flops / products / peak.rate()},
          {"with_operands_of_peak", flops / (products + operands) / peak.rate()}};
}

nlohmann::ordered_json measure_steps(const Options& o, const ModelConfig& config,
                                     const Layout& layout, ThreadPool& pool) {
  Weights weights(layout, config.n_routed_experts, true);
  weights.initialize(layout, 0.03, 0.25, 1);
  Net<float> net(config, layout, pool, o.precision_value());
  std::vector<float> grads(static_cast<size_t>(layout.size));
  std::vector<int32_t> ids(static_cast<size_t>(o.sequences * (o.sequence + 2)));
  Rng rng(2);
  const MicroBatch batch{o.sequences, o.sequence, ids.data(), nullptr, nullptr};
  OptimizerSettings optimizer;
  Peak peak(pool);
  double seconds = 0;
  for (int64_t step = -1; step < o.steps; ++step) {
    for (int32_t& id : ids) id = static_cast<int32_t>(rng.below(config.vocab_size));
    peak.sample();
    const double begin = now();
    const ThreadPool::Burst burst(pool);
    net.load(weights.params.as<float>(), weights.bias.data());
    std::fill(grads.begin(), grads.end(), 0.0f);
    const double scale = 1.0 / static_cast<double>(o.tokens());
    net.train(batch, {scale, 0.3 * scale, 1e-4}, grads.data(), nullptr);
    gradient_squares(pool, layout, grads.data());
    adamw(pool, layout, optimizer, 1e-4, std::max<int64_t>(step, 0), 1.0, grads.data(), weights);
    if (step >= 0) seconds += now() - begin;  // the first one touches all memory
  }
  const double rate = static_cast<double>(o.steps * o.tokens()) / seconds;
  const double flops = flops_per_token(config, layout, o.sequence);
  return {{"peak_gflops", peak.rate() / 1e9},
          {"tokens_per_second", rate},
          {"mflop_per_token", flops / 1e6},
          {"gflops", rate * flops / 1e9},
          {"of_peak", rate * flops / peak.rate()}};
}

void run(const Options& o) {
  const ModelConfig config = ModelConfig::parse(io::read_file(o.config), o.config);
  const Layout layout(config);
  ThreadPool pool(static_cast<int>(o.threads));
  nlohmann::ordered_json report = {{"precision", o.precision}, {"threads", o.threads}};
  if (o.products != 0) report["products"] = measure_products(o, config, layout, pool);
  report["steps"] = measure_steps(o, config, layout, pool);
  std::puts(report.dump(1).c_str());
}

}  // namespace
}  // namespace fathom::train

int main(int argc, char** argv) {
  try {
    fathom::train::run(fathom::train::parse(argc, argv));
    return 0;
  } catch (const fathom::Error& error) {
    std::fprintf(stderr, "train_measures: %s\n", error.what());
    return fathom::exit_code(error.kind());
  }
}
