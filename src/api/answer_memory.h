// Remembers the ids of answers, so that a conversation that goes on has the same ids as before.
#pragma once

#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace fathom::api {

/// A client sends an answer back as text. Tokenized anew it may give other ids than the model made,
/// and from there on nothing in the context cache fits. So the ids are kept, by the hash of all the
/// text up to the answer's end: who has that text has the conversation. Thread-safe.
class AnswerMemory {
 public:
  /// Keeps at most `tokens` ids in all, the least recently used conversations go first.
  explicit AnswerMemory(int64_t tokens) : budget_(tokens) {}

  /// `text` is prompt and answer as the model has them, `ids` the same as ids.
  void remember(std::string_view text, std::vector<int32_t> ids);

  struct Found {
    size_t bytes = 0;  ///< of the text that the ids stand for
    std::vector<int32_t> ids;
  };
  /// The longest beginning of `text` that is known and ends before `mark` or at the end of `text`.
  std::optional<Found> find(std::string_view text, std::string_view mark);

 private:
  struct Entry {
    std::vector<int32_t> ids;
    std::list<std::string>::iterator place;
  };

  std::mutex mutex_;
  const int64_t budget_;
  int64_t size_ = 0;
  std::unordered_map<std::string, Entry> entries_;  // by SHA-256
  std::list<std::string> order_;                    // most recently used first
};

}  // namespace fathom::api
