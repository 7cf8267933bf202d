#include "bench/report.h"

#include <fmt/format.h>

#include <algorithm>

#include <nlohmann/json.hpp>

namespace fathom::bench {
namespace {

using Json = nlohmann::ordered_json;

Json rates_json(const CeilingRates& rates) {
  return {{"read_bytes_per_second", rates.read_bytes},
          {"scattered_bytes_per_second", rates.scattered_bytes},
          {"bf16_flops_per_second", rates.bf16_flops},
          {"f32_flops_per_second", rates.f32_flops},
          {"int8_flops_per_second", rates.int8_flops}};
}

double op_roof(const Speed& speed, size_t op) { return speed.cost.ops[op].roof(speed.ceilings); }

double all_flops(const OpCost& cost) { return cost.flops + cost.int8; }

// What arithmetic alone would reach, each kind at its own peak.
double peak_flops(const OpCost& cost, const CeilingRates& rates) {
  return all_flops(cost) / (cost.flops / rates.bf16_flops + cost.int8 / rates.int8_flops);
}

Json speed_json(const Setting& setting, const Speed& speed) {
  const double tokens = static_cast<double>(speed.workload.sequences * speed.workload.tokens);
  const OpCost total = speed.cost.total();
  Json ops = Json::array();
  for (size_t i = 0; i < kOps; ++i) {
    ops.push_back({{"name", op_name(static_cast<Op>(i))},
                   {"seconds", speed.op_seconds[i]},
                   {"roof_seconds", op_roof(speed, i)},
                   {"bytes", speed.cost.ops[i].bytes},
                   {"flops", speed.cost.ops[i].flops},
                   {"int8_flops", speed.cost.ops[i].int8}});
  }
  return {{"name", speed.workload.name},
          {"sequences", speed.workload.sequences},
          {"new_tokens", speed.workload.tokens},
          {"context", speed.workload.context},
          {"steps", speed.steps},
          {"step_seconds", speed.step_seconds()},
          {"processor_share", speed.processor_share(setting.threads)},
          {"tokens_per_second", speed.tokens_per_second()},
          {"bytes_per_token", total.bytes / tokens},
          {"flops_per_token", total.flops / tokens},
          {"int8_flops_per_token", total.int8 / tokens},
          {"experts_read_per_step", speed.experts_read},
          {"ceilings", rates_json(speed.ceilings)},
          {"roof_step_seconds", speed.roof_seconds / static_cast<double>(speed.steps)},
          {"fraction_of_roof", speed.fraction()},
          {"fraction_of_read_bandwidth",
           total.bytes / speed.step_seconds() / speed.ceilings.read_bytes},
          {"fraction_of_peak",
           all_flops(total) / speed.step_seconds() / peak_flops(total, speed.ceilings)},
          {"ops", std::move(ops)}};
}

std::string rates_text(const CeilingRates& rates) {
  const std::string scattered =
      rates.scattered_bytes > 0
          ? fmt::format(" ({:.1f} all over the weights)", rates.scattered_bytes / 1e9)
          : "";
  return fmt::format("reads {:.1f} GB/s{}, BF16 {:.0f}, F32 {:.0f}, INT8 {:.0f} GFLOP/s",
                     rates.read_bytes / 1e9, scattered, rates.bf16_flops / 1e9,
                     rates.f32_flops / 1e9, rates.int8_flops / 1e9);
}

}  // namespace

Json as_json(const Setting& setting, std::span<const Speed> speeds) {
  Json runs = Json::array();
  for (const Speed& speed : speeds) runs.push_back(speed_json(setting, speed));
  return {{"model", setting.model},
          {"processor", setting.processor},
          {"kernels", setting.kernels},
          {"numerics", setting.numerics},
          {"threads", setting.threads},
          {"weights", setting.moved ? "moved" : "mapped"},
          {"move_seconds", setting.move_seconds},
          {"ceilings",
           {{"one_thread", rates_json(setting.one_thread)},
            {"all_threads", rates_json(setting.all_threads)}}},
          {"runs", std::move(runs)}};
}

std::string setting_text(const Setting& setting) {
  const std::string weights = setting.moved
                                  ? fmt::format("weights moved in {:.1f} s", setting.move_seconds)
                                  : "weights mapped";
  std::string text = fmt::format("{}: {}, {} kernels, {} numerics, {}\n  1 thread: {}\n",
                                 setting.model, setting.processor, setting.kernels,
                                 setting.numerics, weights, rates_text(setting.one_thread));
  if (setting.threads > 1) {
    text += fmt::format("  {} threads: {}\n", setting.threads, rates_text(setting.all_threads));
  }
  return text;
}

std::string speed_header() {
  return fmt::format("{:<20}{:>10}{:>10}{:>11}{:>12}{:>10}{:>14}{:>9}{:>7}\n", "", "tokens/s",
                     "MB/token", "GFLOP/tok", "of GB/s", "all over", "of GFLOP/s", "of roof",
                     "CPUs");
}

std::string speed_line(const Setting& setting, const Speed& speed) {
  const double tokens = static_cast<double>(speed.workload.sequences * speed.workload.tokens);
  const OpCost total = speed.cost.total();
  const std::string scattered =  // not where the weights are small, or mapped
      speed.ceilings.scattered_bytes > 0
          ? fmt::format("{:.1f}", speed.ceilings.scattered_bytes / 1e9)
          : "-";
  return fmt::format("{:<20}{:>10.1f}{:>10.1f}{:>11.2f}{:>12}{:>10}{:>14}{:>8.0f}%{:>6.0f}%\n",
                     speed.workload.name, speed.tokens_per_second(), total.bytes / tokens / 1e6,
                     all_flops(total) / tokens / 1e9,
                     fmt::format("{:.1f}/{:.1f}", total.bytes / speed.step_seconds() / 1e9,
                                 speed.ceilings.read_bytes / 1e9),
                     scattered,
                     fmt::format("{:.0f}/{:.0f}", all_flops(total) / speed.step_seconds() / 1e9,
                                 peak_flops(total, speed.ceilings) / 1e9),
                     100 * speed.fraction(), 100 * speed.processor_share(setting.threads));
}

std::string profile_table(const Speed& speed) {
  std::string table = fmt::format("  {:<18}{:>10}{:>8}{:>10}{:>9}{:>10}\n", "operation", "ms",
                                  "share", "roof ms", "GB/s", "GFLOP/s");
  for (size_t i = 0; i < kOps; ++i) {
    const double seconds = speed.op_seconds[i];
    if (seconds <= 0) continue;
    const OpCost& cost = speed.cost.ops[i];
    table += fmt::format("  {:<18}{:>10.3f}{:>7.1f}%{:>10.3f}{:>9.1f}{:>10.0f}\n",
                         op_name(static_cast<Op>(i)), seconds * 1e3,
                         100 * seconds / speed.step_seconds(), op_roof(speed, i) * 1e3,
                         cost.bytes / seconds / 1e9, all_flops(cost) / seconds / 1e9);
  }
  return table;
}

}  // namespace fathom::bench
