// Our requests in another server's words.
#pragma once

#include <string>

#include "api/chat_request.h"
#include "api/completion_request.h"
#include "api/upstream/dialect.h"
#include "base/http_address.h"

namespace fathom::api {

struct UpstreamBody {
  std::string path;
  std::string body;
};

/// What is sent is made anew from what was checked, so that no field of the client's passes that we
/// do not know. The upstream always streams, whatever the client wants: an answer then stops where
/// the balance does, or when the client leaves. `max_tokens` is always said, and so are temperature
/// and top_p: the servers' own defaults differ from DeepSeek's.
class UpstreamRequests {
 public:
  /// `model` is the upstream's name for it.
  UpstreamRequests(const Dialect& dialect, const HttpAddress& url, std::string model);

  /// Throw ApiError 400 for what a server of this kind cannot do.
  UpstreamBody chat(const ChatRequest& request, int64_t max_tokens) const;
  UpstreamBody completion(const CompletionRequest& request, int64_t max_tokens) const;

 private:
  Json common(const GenerationFields& fields, int64_t max_tokens) const;
  void add_continuation(Json& body) const;

  const Dialect& dialect_;
  std::string path_;
  std::string beta_path_;
  std::string model_;
};

}  // namespace fathom::api
