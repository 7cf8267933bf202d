#include "engine/grammar/grammar.h"

#include <mutex>

#include "base/check.h"
#include "base/error.h"
#include "engine/grammar/automaton.h"
#include "engine/grammar/schema_compiler.h"

namespace fathom {
namespace {

using engine::Automaton;
using engine::NodeId;
using engine::Program;
using engine::SequenceNode;

class CompiledGrammar final : public Grammar, public std::enable_shared_from_this<CompiledGrammar> {
 public:
  CompiledGrammar(Program program, std::shared_ptr<const Vocabulary> vocabulary)
      : program_(std::make_shared<const Program>(std::move(program))),
        vocabulary_(std::move(vocabulary)),
        automaton_(fresh()) {}

  std::unique_ptr<Constraint> new_constraint() const override;

  std::shared_ptr<Automaton> automaton() const {
    std::lock_guard lock(mutex_);
    return automaton_;
  }

  /// One that is not full, in place of `full`.
  std::shared_ptr<Automaton> after(const std::shared_ptr<Automaton>& full) const {
    std::lock_guard lock(mutex_);
    if (automaton_ == full) automaton_ = fresh();
    return automaton_;
  }

 private:
  std::shared_ptr<Automaton> fresh() const {
    return std::make_shared<Automaton>(program_, vocabulary_);
  }

  const std::shared_ptr<const Program> program_;
  const std::shared_ptr<const Vocabulary> vocabulary_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<Automaton> automaton_;
};

class GrammarConstraint final : public Constraint {
 public:
  explicit GrammarConstraint(std::shared_ptr<const CompiledGrammar> grammar)
      : grammar_(std::move(grammar)),
        automaton_(grammar_->automaton()),
        state_(automaton_->start()) {}

  std::unique_ptr<Constraint> clone() const override {
    return std::make_unique<GrammarConstraint>(*this);
  }
  void fill_mask(std::span<uint64_t> words) override { automaton_->fill_mask(state_, words); }
  void advance(int32_t id) override {
    state_ = automaton_->after(state_, id);
    FATHOM_CHECK(state_ != Automaton::kDead);
    if (!automaton_->full()) return;
    const auto roomy = grammar_->after(automaton_);
    state_ = roomy->adopt(*automaton_, state_);
    automaton_ = roomy;
  }

 private:
  std::shared_ptr<const CompiledGrammar> grammar_;
  std::shared_ptr<Automaton> automaton_;
  Automaton::State state_;
};

std::unique_ptr<Constraint> CompiledGrammar::new_constraint() const {
  return std::make_unique<GrammarConstraint>(shared_from_this());
}

Grammar::Ptr compiled(Program program, NodeId value, const std::string& where,
                      std::shared_ptr<const Vocabulary> vocabulary) {
  SequenceNode document;
  document.parts.push_back({.node = value});
  program.root = program.add(std::move(document));
  program.finish(where);
  return std::make_shared<CompiledGrammar>(std::move(program), std::move(vocabulary));
}

}  // namespace

Grammar::Ptr Grammar::json_object(std::shared_ptr<const Vocabulary> vocabulary) {
  Program program;
  const NodeId object = program.any_object();
  return compiled(std::move(program), object, "json_object", std::move(vocabulary));
}

Grammar::Ptr Grammar::json_schema(std::string_view schema,
                                  std::shared_ptr<const Vocabulary> vocabulary) {
  Program program;
  const NodeId value = engine::compile_schema(schema, "schema", program);
  return compiled(std::move(program), value, "schema", std::move(vocabulary));
}

Grammar::Ptr Grammar::tool_calls(const std::vector<FunctionGrammar>& functions,
                                 const ToolCallSyntax& syntax, bool required,
                                 std::shared_ptr<const Vocabulary> vocabulary) {
  if (functions.empty()) fail(ErrorKind::kBadInput, "tools: expected at least one function");
  Program program;
  std::vector<NodeId> calls;
  for (const FunctionGrammar& function : functions) {
    const std::string where = "function " + function.name;
    const NodeId arguments = function.parameters.empty()
                                 ? program.any_object()
                                 : engine::compile_schema(function.parameters, where, program);
    SequenceNode call;
    call.parts.push_back({.text = function.name + "\n```json\n"});
    call.parts.push_back({.node = arguments});
    call.parts.push_back({.text = "\n```"});
    calls.push_back(program.add(std::move(call)));
  }
  // A call, and after it the end or the next one.
  const NodeId one = program.add(SequenceNode{});
  SequenceNode end;
  end.parts.push_back({.symbol = syntax.calls_end});
  std::vector<NodeId> after = {program.add(std::move(end))};
  if (syntax.parallel) {
    SequenceNode next;
    next.parts.push_back({.text = "\n"});
    next.parts.push_back({.node = one});
    after.push_back(program.add(std::move(next)));
  }
  const NodeId any_call = program.add_either(std::move(calls));
  const NodeId rest = program.add_either(std::move(after));
  auto& parts = std::get<SequenceNode>(program.nodes[one]).parts;
  parts.push_back({.symbol = syntax.call_begin});
  parts.push_back({.text = "function"});
  parts.push_back({.symbol = syntax.separator});
  parts.push_back({.node = any_call});
  parts.push_back({.symbol = syntax.call_end});
  parts.push_back({.node = rest});
  SequenceNode all;
  all.parts.push_back({.symbol = syntax.calls_begin});
  all.parts.push_back({.node = one});
  const NodeId block = program.add(std::move(all));
  if (required) return compiled(std::move(program), block, "tools", std::move(vocabulary));
  program.root = program.add(engine::FreeTextNode{block});
  program.finish("tools");
  return std::make_shared<CompiledGrammar>(std::move(program), std::move(vocabulary));
}

}  // namespace fathom
