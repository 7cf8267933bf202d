#include "cli/default_model.h"

#include <cstdlib>
#include <filesystem>

#include "base/error.h"

namespace fathom::cli {
namespace {
namespace fs = std::filesystem;

constexpr const char* kName = "fathom-10m";

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
  fail(ErrorKind::kNotFound, "no embedded model at {}/{}: name a checkpoint directory",
       FATHOM_MODELS_DIR, kName);
}

}  // namespace fathom::cli
