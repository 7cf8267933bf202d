// A conversation as a file and as messages.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace fathom::cli {

struct Message {
  std::string role;
  std::string content;
};

struct Conversation {
  std::string system;
  std::vector<Message> messages;

  /// As the chat template takes them, the system message first.
  nlohmann::ordered_json to_messages() const;
  /// Replaces `path` in one step with {"messages": [...]}. Throws Error(kIo).
  void save(const std::string& path) const;
  /// Throws Error naming the file and the field.
  static Conversation load(const std::string& path);
};

}  // namespace fathom::cli
