// JSON Schema, function calls, and generations by them.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <ctime>
#include <fstream>

#include "base/error.h"
#include "base/rng.h"
#include "engine/local_engine.h"
#include "engine/testing/grammar_text.h"
#include "engine/testing/requests.h"
#include "engine/testing/schema_check.h"
#include "engine/testing/schemas.h"
#include "model/transformer.h"

namespace fathom::engine {
namespace {

struct Case {
  const char* schema;
  std::vector<std::string> valid;
  std::vector<std::string> invalid;
};

TEST(SchemaGrammar, TakesValidValuesAndNoOthers) {
  const Case cases[] = {
      {R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}},
           "required":["b"],"additionalProperties":false})",
       {R"({"b":""})", R"({"a":1,"b":"x"})", "{\n  \"a\": 1,\n  \"b\": \"x\"\n}"},
       {"{}", R"({"a":1})", R"({"b":1})", R"({"b":"","c":1})", R"({"b":"","b":""})", "[]"}},
      {R"({"properties":{"a":{"const":1}}})",
       {"{}", R"({"a":1})", R"({"a":1,"b":[{}]})", R"({"ab":2})", R"({"":2})", R"({"é":0})"},
       {R"({"a":2})", R"({"b":1,"a":2})", R"({"a":1,"a":3})", "1"}},
      {R"({"required":["x"]})", {R"({"x":{}})", R"({"x":1,"y":2})"}, {"{}", R"({"y":2})"}},
      {R"({"type":"array","items":{"type":"boolean"},"minItems":1,"maxItems":2})",
       {"[true]", "[true,false]", "[true, false]"},
       {"[]", "[1]", "[true,true,true]", "[true,]"}},
      {R"({"prefixItems":[{"const":1},{"const":2}],"items":false})",
       {"[]", "[1]", "[1,2]"},
       {"[2]", "[1,2,3]", "[1,2,]"}},
      {R"({"type":"string","minLength":2,"maxLength":3})",
       {R"("ab")", R"("a\n")", R"("é😀x")", R"("\ud83d\ude00a")"},
       {R"("a")", R"("abcd")", R"("\ud83d\ude00")", R"("éàèù")"}},
      {R"({"type":"string","pattern":"^[àâ]+ \"\\d$"})",
       {R"("à \"1")", R"("àâ \"0")"},
       {R"("á \"1")", R"("à '1")", R"("à \"")"}},
      {R"({"pattern":"b{2}"})", {R"("bb")", R"("éabba\n")", R"("b😀bb")"}, {R"("bab")", "1"}},
      {R"({"enum":[1,12,"1",null,true,[1,2]]})",
       {"1", "12", "\"1\"", "null", "true", "[1,2]"},
       {"2", "123", "[1, 2]", "false", "\"12\""}},
      {R"({"anyOf":[{"const":1},{"enum":["a",12]},{"const":1},{"type":"null"}]})",
       {"1", "12", "\"a\"", "null"},
       {"2", "11", "\"\""}},
      {R"({"type":["integer","null"],"minimum":3})", {"3", "null", "40"}, {"2", "3.0", "\"\""}},
      {R"({"anyOf":[{"type":"integer"},{"type":"string","maxLength":1}]})",
       {"7", "\"a\""},
       {"7.5", "\"ab\""}},
      {R"({"type":"string","anyOf":[{"type":["string","integer"]},{"type":"null"}]})",
       {"\"a\""},
       {"1", "null"}},
      {R"({"$defs":{"list":{"type":["object","null"],"properties":{"next":{"$ref":"#/$defs/list"}},
           "required":["next"],"additionalProperties":false}},"$ref":"#/$defs/list"})",
       {"null", R"({"next":null})", R"({"next":{"next":null}})"},
       {"{}", R"({"next":1})"}},
      {R"({"title":"T","description":"d","type":"boolean","default":true,"format":"x"})",
       {"true", "false"},
       {"null"}},
      {R"({"type":"number"})", {"1", "-0.5", "1e9", "0"}, {"01", "1.", "\"1\""}},
      {R"({"const":{"a":1,"b":"é"}})", {R"({"a":1,"b":"é"})"}, {R"({"a":1})"}},
  };
  const auto vocabulary = byte_vocabulary();
  for (const Case& one : cases) {
    const auto grammar = Grammar::json_schema(one.schema, vocabulary);
    const SchemaCheck check(nlohmann::json::parse(one.schema));
    for (const std::string& text : one.valid) {
      EXPECT_TRUE(accepts(*grammar, *vocabulary, text)) << one.schema << " " << text;
      EXPECT_TRUE(check.valid(nlohmann::json::parse(text))) << one.schema << " " << text;
    }
    for (const std::string& text : one.invalid) {
      EXPECT_FALSE(accepts(*grammar, *vocabulary, text)) << one.schema << " " << text;
    }
  }
}

