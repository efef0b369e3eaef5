// SPDX-License-Identifier: MIT
#include "base/bytes.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace shoal::base {
namespace {

std::string text_of(const std::optional<Bytes>& bytes) {
  return bytes ? std::string(as_text(*bytes)) : "(none)";
}

TEST(HexTest, writes_two_lower_case_digits_a_byte) {
  EXPECT_EQ(to_hex(as_bytes(std::string_view("\x00\x7f\xff", 3))), "007fff");
  EXPECT_EQ(to_hex({}), "");
}

TEST(HexTest, reads_both_cases) {
  EXPECT_EQ(text_of(from_hex("4a4B")), "JK");
  EXPECT_EQ(text_of(from_hex("")), "");
}

TEST(HexTest, refuses_anything_else) {
  for (const char* text : {"4", "4g", "0x4a", " 4a", "4a "}) EXPECT_FALSE(from_hex(text)) << text;
}

// Vectors of RFC 4648 section 10.
TEST(Base64Test, agrees_with_the_standard) {
  EXPECT_EQ(to_base64(as_bytes("")), "");
  EXPECT_EQ(to_base64(as_bytes("f")), "Zg==");
  EXPECT_EQ(to_base64(as_bytes("fo")), "Zm8=");
  EXPECT_EQ(to_base64(as_bytes("foo")), "Zm9v");
  EXPECT_EQ(to_base64(as_bytes("foobar")), "Zm9vYmFy");
  EXPECT_EQ(to_base64(as_bytes("\xfb\xff")), "+/8=");
}

TEST(Base64Test, url_form_has_other_signs_and_no_padding) {
  EXPECT_EQ(to_base64url(as_bytes("\xfb\xff")), "-_8");
  EXPECT_EQ(text_of(from_base64url("-_8")), "\xfb\xff");
}

TEST(Base64Test, url_form_refuses_other_spellings) {
  // Wrong signs, padding, an impossible length, bits set behind the last byte.
  for (const char* text : {"+/8", "-_8=", "A", "Zm9vY", "Zh", "Zm9=", "Zm9v\n"}) {
    EXPECT_FALSE(from_base64url(text)) << text;
  }
}

TEST(Base64Test, url_form_brings_back_random_bytes) {
  const std::uint64_t seed = system_seed();
  SCOPED_TRACE(seed);
  Random random(seed);
  for (std::size_t size = 0; size < 100; ++size) {
    Bytes bytes(size);
    random.fill(bytes);
    EXPECT_EQ(from_base64url(to_base64url(bytes)), bytes);
    EXPECT_EQ(from_hex(to_hex(bytes)), bytes);
  }
}

TEST(PrintableTest, leaves_text_alone) {
  EXPECT_EQ(printable("a b.txt"), "a b.txt");
  EXPECT_EQ(printable("gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\x9f"),
            "gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\x9f");
}

TEST(PrintableTest, shows_controls_as_hex) {
  EXPECT_EQ(printable("a\nb\t\x1b[31m\x7f"), "a\\x0ab\\x09\\x1b[31m\\x7f");
  EXPECT_EQ(printable(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b");  // CSI, eight-bit form
}

TEST(PrintableTest, shows_bytes_that_are_not_utf8_as_hex) {
  EXPECT_EQ(printable("\xff"), "\\xff");
  EXPECT_EQ(printable("a\xc3"), "a\\xc3");                           // cut off
  EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf");                    // overlong
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // surrogate
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // above U+10FFFF
}

}  // namespace
}  // namespace shoal::base
