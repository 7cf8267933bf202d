// The bodies of answers: whole, or as server-sent events.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "api/api_error.h"
#include "api/backend.h"

namespace fathom::api {

/// What every answer says of itself.
struct AnswerHead {
  std::string id;
  int64_t created = 0;  ///< seconds since 1970
  std::string model;
  std::string fingerprint;
};

/// Turns events into bytes to send. One answer each.
class AnswerWriter {
 public:
  virtual ~AnswerWriter() = default;
  virtual std::string_view content_type() const = 0;
  /// Appends what `event` adds to the body; may be nothing.
  virtual void event(const AnswerEvent& event, std::string& out) = 0;
  /// The rest of the body.
  virtual std::string end(const AnswerResult& result) = 0;
  /// Tells a waiting client that the server lives, in a way that its parser does not see.
  virtual std::string keep_alive() const = 0;
  /// An error after the body has begun.
  virtual std::string error(const ApiError& error) const = 0;
};

std::unique_ptr<AnswerWriter> chat_writer(AnswerHead head, const ChatRequest& request);
std::unique_ptr<AnswerWriter> completion_writer(AnswerHead head, const CompletionRequest& request);

/// The "usage" object.
Json usage_json(const AnswerResult& result);

}  // namespace fathom::api