std::string refusal(const std::string& schema, ErrorKind kind) {
  static const auto vocabulary = byte_vocabulary();
  try {
    Grammar::json_schema(schema, vocabulary);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  ADD_FAILURE() << schema << " was not refused";
  return "";
}

TEST(SchemaGrammar, RefusesByName) {
  const std::pair<const char*, const char*> unsupported[] = {
      {R"({"properties":{"a":{"multipleOf":2}}})",
       "schema: #/properties/a: the keyword \"multipleOf\""},
      {R"({"not":{}})", "\"not\""},
      {R"({"patternProperties":{}})", "\"patternProperties\""},
      {R"({"uniqueItems":true})", "\"uniqueItems\""},
      {R"({"if":{}})", "\"if\""},
      {R"({"minProperties":1})", "\"minProperties\""},
      {R"({"nullable":true})", "\"nullable\""},
      {R"({"allOf":[{},{}]})", "allOf"},
      {R"({"anyOf":[{}],"required":["a"]})", "\"required\" beside \"anyOf\""},
      {R"({"$ref":"#","minLength":1})", "\"minLength\" beside \"$ref\""},
      {R"({"$ref":"other.json"})", "other.json"},
      {R"({"$ref":"#"})", "no value"},
      {R"({"anyOf":[{"$ref":"#"},{"type":"null"}]})", "itself"},
      {R"({"oneOf":[{"type":"integer"},{"type":"number"}]})", "oneOf: schemas 0 and 1"},
      {R"({"oneOf":[{"minLength":1},{"minimum":1}]})", "oneOf"},
      {R"({"items":[{}]})", "items"},
      {R"({"pattern":"a","maxLength":3})", "pattern"},
      {R"x({"pattern":"(?=a)"})x", "#/pattern"},
      {R"({"minimum":1,"exclusiveMinimum":1})", "exclusiveMinimum"},
      {R"({"minimum":2,"maximum":1})", "no number"},
      {R"({"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]})", "no value"},
  };
  for (const auto& [schema, part] : unsupported) {
    const std::string message = refusal(schema, ErrorKind::kUnsupported);
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
  std::string objects = "{}";
  for (int i = 0; i < 600; ++i) objects += R"(,{"type":"object","required":["x"]})";
  EXPECT_NE(refusal(R"({"anyOf":[)" + objects + "]}", ErrorKind::kUnsupported)
                .find("more than 512 alternatives"),
            std::string::npos);
  std::string patterns = R"({"pattern":"^a{3000}$"})";
  for (int i = 0; i < 20; ++i) patterns += R"(,{"pattern":"^a{3000}$"})";
  EXPECT_NE(refusal(R"({"prefixItems":[)" + patterns + "]}", ErrorKind::kUnsupported)
                .find("#/prefixItems/16: pattern: with those before"),
            std::string::npos);
  const char* bad[] = {"",
                       "{",
                       "[]",
                       "1",
                       "false",
                       R"({"type":"text"})",
                       R"({"type":1})",
                       R"({"required":"a"})",
                       R"({"required":[1]})",
                       R"({"properties":[]})",
                       R"({"minItems":-1})",
                       R"({"minItems":1.5})",
                       R"({"minItems":3,"maxItems":2})",
                       R"({"minLength":3,"maxLength":2})",
                       R"({"enum":[]})",
                       R"({"enum":"a"})",
                       R"({"type":"string","enum":[1]})",
                       R"({"anyOf":[]})",
                       R"({"$ref":1})",
                       R"({"$ref":"#/$defs/none"})",
                       R"x({"pattern":"("})x",
                       R"({"minimum":"1"})",
                       R"({"properties":{"a":false},"required":["a"]})"};
  for (const char* schema : bad) {
    EXPECT_EQ(refusal(schema, ErrorKind::kBadInput).rfind("schema", 0), 0u) << schema;
  }
  refusal(std::string(2000, '['), ErrorKind::kUnsupported);
}

// However many values or names are listed, each of them can be made.
TEST(SchemaGrammar, ListsOfAnyLength) {
  const auto name = [](int i) { return "\"city" + std::to_string(i) + "\""; };
  std::string names = name(0), constants = R"({"const":)" + name(0) + "}",
              properties = name(0) + ":{}";
  for (int i = 1; i < 2000; ++i) {
    names += "," + name(i);
    constants += R"(,{"const":)" + name(i) + "}";
    properties += "," + name(i) + R"(:{"const":)" + std::to_string(i) + "}";
  }
  const auto vocabulary = byte_vocabulary();
  for (const std::string& schema :
       {R"({"enum":[)" + names + "]}", R"({"anyOf":[)" + constants + R"(,{"type":"number"}]})",
        R"({"type":"object","additionalProperties":{"enum":[)" + names + "]}}"}) {
    const auto grammar = Grammar::json_schema(schema, vocabulary);
    const bool in_object = schema.find("additional") != std::string::npos;
    for (int i : {0, 1, 199, 511, 512, 1999}) {
      const std::string text = in_object ? R"({"a":)" + name(i) + "}" : name(i);
      EXPECT_TRUE(accepts(*grammar, *vocabulary, text)) << text;
    }
    EXPECT_FALSE(accepts(*grammar, *vocabulary, name(2000)));
  }
  const auto object = Grammar::json_schema(
      R"({"properties":{)" + properties + R"(},"required":["city700"]})", vocabulary);
  for (const char* text :
       {R"({"city700":700})", R"({"city0":null,"city513":513,"city700":700,"city1999":1999})",
        R"({"city700":700,"city":[],"city2000":1})"}) {
    EXPECT_TRUE(accepts(*object, *vocabulary, text)) << text;
  }
  for (const char* text : {R"({"city701":701})", R"({"city700":700,"city513":513})",
                           R"({"city513":513})", R"({"city700":700,"city1999":1})"}) {
    EXPECT_FALSE(accepts(*object, *vocabulary, text)) << text;
  }
}

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

// Words of up to `longest` letters beside the bytes.
std::shared_ptr<const Vocabulary> words(int count, uint64_t longest) {
  Rng rng(7);
  std::vector<std::string> more;
  for (int i = 0; i < count; ++i) {
    std::string word;
    for (uint64_t n = 2 + rng.below(longest - 1); n > 0; --n) {
      word += static_cast<char>('a' + rng.below(26));
    }
    more.push_back(word);
  }
  return byte_vocabulary(more);
}

// Short schemas that ask for much: five hundred places in a pattern at once, and alternatives of
// alternatives five hundred deep.
TEST(SchemaGrammar, MasksOfAmbiguousSchemasCostLittle) {
  const double start = cpu_seconds();
  const auto vocabulary = words(1000, 16);
  const auto pattern =
      Grammar::json_schema(R"({"type":"string","pattern":"^([a-z]?){500}$"})", vocabulary);
  Walker walker(*pattern, *vocabulary);
  ASSERT_TRUE(walker.take("\""));
  for (int32_t id = 256; id < vocabulary->size(); ++id) ASSERT_TRUE(walker.allows(id)) << id;
  ASSERT_TRUE(walker.take(std::string(499, 'x')));
  EXPECT_TRUE(walker.allows('x') && walker.allows('"') && !walker.allows(256));
  ASSERT_TRUE(walker.take("x\""));
  EXPECT_TRUE(walker.may_end());

  std::string chain = R"({"$defs":{"A0":{"type":"null"})", list = R"({"$ref":"#/$defs/A0"})";
  for (int i = 1; i < 500; ++i) {
    const std::string name = "A" + std::to_string(i);
    chain += ",\"" + name + R"(":{"anyOf":[{"$ref":"#/$defs/A)" + std::to_string(i - 1) + "\"}]}";
    list += R"(,{"$ref":"#/$defs/)" + name + "\"}";
  }
  const auto chained = Grammar::json_schema(chain + R"(},"anyOf":[)" + list + "]}", vocabulary);
  EXPECT_TRUE(accepts(*chained, *vocabulary, "null"));
  EXPECT_FALSE(accepts(*chained, *vocabulary, "1"));
  EXPECT_LT(cpu_seconds() - start, 5);
}

// Each string of a to m and n to z is a state of this pattern. Where they are too many the mask
// leaves tokens out; it is then the same whatever was asked before, and not empty.
TEST(SchemaGrammar, AMaskThatCostsTooMuchIsNarrower) {
  const char* schema = R"({"type":"string","pattern":"^[a-z]*[a-m][a-z]{1000}$"})";
  const auto vocabulary = words(8000, 10);
  std::string text = "\"";
  for (int i = 0; i < 60; ++i) text += "amnzaznm";
  const auto mask_after_text = [&](size_t masks_before) {
    const auto constraint = Grammar::json_schema(schema, vocabulary)->new_constraint();
    std::vector<uint64_t> mask(static_cast<size_t>(vocabulary->size() + 63) / 64);
    for (size_t i = 0; i < text.size(); ++i) {
      if (i >= text.size() - masks_before) constraint->fill_mask(mask);
      constraint->advance(text[i]);
    }
    constraint->fill_mask(mask);
    return mask;
  };
  const auto mask = mask_after_text(0);
  EXPECT_EQ(mask, mask_after_text(5));
  int allowed = 0;
  for (uint64_t word : mask) allowed += std::popcount(word);
  EXPECT_GE(allowed, 26);
  EXPECT_LT(allowed, 6000);
}

// What a schema of a megabyte costs to compile is bounded, whatever it says.
TEST(SchemaGrammar, TellsSchemasApartInBoundedTime) {
  const auto object = [](const std::string& name) {
    std::string properties, required;
    for (int i = 0; i < 10; ++i) {
      const std::string key = (i == 0 ? "\"p" : ",\"p") + std::to_string(i) + "\"";
      properties += key + R"(:{"$ref":"#/$defs/)" + name + R"("})";
      required += key;
    }
    return R"({"type":"object","properties":{)" + properties + R"(},"required":[)" + required +
           "]}";
  };
  const std::string message =
      refusal(R"({"$defs":{"A":)" + object("A") + R"(,"B":)" + object("B") +
                  R"(},"oneOf":[{"$ref":"#/$defs/A"},{"$ref":"#/$defs/B"}]})",
              ErrorKind::kUnsupported);
  EXPECT_NE(message.find("oneOf: schemas 0 and 1"), std::string::npos) << message;

  const auto numbers = [](int first, int count) {
    std::string list = "[" + std::to_string(first);
    for (int i = 1; i < count; ++i) list += "," + std::to_string(first + i);
    return list + "]";
  };
  const auto two_enums = [&](int count) {
    return R"({"oneOf":[{"enum":)" + numbers(0, count) + R"(},{"enum":)" + numbers(count, count) +
           "}]}";
  };
  Grammar::json_schema(two_enums(200), byte_vocabulary());
  refusal(two_enums(60'000), ErrorKind::kUnsupported);

  std::string names = "\"n0\"", keys = "\"n0\":1";
  for (int i = 1; i < 80'000; ++i) {
    names += ",\"n" + std::to_string(i) + "\"";
    keys += ",\"n" + std::to_string(i) + "\":1";
  }
  Grammar::json_schema(R"({"type":"object","required":[)" + names + "]}", byte_vocabulary());
  const std::string wide = refusal(R"({"default":{)" + keys + "}}", ErrorKind::kUnsupported);
  EXPECT_NE(wide.find("keys in one object"), std::string::npos) << wide;
}

// Special tokens stand at ids 256 and up here.
TEST(ToolCallGrammar, CallsByTheSchemasOfTheirFunctions) {
  const auto vocabulary = byte_vocabulary({"", "", "", "", "", "ab"});
  const ToolCallSyntax syntax{256, 257, 258, 259, 260};
  const std::vector<FunctionGrammar> functions = {
      {"get", R"({"type":"object","properties":{"n":{"type":"integer"}},"required":["n"],
                  "additionalProperties":false})"},
      {"get_all", ""}};
  const auto call = [&](Walker& walker, const std::string& name, const std::string& arguments) {
    return walker.take(257) && walker.take("function") && walker.take(258) &&
           walker.take(name + "\n```json\n" + arguments + "\n```") && walker.take(259);
  };
  const auto required = Grammar::tool_calls(functions, syntax, true, vocabulary);
  {
    Walker walker(*required, *vocabulary);
    EXPECT_FALSE(walker.allows('a'));
    EXPECT_FALSE(walker.may_end());
    ASSERT_TRUE(walker.take(256));
    ASSERT_TRUE(call(walker, "get", R"({"n": 5})"));
    EXPECT_FALSE(walker.may_end());
    ASSERT_TRUE(walker.take("\n"));
    ASSERT_TRUE(call(walker, "get_all", R"({"x":[1]})"));
    ASSERT_TRUE(walker.take(260));
    EXPECT_TRUE(walker.may_end());
  }
  for (const auto& [name, arguments] :
       {std::pair("get", "{}"), std::pair("other", "{}"), std::pair("get_all", "[]")}) {
    Walker walker(*required, *vocabulary);
    ASSERT_TRUE(walker.take(256));
    EXPECT_FALSE(call(walker, name, arguments)) << name;
  }
  Walker free(*Grammar::tool_calls(functions, syntax, false, vocabulary), *vocabulary);
  EXPECT_TRUE(free.may_end());
  ASSERT_TRUE(free.take("some text \xFF"));
  ASSERT_TRUE(free.take(261));
  EXPECT_TRUE(free.may_end());
  EXPECT_FALSE(free.allows(257));
  ASSERT_TRUE(free.take(256));
  EXPECT_FALSE(free.may_end());
  ASSERT_TRUE(call(free, "get", R"({"n":-5})"));
  ASSERT_TRUE(free.take(260));
  EXPECT_TRUE(free.may_end());
  EXPECT_FALSE(free.allows('a'));

  ToolCallSyntax single = syntax;
  single.parallel = false;
  Walker one(*Grammar::tool_calls(functions, single, true, vocabulary), *vocabulary);
  ASSERT_TRUE(one.take(256) && call(one, "get", R"({"n":5})"));
  EXPECT_FALSE(one.allows('\n'));
}

// Random weights at temperature 1.5, with speculation, many at once: what the model would rather
// say is noise, so each valid answer is the grammar's doing.
TEST(SchemaGrammar, EveryGenerationIsValid) {
  const int wanted = std::getenv("FATHOM_LONG_TESTS") != nullptr ? 500 : 26;
  Transformer model(
      ModelWeights::load(Checkpoint::open(FATHOM_SOURCE_DIR "/tests/golden/model/v3-tiny-fp8")),
      {});
  const auto vocabulary = byte_vocabulary();
  std::vector<Grammar::Ptr> grammars;
  for (const char* schema : kSchemas) grammars.push_back(Grammar::json_schema(schema, vocabulary));
  grammars[0] = Grammar::json_object(vocabulary);

  LocalEngineOptions options;
  options.kv_bytes = model.page_bytes() * 2000;
  options.max_running = 16;
  options.own_thread = false;
  LocalEngine engine(model, options);
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (int i = 0; i < wanted; ++i) {
    sinks.push_back(std::make_shared<RecordingSink>());
    engine.submit({.prompt = {0, 65 + i % 26, 66 + i % 7},
                   .max_tokens = 2500,
                   .sampling = {.temperature = 1.5f, .seed = static_cast<uint64_t>(i)},
                   .stop_ids = {1},
                   .constraint = grammars[i % grammars.size()]->new_constraint()},
                  sinks.back());
  }
  while (std::ranges::any_of(sinks, [](const auto& sink) { return sink->finishes == 0; })) {
    engine.step();
  }

  std::ofstream record;
  if (const char* path = std::getenv("FATHOM_GENERATIONS")) record.open(path);
  int cut = 0;
  for (int i = 0; i < wanted; ++i) {
    const char* schema = kSchemas[i % kSchemas.size()];
    const RecordingSink& sink = *sinks[i];
    std::string text;
    for (int32_t id : sink.ids()) text += static_cast<char>(id);
    if (sink.result.reason == FinishReason::kLength) {
      ++cut;
      continue;
    }
    ASSERT_EQ(sink.result.reason, FinishReason::kStop) << sink.result.error;
    const auto value = nlohmann::json::parse(text, nullptr, false);
    ASSERT_FALSE(value.is_discarded()) << text;
    EXPECT_TRUE(SchemaCheck(nlohmann::json::parse(schema)).valid(value)) << schema << text;
    if (record) {
      record << nlohmann::json{{"schema", nlohmann::json::parse(schema)}, {"text", text}}.dump()
             << "\n";
    }
  }
  std::printf("%d generations, %d cut by length, %ld of %ld drafts kept\n", wanted, cut,
              engine.stats().accepted_tokens, engine.stats().draft_tokens);
  // Noise may go on for long in an object of any names: about one answer in a hundred does.
  EXPECT_LE(cut, (wanted + 19) / 20) << "answers that do not end";
}

}  // namespace
}  // namespace fathom::engine
