#include "cli/conversation.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "io/file_system.h"

namespace fathom::cli {

nlohmann::ordered_json Conversation::to_messages() const {
  auto list = nlohmann::ordered_json::array();
  if (!system.empty()) list.push_back({{"role", "system"}, {"content", system}});
  for (const Message& m : messages) list.push_back({{"role", m.role}, {"content", m.content}});
  return list;
}

void Conversation::save(const std::string& path) const {
  const nlohmann::ordered_json file = {{"messages", to_messages()}};
  io::write_file_atomically(io::system_files(), path, file.dump(2) + "\n");
}

Conversation Conversation::load(const std::string& path) {
  Conversation result;
  try {
    const auto file = nlohmann::json::parse(io::read_file(path));
    for (const auto& entry : file.at("messages")) {
      Message message{entry.at("role"), entry.at("content")};
      if (message.role == "system") {
        result.system = message.content;
      } else if (message.role == "user" || message.role == "assistant") {
        result.messages.push_back(std::move(message));
      } else {
        fail(ErrorKind::kBadInput, "{}: role {}: expected system, user or assistant", path,
             message.role);
      }
    }
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorKind::kBadInput, "{}: expected {{\"messages\": [{{\"role\", \"content\"}}]}}: {}",
         path, error.what());
  }
  return result;
}

}  // namespace fathom::cli
