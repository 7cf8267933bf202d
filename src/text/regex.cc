#include "text/regex.h"

#include <algorithm>
#include <map>
#include <string>

#include "base/check.h"
#include "base/error.h"
#include "text/regex_syntax.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace fathom::text {
namespace {

constexpr size_t kMaxInstructions = 4000;
constexpr size_t kMaxStates = 2000;
constexpr size_t kMaxWork = 20'000'000;

// Thompson's automaton. A thread at kSplit goes on at `out` and, less urgently, at `other`.
struct Instruction {
  enum class Op { kSet, kLook, kSplit, kMatch } op;
  int set = 0;
  bool negate = false;
  int out = 0;
  int other = 0;
};

class NfaBuilder {
 public:
  explicit NfaBuilder(std::string_view pattern) : pattern_(pattern) {}

  /// Emits backwards: each part is told where to go on. Returns the start.
  int build(const RegexNode& root) { return emit(root, add({.op = Instruction::Op::kMatch})); }

  std::vector<Instruction> program;
  std::vector<CharSet> sets;

 private:
  [[noreturn]] void too_complex() const {
    fail(ErrorKind::kUnsupported, "regex \"{}\": too complex", pattern_);
  }

  int add(Instruction instruction) {
    if (program.size() >= kMaxInstructions) too_complex();
    program.push_back(instruction);
    return static_cast<int>(program.size()) - 1;
  }

  int set_index(const CharSet& set) {
    const auto found = std::find(sets.begin(), sets.end(), set);
    if (found != sets.end()) return static_cast<int>(found - sets.begin());
    sets.push_back(set);
    return static_cast<int>(sets.size()) - 1;
  }

  int split(bool greedy, int body, int after) {
    return add({.op = Instruction::Op::kSplit,
                .out = greedy ? body : after,
                .other = greedy ? after : body});
  }

  int emit(const RegexNode& node, int after) {
    if (++emitted_ > 10 * kMaxInstructions) too_complex();  // empty parts add no instruction
    switch (node.kind) {
      case RegexNode::Kind::kEmpty:
        return after;
      case RegexNode::Kind::kSet:
        return add({.op = Instruction::Op::kSet, .set = set_index(node.set), .out = after});
      case RegexNode::Kind::kLook:
        return add({.op = Instruction::Op::kLook,
                    .set = set_index(node.set),
                    .negate = node.negate,
                    .out = after});
      case RegexNode::Kind::kConcat:
        for (size_t i = node.children.size(); i-- > 0;) after = emit(node.children[i], after);
        return after;
      case RegexNode::Kind::kAlternate: {
        int start = emit(node.children.back(), after);
        for (size_t i = node.children.size() - 1; i-- > 0;) {
          start = split(true, emit(node.children[i], after), start);
        }
        return start;
      }
      case RegexNode::Kind::kRepeat:
        return emit_repeat(node, after);
    }
    FATHOM_CHECK(false);
  }

  int emit_repeat(const RegexNode& node, int after) {
    const RegexNode& body = node.children[0];
    int start = after;
    if (node.max < 0) {
      const int loop = split(node.greedy, 0, after);
      const int inside = emit(body, loop);
      (node.greedy ? program[static_cast<size_t>(loop)].out
                   : program[static_cast<size_t>(loop)].other) = inside;
      start = loop;
    } else {
      for (int i = node.min; i < node.max; ++i)
        start = split(node.greedy, emit(body, start), after);
    }
    for (int i = 0; i < node.min; ++i) start = emit(body, start);
    return start;
  }

  std::string_view pattern_;
  size_t emitted_ = 0;
};

}  // namespace

// Makes every state ahead of time. A state is the list of threads by urgency; those at a lookahead
// wait there for the next character to decide.
class DfaBuilder {
 public:
  DfaBuilder(SplitRegex& out, std::string_view pattern)
      : out_(out), pattern_(pattern), nfa_(pattern) {}

  void build() {
    const int start = nfa_.build(parse_regex(pattern_));
    make_classes();
    row_of({});  // dead
    std::vector<int> threads;
    begin_list();
    follow(start, threads);
    out_.start_ = row_of(threads);
    for (size_t state = 1; state < states_.size(); ++state) make_row(state);
    if (matches_empty()) {
      fail(ErrorKind::kUnsupported, "regex \"{}\": matches the empty string", pattern_);
    }
    for (uint32_t c = 0; c + 1 < out_.stride_; ++c) {
      out_.can_start_[c] = out_.next_[out_.start_ + c] > 1;
    }
  }

 private:
  using Op = Instruction::Op;

  void make_classes() {
    std::vector<uint32_t> bounds{0};
    for (const CharSet& set : nfa_.sets) {
      for (const auto& range : set.ranges()) {
        bounds.push_back(range.first);
        bounds.push_back(range.last + 1);
      }
    }
    std::sort(bounds.begin(), bounds.end());
    bounds.erase(std::unique(bounds.begin(), bounds.end()), bounds.end());

    std::map<std::vector<bool>, uint8_t> known;
    std::vector<uint8_t> class_of(kMaxCodePoint + 1);
    for (size_t i = 0; i < bounds.size() && bounds[i] <= kMaxCodePoint; ++i) {
      std::vector<bool> member;
      for (const CharSet& set : nfa_.sets) member.push_back(set.contains(bounds[i]));
      const auto [entry, added] = known.emplace(member, static_cast<uint8_t>(known.size()));
      if (added) {
        if (known.size() > 255) too_complex();
        members_.push_back(member);
      }
      const uint32_t end = i + 1 < bounds.size() ? bounds[i + 1] : kMaxCodePoint + 1;
      std::fill(class_of.begin() + bounds[i], class_of.begin() + end, entry->second);
    }
    out_.stride_ = static_cast<uint32_t>(known.size()) + 1;
    fold_pages(class_of);
  }

