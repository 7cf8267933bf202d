// What the two kinds of bodies share, whatever they are about.
#pragma once

#include <string>
#include <string_view>

#include "api/answer_writer.h"

namespace fathom::api {

/// Server-sent events: chunks, then the usage if asked for, then [DONE].
class EventStream : public AnswerWriter {
 public:
  std::string_view content_type() const override { return "text/event-stream; charset=utf-8"; }
  std::string end(const AnswerResult& result) override;
  /// A comment, which parsers of events pass over.
  std::string keep_alive() const override;
  std::string error(const ApiError& error) const override;

 protected:
  EventStream(const AnswerHead& head, std::string_view object, bool include_usage);
  /// A chunk up to its choice's index, and from its finish_reason on (empty: null).
  void open_chunk(std::string& out, int index) const;
  void close_chunk(std::string& out, std::string_view finish_reason) const;

 private:
  std::string opening_;  // of each chunk, up to its choices
  bool include_usage_;
  std::string_view closing_;  // of each but the last
};

/// One JSON object at the end.
class WholeBody : public AnswerWriter {
 public:
  std::string_view content_type() const override { return "application/json"; }
  /// White space before a JSON text is part of it, so no client's parser breaks.
  std::string keep_alive() const override { return "\n"; }
  std::string error(const ApiError& error) const override { return error.body(); }

 protected:
  explicit WholeBody(AnswerHead head) : head_(std::move(head)) {}
  Json body(const AnswerResult& result, std::string_view object, Json choices) const;

 private:
  AnswerHead head_;
};

}  // namespace fathom::api
