// Encoding, decoding and vocabulary access.
#include "runtime/text/tokenizer.h"

#include <gtest/gtest.h>

TEST(Tokenizer, RefusesWhatIsNotJson) {
  auto result = llmc::rt::Tokenizer::create("not json");
  ASSERT_FALSE(result.isOk());
  EXPECT_EQ(result.status().code(), "TK_JSON");
}
