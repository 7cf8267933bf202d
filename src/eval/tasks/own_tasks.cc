// Tasks that bring their own items: a needle in a haystack of any length, and the suite of the
// embedded model.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <iterator>
#include <memory>

#include "base/error.h"
#include "base/rng.h"
#include "eval/python_regex.h"
#include "eval/python_text.h"
#include "eval/tasks/task_lists.h"
#include "text/tokenizer.h"

namespace fathom::eval {
namespace {

// --- Needle in a haystack ---

constexpr std::string_view kColors[] = {"red",   "blue",   "green", "yellow", "black",  "white",
                                        "brown", "orange", "pink",  "purple", "silver", "gray"};
constexpr std::string_view kThings[] = {
    "bird",  "boat",  "book",  "chair",  "clock", "cloud", "door",  "field", "flag",  "gate",
    "glass", "horse", "house", "island", "lake",  "lamp",  "moon",  "paper", "river", "road",
    "rock",  "ship",  "spoon", "stone",  "table", "tree",  "train", "window"};
constexpr std::string_view kCodes[] = {
    "apple", "bread", "cake", "car",   "city", "coat",  "cup",   "desk", "dog",   "duck",
    "egg",   "farm",  "fish", "food",  "fox",  "frog",  "game",  "gold", "grass", "hand",
    "hat",   "hill",  "ice",  "key",   "king", "leaf",  "lion",  "map",  "milk",  "mouse",
    "music", "ocean", "park", "pen",   "pig",  "plant", "queen", "rain", "ring",  "room",
    "rose",  "salt",  "sea",  "sheep", "shoe", "snow",  "song",  "star", "sugar", "sun",
    "tea",   "tiger", "town", "water", "wind", "wolf"};
constexpr std::string_view kRelations[] = {"is near", "is behind", "stands by", "is older than"};
constexpr std::string_view kNames[] = {"Alice", "Arthur", "Clara", "David",  "Emma",  "Frank",
                                       "Grace", "Henry",  "Irene", "Jack",   "Lucy",  "Martin",
                                       "Nora",  "Oscar",  "Peter", "Rachel", "Simon", "Walter"};

template <size_t N>
std::string_view pick(Rng& rng, const std::string_view (&words)[N]) {
  return words[rng.below(N)];
}

std::string filler(Rng& rng) {
  return fmt::format("The {} {} {} the {}.\n", pick(rng, kColors), pick(rng, kThings),
                     pick(rng, kRelations), pick(rng, kThings));
}

// Whether the text has the word, and not only as a part of another.
bool has_word(const std::string& text, const std::string& word) {
  const auto letter = [&](size_t at) {
    return at < text.size() && std::isalpha(static_cast<unsigned char>(text[at]));
  };
  for (size_t at = 0; (at = text.find(word, at)) != std::string::npos; ++at) {
    if (!(at > 0 && letter(at - 1)) && !letter(at + word.size())) return true;
  }
  return false;
}

// Tokens of a piece of text; without a tokenizer four bytes count as one.
class TokenCounter {
 public:
  explicit TokenCounter(const std::string& dir) {
    if (!dir.empty()) tokenizer_ = text::Tokenizer::load(dir);
  }
  size_t count(const std::string& text) const {
    return tokenizer_ ? tokenizer_->encode_plain(text).size() : (text.size() + 3) / 4;
  }

