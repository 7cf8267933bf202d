// embed DIR QUESTION: streams an answer, then asks twice at once for JSON by a schema.
#include <fathom/engine.h>

#include <cstdio>
#include <thread>

namespace {

constexpr const char* kSchema = R"({
  "type": "object",
  "properties": {"city": {"type": "string", "maxLength": 20},
                 "inhabitants": {"type": "integer", "minimum": 0, "maximum": 99999999}},
  "required": ["city", "inhabitants"],
  "additionalProperties": false
})";

void run(const char* dir, const char* question) {
  using namespace fathom::embed;
  Engine engine(dir);
  const auto prompt = engine.encode_chat({{"user", question}});

  GenerateOptions options;
  options.max_tokens = 64;
  options.seed = 1;
  const Answer answer = engine.generate(prompt, options, [](std::int32_t, std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
    return true;
  });
  std::printf("\n[%zu tokens, %s]\n", answer.ids.size(), answer.finish_reason.c_str());

  options.max_tokens = 512;
  options.json_schema = kSchema;
  Answer answers[2];
  std::thread other([&] { answers[1] = engine.generate(prompt, options); });
  answers[0] = engine.generate(prompt, options);
  other.join();
  std::printf("%s\n[%lld of %lld prompt tokens from the cache]\n", answers[0].text.c_str(),
              static_cast<long long>(answers[0].cached_tokens),
              static_cast<long long>(answers[0].prompt_tokens));
  std::printf("%s\n", answers[0].text == answers[1].text ? "one request, one answer" : "UNEQUAL");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: embed DIR QUESTION\n");
    return 2;
  }
  try {
    run(argv[1], argv[2]);
  } catch (const fathom::embed::Error& error) {
    std::fprintf(stderr, "embed: %s\n", error.what());
    return 1;
  }
  return 0;
}
