#include "eval/python_text.h"

#include <gtest/gtest.h>

#include <cmath>

#include "eval/python_regex.h"
#include "eval/scorers/assignment.h"

namespace fathom::eval::python {
namespace {

TEST(PythonTextTest, FloatsReadAsPythonReadsThem) {
  EXPECT_EQ(to_float("1_000.5"), 1000.5);
  EXPECT_EQ(to_float("\u3000３\u00a0"), 3.0);
  EXPECT_EQ(to_float(" 1e3\n"), 1000.0);
  EXPECT_EQ(to_float(".5"), 0.5);
  EXPECT_EQ(to_float("5."), 5.0);
  EXPECT_TRUE(std::isnan(to_float("-NaN").value()));
  EXPECT_TRUE(std::isinf(to_float("Infinity").value()));
  for (const char* text : {"", ".", "1__0", "_1", "1_", "1_.5", "e5", "1e", "0x10", "1 2", "½"}) {
    EXPECT_EQ(to_float(text), std::nullopt) << text;
  }
  // A separator is white space to str.strip(), not to float().
  EXPECT_EQ(strip("\x1c 3"), "3");
  EXPECT_EQ(to_float("\x1c 3"), std::nullopt);
}

TEST(PythonTextTest, FloatsPrintAsPythonPrintsThem) {
  EXPECT_EQ(float_text(1000), "1000.0");
  EXPECT_EQ(float_text(1e16), "1e+16");
  EXPECT_EQ(float_text(0.0001), "0.0001");
  EXPECT_EQ(float_text(0.00001), "1e-05");
  EXPECT_EQ(float_text(0.1 + 0.2), "0.30000000000000004");
  EXPECT_EQ(float_text(1.5e300), "1.5e+300");
  EXPECT_EQ(float_text(-0.0), "-0.0");
}

TEST(PythonTextTest, CaseMappingIsFull) {
  EXPECT_EQ(lower("İΣΑΣ"), "i\u0307σας");
  EXPECT_EQ(upper("straße ﬁ"), "STRASSE FI");
  EXPECT_TRUE(is_upper(U'Ⅰ'));
  EXPECT_FALSE(is_upper(U'ǅ'));
}

TEST(PythonRegexTest, ClassesAndAnchorsArePythons) {
  EXPECT_TRUE(Regex("a$").search("a\n"));
  EXPECT_FALSE(Regex("a$").search("a\r"));
  EXPECT_TRUE(Regex("^.$").search("\u2028"));
  EXPECT_TRUE(Regex("^\\s$").search("\x1c"));
  EXPECT_FALSE(Regex("\\bA\\b").search("选A吧"));
  EXPECT_EQ(Regex("(\\d+)\\.").substitute("３.4.", "<$1>"), "<３><4>");
}

TEST(AssignmentTest, GreedyIsNotBest) {
  // Row 0 likes column 0 most, but leaving it to row 1 gains more.
  EXPECT_EQ(fathom::eval::best_assignment({10, 9, 9, 0}, 2, 2), (std::vector<double>{9, 9}));
  EXPECT_EQ(fathom::eval::best_assignment({1, 2, 3}, 1, 3), (std::vector<double>{3}));
  EXPECT_EQ(fathom::eval::best_assignment({1, 2, 3}, 3, 1), (std::vector<double>{0, 0, 3}));
}

}  // namespace
}  // namespace fathom::eval::python
