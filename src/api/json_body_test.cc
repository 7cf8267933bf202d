#include "api/json_body.h"

#include <gtest/gtest.h>

namespace fathom::api {
namespace {

std::string appended(std::string_view text) {
  std::string out = "before";
  append_json(out, text);
  return out;
}

TEST(AppendJson, IsWhatTheLibraryWrites) {
  for (int c = 0; c < 256; ++c) {
    const std::string alone(1, static_cast<char>(c));
    for (const std::string& text : {alone, "a" + alone, alone + "b", "ä" + alone + alone + "。"}) {
      EXPECT_EQ(appended(text), "before" + dump_json(text)) << "byte " << c;
    }
  }
  for (const char* text :
       {"", "plain", "\"quoted\" and\n\tmore\\", "你好，世界", "🙂\"", "\xF0\x9F"}) {
    EXPECT_EQ(appended(text), "before" + dump_json(text)) << text;
  }
}

}  // namespace
}  // namespace fathom::api