  void fold_pages(const std::vector<uint8_t>& class_of) {
    std::map<std::vector<uint8_t>, uint8_t> pages;
    for (size_t page = 0; page < out_.page_of_.size(); ++page) {
      std::vector<uint8_t> content(class_of.begin() + static_cast<ptrdiff_t>(page * 256),
                                   class_of.begin() + static_cast<ptrdiff_t>(page * 256 + 256));
      const auto [entry, added] = pages.emplace(content, static_cast<uint8_t>(pages.size()));
      if (added) {
        if (pages.size() > 255) too_complex();
        out_.pages_.insert(out_.pages_.end(), content.begin(), content.end());
      }
      out_.page_of_[page] = entry->second;
    }
  }

  [[noreturn]] void too_complex() const {
    fail(ErrorKind::kUnsupported, "regex \"{}\": too complex", pattern_);
  }

  void begin_list() { visited_.assign(nfa_.program.size(), false); }

  // Goes from the threads in `todo`, the most urgent last, through splits to the instructions
  // behind them, each once: leaf(pc, instruction, todo), which may add to `todo`.
  template <typename Leaf>
  void walk(std::vector<int> todo, const Leaf& leaf) {
    while (!todo.empty()) {
      const int pc = todo.back();
      todo.pop_back();
      if (visited_[static_cast<size_t>(pc)]) continue;
      visited_[static_cast<size_t>(pc)] = true;
      if (++work_ > kMaxWork) too_complex();
      const Instruction& in = nfa_.program[static_cast<size_t>(pc)];
      if (in.op == Op::kSplit) {
        todo.push_back(in.other);
        todo.push_back(in.out);
      } else {
        leaf(pc, in, todo);
      }
    }
  }

  // Appends the threads that `start` stands for, lookaheads undecided, to `threads`.
  void follow(int start, std::vector<int>& threads) {
    walk({start}, [&](int pc, const Instruction&, std::vector<int>&) { threads.push_back(pc); });
  }

  uint32_t row_of(const std::vector<int>& threads) {
    const auto [entry, added] =
        rows_.emplace(threads, static_cast<uint32_t>(states_.size() * out_.stride_));
    if (added) {
      if (states_.size() >= kMaxStates) too_complex();
      states_.push_back(threads);
      out_.next_.resize(out_.next_.size() + out_.stride_, 0);
    }
    return entry->second;
  }

  // The threads of a state once the next character is known to be of class `c` (the last class: the
  // text ends): lookaheads are passed or dropped.
  std::vector<int> decide(const std::vector<int>& threads, uint32_t c) {
    std::vector<int> decided;
    begin_list();
    walk({threads.rbegin(), threads.rend()},
         [&](int pc, const Instruction& in, std::vector<int>& todo) {
           if (in.op != Op::kLook) {
             decided.push_back(pc);
           } else if (in_set(c, in.set) != in.negate) {
             todo.push_back(in.out);
           }
         });
    return decided;
  }

  bool in_set(uint32_t c, int set) const {
    return c < members_.size() && members_[c][static_cast<size_t>(set)];
  }

  void make_row(size_t state) {
    for (uint32_t c = 0; c < out_.stride_; ++c) {
      const std::vector<int> decided = decide(states_[state], c);
      std::vector<int> threads;
      bool matched = false;
      begin_list();
      for (const int pc : decided) {
        const Instruction& in = nfa_.program[static_cast<size_t>(pc)];
        if (in.op == Op::kMatch) {
          matched = true;
          break;  // less urgent threads cannot win any more
        }
        if (in_set(c, in.set)) follow(in.out, threads);
      }
      const uint32_t next = row_of(threads);
      out_.next_[state * out_.stride_ + c] = next << 1 | static_cast<uint32_t>(matched);
    }
  }

  bool matches_empty() const {
    for (uint32_t c = 0; c < out_.stride_; ++c) {
      if (out_.next_[out_.start_ + c] & 1) return true;
    }
    return false;
  }

  SplitRegex& out_;
  std::string_view pattern_;
  NfaBuilder nfa_;
  std::vector<std::vector<bool>> members_;  // [class][set]
  std::map<std::vector<int>, uint32_t> rows_;
  std::vector<std::vector<int>> states_;
  std::vector<bool> visited_;
  size_t work_ = 0;
};

SplitRegex::SplitRegex(std::string_view pattern) { DfaBuilder(*this, pattern).build(); }

// The end of the match that starts at `pos`, or kNone.
size_t SplitRegex::match_at(const char* data, size_t pos, size_t size) const {
  uint32_t row = start_;
  size_t last = kNone;
  while (pos < size) {
    const CodePoint c = decode_utf8(data + pos);
    const uint32_t next = next_[row + class_of(c.value)];
    if (next & 1) last = pos;
    row = next >> 1;
    if (row == 0) return last;
    pos += c.size;
  }
  return next_[row + stride_ - 1] & 1 ? size : last;
}

SplitRegex::Match SplitRegex::find(std::string_view text, size_t from) const {
  while (from < text.size()) {
    const CodePoint c = decode_utf8(text.data() + from);
    if (can_start_[class_of(c.value)]) {
      const size_t end = match_at(text.data(), from, text.size());
      if (end != kNone) return {from, end};
    }
    from += c.size;
  }
  return {kNone, kNone};
}

}  // namespace fathom::text
