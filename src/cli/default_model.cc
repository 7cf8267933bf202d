#include "cli/default_model.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "checkpoint/config.h"
#include "checkpoint/synth.h"

namespace fathom::cli {
namespace {
namespace fs = std::filesystem;

constexpr const char* kName = "fathom-10m";
constexpr const char* kStandIn = "stand-in.json";  // beside kName: the config of the stand-in

fs::path cache_dir() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME")) return fs::path(cache) / "fathom";
  if (const char* home = std::getenv("HOME")) return fs::path(home) / ".cache" / "fathom";
  return fs::temp_directory_path() / "fathom";
}

// Written under another name and renamed, so that two programs that start at once do not meet.
std::string stand_in(const fs::path& config) {
  const fs::path dir = cache_dir() / "stand-in-1";
  std::fprintf(stderr,
               "no embedded model in this build: using a small model of RANDOM weights (%s); its "
               "answers mean nothing\n",
               dir.c_str());
  if (fs::exists(dir / "config.json")) return dir.string();
  const fs::path fresh = dir.string() + "." + std::to_string(getpid());
  SynthOptions options;
  options.seed = 1;
  synth_checkpoint(ModelConfig::parse(io::read_file(config.string()), config.string()),
                   fresh.string(), options);
  std::error_code taken;
  fs::rename(fresh, dir, taken);
  if (taken) fs::remove_all(fresh);
  return dir.string();
}

}  // namespace

std::string default_model_dir() {
  if (const char* forced = std::getenv("FATHOM_MODEL")) return forced;
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  const fs::path places[] = {program / "../share/fathom/models", program / "../../models",
                             FATHOM_MODELS_DIR};
  for (const fs::path& models : places) {
    const fs::path dir = models / kName;
    if (fs::exists(dir / "config.json", ignored)) return dir.lexically_normal().string();
  }
  for (const fs::path& models : places) {
    if (fs::exists(models / kStandIn, ignored)) return stand_in(models / kStandIn);
  }
  fail(ErrorKind::kNotFound, "no embedded model at {}/{}: name a checkpoint directory",
       FATHOM_MODELS_DIR, kName);
}

}  // namespace fathom::cli
