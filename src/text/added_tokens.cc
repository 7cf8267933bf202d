#include "text/added_tokens.h"

#include <algorithm>

#include "text/char_set.h"
#include "text/utf8.h"

namespace fathom::text {
namespace {

CodePoint last_of(std::string_view text) {
  size_t at = text.size() - 1;
  while ((static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return decode_utf8(text.data() + at);
}

// A word character as UTS 18 has it: \w and also letter numbers, circled letters and the joiners.
bool is_word(uint32_t c) {
  static const CharSet words = CharSet::word() | *CharSet::property("Nl") |
                               CharSet(0x24B6, 0x24E9) | CharSet(0x1F130, 0x1F149) |
                               CharSet(0x1F150, 0x1F169) | CharSet(0x1F170, 0x1F189) |
                               CharSet(0x200C, 0x200D);
  return words.contains(c);
}

bool is_space(uint32_t c) {
  static const CharSet spaces = CharSet::white_space();
  return spaces.contains(c);
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens)
    : tokens_(std::move(tokens)), starts_(256, false) {
  for (size_t i = 0; i < tokens_.size(); ++i) {
    uint32_t at = 0;
    for (const char c : tokens_[i].content) {
      auto& children = trie_[at].children;
      const auto found = std::find_if(children.begin(), children.end(),
                                      [c](const auto& child) { return child.first == c; });
      if (found != children.end()) {
        at = found->second;
      } else {
        const auto added = static_cast<uint32_t>(trie_.size());
        children.emplace_back(c, added);
        trie_.emplace_back();
        at = added;
      }
    }
    trie_[at].token = static_cast<int32_t>(i);
    starts_[static_cast<unsigned char>(tokens_[i].content[0])] = true;
  }
}

const AddedToken* AddedTokenMatcher::longest_at(std::string_view text, size_t& length) const {
  const AddedToken* found = nullptr;
  uint32_t at = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto& children = trie_[at].children;
    const auto child = std::find_if(children.begin(), children.end(),
                                    [c = text[i]](const auto& entry) { return entry.first == c; });
    if (child == children.end()) break;
    at = child->second;
    if (trie_[at].token >= 0) {
      found = &tokens_[static_cast<size_t>(trie_[at].token)];
      length = i + 1;
    }
  }
  return found;
}

void AddedTokenMatcher::split(std::string_view text, size_t begin, size_t end,
                              std::vector<Piece>& pieces) const {
  size_t done = begin;  // up to here the pieces reach
  size_t at = begin;
  while (!tokens_.empty() && at < end) {
    size_t length = 0;
    const AddedToken* token = starts_[static_cast<unsigned char>(text[at])]
                                  ? longest_at(text.substr(at, end - at), length)
                                  : nullptr;
    if (token == nullptr) {
      ++at;
      continue;
    }
    size_t start = at;
    size_t stop = at + length;
    at = stop;
    if (token->single_word) {
      const bool word_before =
          start > begin && is_word(last_of(text.substr(begin, start - begin)).value);
      const bool word_after = stop < end && is_word(decode_utf8(text.data() + stop).value);
      if (word_before || word_after) continue;
    }
    if (start < done) continue;  // the token before took the white space that this one starts with
    if (token->lstrip) {
      while (start > done) {
        const CodePoint c = last_of(text.substr(done, start - done));
        if (!is_space(c.value)) break;
        start -= c.size;
      }
    }
    if (token->rstrip) {
      while (stop < end) {
        const CodePoint c = decode_utf8(text.data() + stop);
        if (!is_space(c.value)) break;
        stop += c.size;
      }
    }
    if (done < start) pieces.push_back({done, start, -1});
    pieces.push_back({start, stop, token->id});
    done = stop;
  }
  if (done < end) pieces.push_back({done, end, -1});
}

}  // namespace fathom::text
