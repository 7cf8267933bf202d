// The words that lessons are made of: common ones, so that a small vocabulary has them whole.
#pragma once

#include <span>
#include <string_view>

namespace fathom::train {

std::span<const std::string_view> english_words();  // short nouns
std::span<const std::string_view> chinese_words();  // of one or two characters
std::span<const std::string_view> english_names();  // given names
std::span<const std::string_view> chinese_names();
std::span<const std::string_view> colors();

struct Country {
  std::string_view name, name_zh, capital, capital_zh, currency, currency_zh;
};

std::span<const Country> countries();

}  // namespace fathom::train
