// Speeds for people and for programs.
#pragma once

#include <span>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "bench/measure.h"

namespace fathom::bench {

/// What the figures belong to.
struct Setting {
  std::string model;  ///< directory
  std::string processor;
  std::string kernels;
  std::string numerics;
  bool moved = false;  ///< weights in huge pages, not in the mapping
  double move_seconds = 0;
  int threads = 1;
  CeilingRates one_thread;
  CeilingRates all_threads;
};

/// Everything measured, as `fathom bench --json` prints it.
nlohmann::ordered_json as_json(const Setting& setting, std::span<const Speed> speeds);

std::string setting_text(const Setting& setting);
/// The table's head, and one line of it.
std::string speed_header();
std::string speed_line(const Setting& setting, const Speed& speed);
/// Time per operation of one workload beside its roof.
std::string profile_table(const Speed& speed);

}  // namespace fathom::bench