 private:
  std::shared_ptr<const text::Tokenizer> tokenizer_;
};

struct Needle {
  size_t length;  // tokens of the whole question
  int depth;      // per cent of the haystack that stand before the needle
  int repeat;
};

std::string needle_text(const Needle& needle, const std::string& fact, const std::string& question,
                        const TokenCounter& tokens, Rng& rng) {
  std::vector<std::string> lines;
  size_t used = tokens.count(fact) + tokens.count(question);
  for (;;) {
    std::string line = filler(rng);
    used += tokens.count(line);
    if (used > needle.length) break;
    lines.push_back(std::move(line));
  }
  const auto at =
      static_cast<size_t>(std::lround(static_cast<double>(lines.size()) * needle.depth / 100.0));
  lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(at), fact);
  return python::join(lines, "") + question;
}

Item needle_item(const Needle& needle, const TokenCounter& tokens, uint64_t seed) {
  Rng rng(splitmix64(seed) ^
          splitmix64(needle.length * 1000003 +
                     static_cast<uint64_t>(needle.depth * 1009 + needle.repeat)));
  const std::string_view name = pick(rng, kNames);
  const std::string code(pick(rng, kCodes));
  const std::string text = needle_text(needle, fmt::format("The code of {} is {}.\n", name, code),
                                       fmt::format("What is the code of {}?", name), tokens, rng);
  return {fmt::format("{}/{}/{}", needle.length, needle.depth, needle.repeat),
          user_message(text),
          code,
          {{"depth", std::to_string(needle.depth)}, {"length", std::to_string(needle.length)}}};
}

std::vector<Item> needle_items(const TaskInput& input, int) {
  const auto lengths = input.options.value("lengths", std::vector<int64_t>{});
  const auto depths = input.options.value("depths", std::vector<int>{});
  const int repeats = input.options.value("repeats", 1);
  const TokenCounter tokens(input.options.value("tokenizer", std::string()));
  std::vector<Item> items;
  for (const int depth : depths) {
    for (const int64_t length : lengths) {
      for (int repeat = 0; repeat < repeats; ++repeat) {
        items.push_back(
            needle_item({static_cast<size_t>(length), depth, repeat}, tokens, input.settings.seed));
      }
    }
  }
  return items;
}

Json needle_map(const std::vector<std::pair<const Item*, const Outcome*>>& outcomes) {
  std::map<int, std::map<int, std::pair<double, int>>> cells;  // depth, length: sum, count
  std::map<int, bool> lengths;
  for (const auto& [item, outcome] : outcomes) {
    const int length = std::stoi(item->groups.at("length"));
    auto& cell = cells[std::stoi(item->groups.at("depth"))][length];
    cell.first += outcome->score;
    ++cell.second;
    lengths[length] = true;
  }
  Json map = {{"x", "tokens"},
              {"y", "depth"},
              {"columns", Json::array()},
              {"rows", Json::array()},
              {"cells", Json::array()}};
  for (const auto& [length, unused] : lengths) map["columns"].push_back(std::to_string(length));
  for (const auto& [depth, row] : cells) {
    map["rows"].push_back(fmt::format("{}%", depth));
    Json line = Json::array();
    for (const auto& [length, unused] : lengths) {
      const auto cell = row.find(length);
      line.push_back(cell == row.end() ? Json() : Json(cell->second.first / cell->second.second));
    }
    map["cells"].push_back(std::move(line));
  }
  return {{"heat_map", std::move(map)}};
}

Task needle() {
  Task task;
  task.name = "needle";
  task.title = "Needle in a haystack";
  task.metric = "found";
  task.needs_data = false;
  task.defaults.max_tokens = 64;
  task.items = needle_items;
  task.score = [](const Item& item, const std::string& answer, const std::string&) {
    const bool found = has_word(answer, item.reference.get<std::string>());
    return Outcome{found ? 1.0 : 0.0, found ? item.reference : Json(), {}};
  };
  task.aggregate = needle_map;
  task.note = "Generated items: one sentence with a code word among others, asked for at the end.";
  return task;
}

// --- The embedded model's suite (docs/formats/capabilities.md) ---

bool contains_ignoring_case(const std::string& text, const std::string& part) {
  const auto lower = [](std::string s) {
    for (char& c : s) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    }
    return s;
  };
  return lower(text).find(lower(part)) != std::string::npos;
}

// The JSON object that chat_client.h puts on an answer's last line for function calls.
Json called(const std::string& answer) {
  const size_t line = answer.rfind('\n');
  const std::string last = line == std::string::npos ? answer : answer.substr(line + 1);
  return Json::parse(last, nullptr, false);
}

// Equal whatever the order of keys.
bool equal_json(const std::string& a, const std::string& b) {
  const auto left = nlohmann::json::parse(a, nullptr, false);
  const auto right = nlohmann::json::parse(b, nullptr, false);
  return !left.is_discarded() && left == right;
}

Outcome score_capability(const Item& item, const std::string& raw, const std::string&) {
  static const python::Regex integer("-?\\d+");
  const std::string answer(python::strip(raw));
  const std::string check = item.reference.at("check"), key = item.reference.at("answer");
  bool right = false;
  Json extracted = answer;
  if (check == "exact") {
    right = answer == key;
  } else if (check == "contains") {
    right = contains_ignoring_case(answer, key);
  } else if (check == "number") {
    const auto all = integer.find_all(answer);
    extracted = all.empty() ? Json() : Json(all.back()[0].value());
    right = extracted == Json(key);
  } else if (check == "json") {
    right = equal_json(answer, key);
  } else {
    const Json reply = called(answer);
    const bool one =
        reply.is_object() && reply.contains("tool_calls") && reply["tool_calls"].size() == 1;
    extracted = one ? reply["tool_calls"][0] : Json();
    right = one && equal_json(extracted.dump(), key);
  }
  return {right ? 1.0 : 0.0, std::move(extracted), {}};
}

Task capabilities() {
  Task task;
  task.name = "capabilities";
  task.title = "Capabilities of the embedded model";
  task.metric = "right";
  task.form = {"task, messages, tools (where any are on offer), check, answer", {}};
  task.defaults.max_tokens = 256;
  const DataForm form = task.form;
  task.items = [form](const TaskInput& input, int) {
    constexpr std::string_view kChecks[] = {"exact", "contains", "number", "json", "tool_call"};
    std::vector<Item> items;
    std::map<std::string, int> numbers;
    for (const Record& record : read_records(input.data, form)) {
      const std::string name = record.text("task"), check = record.text("check");
      if (std::find(std::begin(kChecks), std::end(kChecks), check) == std::end(kChecks)) {
        record.refuse(fmt::format("\"check\" is \"{}\", which is none of those known", check));
      }
      Item item{fmt::format("{}/{}", name, numbers[name]++),
                record.value("messages"),
                {{"check", check}, {"answer", record.text("answer")}},
                {{"task", name}}};
      if (record.has("tools")) item.tools = record.value("tools");
      items.push_back(std::move(item));
    }
    return items;
  };
  task.score = score_capability;
  return task;
}

}  // namespace

std::vector<Task> own_tasks() { return {needle(), capabilities()}; }

}  // namespace fathom::eval
