#include "api/answer_memory.h"

#include <openssl/evp.h>

#include <algorithm>
#include <memory>

#include "base/check.h"

namespace fathom::api {
namespace {

/// SHA-256 of a text that grows.
class Hasher {
 public:
  Hasher() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    FATHOM_CHECK(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
  }
  void add(std::string_view text) {
    FATHOM_CHECK(EVP_DigestUpdate(context_.get(), text.data(), text.size()) == 1);
  }
  /// Of what was added so far.
  std::string digest() const {
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> copy(EVP_MD_CTX_new(),
                                                                       EVP_MD_CTX_free);
    std::string out(32, '\0');
    FATHOM_CHECK(EVP_MD_CTX_copy_ex(copy.get(), context_.get()) == 1);
    FATHOM_CHECK(
        EVP_DigestFinal_ex(copy.get(), reinterpret_cast<unsigned char*>(out.data()), nullptr) == 1);
    return out;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

void AnswerMemory::remember(std::string_view text, std::vector<int32_t> ids) {
  Hasher hasher;
  hasher.add(text);
  const std::string key = hasher.digest();
  const std::lock_guard lock(mutex_);
  if (const auto known = entries_.find(key); known != entries_.end()) {
    size_ -= std::ssize(known->second.ids);
    order_.erase(known->second.place);
    entries_.erase(known);
  }
  size_ += std::ssize(ids);
  order_.push_front(key);
  entries_[key] = {std::move(ids), order_.begin()};
  while (size_ > budget_) {
    const auto oldest = entries_.find(order_.back());
    size_ -= std::ssize(oldest->second.ids);
    entries_.erase(oldest);
    order_.pop_back();
  }
}

std::optional<AnswerMemory::Found> AnswerMemory::find(std::string_view text,
                                                      std::string_view mark) {
  Hasher hasher;
  std::vector<std::pair<size_t, std::string>> ends;
  for (size_t done = 0; done < text.size();) {
    const size_t from = ends.empty() || mark.empty() ? done : done + mark.size();
    const size_t at = mark.empty() ? std::string_view::npos : text.find(mark, from);
    const size_t end = std::min(at, text.size());
    hasher.add(text.substr(done, end - done));
    ends.emplace_back(end, hasher.digest());
    done = end;
  }
  const std::lock_guard lock(mutex_);
  for (auto end = ends.rbegin(); end != ends.rend(); ++end) {
    const auto known = entries_.find(end->second);
    if (known == entries_.end()) continue;
    order_.splice(order_.begin(), order_, known->second.place);
    return Found{end->first, known->second.ids};
  }
  return std::nullopt;
}

}  // namespace fathom::api
