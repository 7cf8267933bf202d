// Masks that keep an answer within a language: one JSON object, JSON by a schema, function calls.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "engine/grammar/vocabulary.h"

namespace fathom {

/// A function that the model may call.
struct FunctionGrammar {
  std::string name;
  std::string parameters;  ///< JSON Schema of the arguments, an object's; empty: any object
};

/// How a model writes function calls: special tokens by id, and the text between them. DeepSeek-V3:
///
///     calls_begin call_begin "function" separator NAME "\n```json\n" ARGUMENTS "\n```" call_end
///     ["\n" and the next call, from call_begin on] calls_end
struct ToolCallSyntax {
  int32_t calls_begin = 0;
  int32_t call_begin = 0;
  int32_t separator = 0;
  int32_t call_end = 0;
  int32_t calls_end = 0;
  bool parallel = true;  ///< more than one call in an answer
};

/// What an answer may be, as an automaton over bytes. The token that ends the answer is allowed
/// only where the answer is whole, and then nothing else is; so an answer is in the language unless
/// max_tokens, the context or the user cuts it. Nothing allowed leads into a dead end.
///
/// The language is made to end and to be read by everybody: blanks between tokens are one space, or
/// a line break with at most 4 blanks a level of nesting; at most 64 levels; numbers have at most
/// 15 digits and an exponent of at most 2; strings are valid UTF-8 with paired surrogates.
///
/// What is found out about states (masks, steps) is kept and shared by all requests of the grammar.
/// Thread-safe.
class Grammar {
 public:
  using Ptr = std::shared_ptr<const Grammar>;
  virtual ~Grammar() = default;

  /// Any one JSON object.
  static Ptr json_object(std::shared_ptr<const Vocabulary> vocabulary);

  /// A value that the schema accepts: see docs/json-schema.md for the keywords. Properties come in
  /// the schema's order. Throws Error(kBadInput) for what is no schema, or one that no finite value
  /// satisfies, and Error(kUnsupported) naming the place and the keyword for what is not known.
  static Ptr json_schema(std::string_view schema, std::shared_ptr<const Vocabulary> vocabulary);

  /// Function calls, arguments by their schemas. `required`: the answer is calls and nothing else;
  /// otherwise it may be text, or begin with text. Throws as json_schema().
  static Ptr tool_calls(const std::vector<FunctionGrammar>& functions, const ToolCallSyntax& syntax,
                        bool required, std::shared_ptr<const Vocabulary> vocabulary);

  /// For a new request, at the start of its answer. Keeps the grammar alive.
  virtual std::unique_ptr<Constraint> new_constraint() const = 0;
};

}  // namespace fathom
