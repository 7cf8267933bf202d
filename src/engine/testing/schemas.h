// Schemas of every supported kind, for generations at random.
#pragma once

#include <array>

namespace fathom::engine {

inline constexpr std::array kSchemas = {
    R"({"type":"object"})",
    R"({"type":"object","properties":{"name":{"type":"string","maxLength":20},
        "age":{"type":"integer","minimum":0,"maximum":150}},"required":["name","age"],
        "additionalProperties":false})",
    R"({"type":"object","properties":{"a":{"type":"number"},"b":{"type":["string","null"]},
        "c":{"type":"boolean"}},"required":["b"]})",
    R"({"type":"array","items":{"type":"integer","exclusiveMinimum":-5,"exclusiveMaximum":5},
        "minItems":2,"maxItems":6})",
    R"({"type":"array","prefixItems":[{"type":"string"},{"type":"number","minimum":0.5}],
        "items":{"type":"boolean"},"minItems":1,"maxItems":4})",
    R"({"enum":["red","green",3,null,{"a":[1]},"grey \"é\""]})",
    R"({"anyOf":[{"type":"object","properties":{"kind":{"const":"circle"},
        "r":{"type":"number","exclusiveMinimum":0,"maximum":1}},"required":["kind","r"],
        "additionalProperties":false},{"type":"array","items":{"type":"null"},"maxItems":3}]})",
    R"({"oneOf":[{"type":"object","properties":{"k":{"const":"a"},"v":{"type":"integer"}},
        "required":["k","v"]},{"type":"object","properties":{"k":{"enum":["b","c"]},
        "v":{"type":"string"}},"required":["k","v"]},{"type":"string"}]})",
    R"({"$defs":{"node":{"type":"object","properties":{"value":{"type":"integer"},
        "children":{"type":"array","items":{"$ref":"#/$defs/node"},"maxItems":2}},
        "required":["value"],"additionalProperties":false}},"$ref":"#/$defs/node"})",
    R"({"type":"string","pattern":"^[A-Z]{2}-\\d{3,5}(x|yz)?$"})",
    R"({"type":"object","properties":{"email":{"type":"string",
        "pattern":"^[a-z0-9]{1,8}@[a-z]{1,5}\\.(com|org)$"},"tags":{"type":"array",
        "items":{"type":"string","minLength":1,"maxLength":3},"maxItems":3}},
        "additionalProperties":{"type":"integer","minimum":-2}})",
    R"({"type":"object","additionalProperties":{"anyOf":[{"type":"number"},{"type":"null"}]},
        "required":["x","y"]})",
    R"({"allOf":[{"$ref":"#/definitions/d"}],"definitions":{"d":{"type":["integer","boolean"],
        "maximum":-100}}})",
};

}  // namespace fathom::engine
