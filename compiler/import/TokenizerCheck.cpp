// Walks a tokenizer.json: vocabulary, merges, added tokens, and the chain of text processors.
#include "compiler/import/TokenizerCheck.h"

#include <algorithm>
#include <array>
#include <unordered_set>

#include "compiler/import/ImportError.h"
#include "compiler/import/StrictJson.h"
#include "runtime/base/limits.h"

namespace llmc {
namespace {

using rt::Status;
using Json = nlohmann::json;
namespace limits = rt::limits;

constexpr std::array<std::string_view, 32> kKnownParts = {"Sequence",
                                                          "NFC",
                                                          "NFD",
                                                          "NFKC",
                                                          "NFKD",
                                                          "Lowercase",
                                                          "Strip",
                                                          "StripAccents",
                                                          "Prepend",
                                                          "Replace",
                                                          "Nmt",
                                                          "ByteLevel",
                                                          "Split",
                                                          "Digits",
                                                          "Punctuation",
                                                          "Whitespace",
                                                          "WhitespaceSplit",
                                                          "CharDelimiterSplit",
                                                          "Metaspace",
                                                          "UnicodeScripts",
                                                          "FixedLength",
                                                          "BertNormalizer",
                                                          "BertPreTokenizer",
                                                          "TemplateProcessing",
                                                          "BertProcessing",
                                                          "RobertaProcessing",
                                                          "ByteFallback",
                                                          "Fuse",
                                                          "BPEDecoder",
                                                          "WordPiece",
                                                          "CTC",
                                                          "Bert"};
constexpr size_t kReplacementBytes = 1024;

const Json* field(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

std::string typeOf(const Json& part) {
  const Json* type = field(part, "type");
  return type && type->is_string() ? type->get<std::string>() : "";
}

/// `path` and what is added to it.
JsonPath below(JsonPath path, std::initializer_list<std::string> more) {
  path.insert(path.end(), more);
  return path;
}

/// The place of a field, or of what should hold it where it is absent.
Place atOrAbove(const JsonPlaces& places, JsonPath path, std::string_view object) {
  int64_t offset = places.offsetOf(path);
  for (; offset < 0 && !path.empty(); offset = places.offsetOf(path)) path.pop_back();
  return {places.file(), offset, object};
}

/// Of the part under `path`.
Status checkPattern(const Json& part, const JsonPlaces& places, const JsonPath& path) {
  const Json* pattern = field(part, "pattern");
  if (!pattern) return Status::ok();
  const Json* regex = field(*pattern, "Regex");
  if (!regex) return Status::ok();
  auto place = [&](std::string_view object) { return places.at(below(path, {"pattern", "Regex"}), object); };
  if (!regex->is_string()) return importError("TK_REGEX", place("Regex"), "must be a string");
  std::string fault = patternFault(regex->get_ref<const std::string&>());
  return fault.empty() ? Status::ok() : importError("TK_REGEX", place(regex->get_ref<const std::string&>()), fault);
}

/// A normalizer, pre-tokenizer, post-processor or decoder, with the parts of a Sequence.
Status checkPart(const Json& part, const JsonPlaces& places, const JsonPath& path) {
  std::string type = typeOf(part);
  if (type == "Precompiled")
    return importError("TK_CHARSMAP", places.at(path, type), "precompiled character maps are not supported");
  if (std::find(kKnownParts.begin(), kKnownParts.end(), type) == kKnownParts.end())
    return importError("TK_UNSUPPORTED", places.at(path, type), "the tokenizer has a part of a type that is not known");
  LLMC_TRY(checkPattern(part, places, path));
  for (const char* key : {"content", "prepend", "prefix"}) {
    const Json* text = field(part, key);
    if (text && text->is_string() && text->get_ref<const std::string&>().size() > kReplacementBytes)
      return importError("TK_EXPANSION", places.at(below(path, {key}), type),
                         "a replacement is longer than 1024 bytes");
  }
  for (const char* key : {"normalizers", "pretokenizers", "processors", "decoders"}) {
    const Json* list = field(part, key);
    if (!list) continue;
    if (!list->is_array()) return importError("TK_UNSUPPORTED", places.at(below(path, {key}), key), "must be an array");
    for (size_t i = 0; i < list->size(); ++i)
      LLMC_TRY(checkPart((*list)[i], places, below(path, {key, std::to_string(i)})));
  }
  return Status::ok();
}

bool validId(const Json& id) {
  return id.is_number_unsigned() && id.get<uint64_t>() < static_cast<uint64_t>(limits::kVocab);
}

/// Takes note of a valid id that stands at `path`.
void noteId(int64_t id, TokenizerFacts& facts, std::initializer_list<std::string> path) {
  if (id < facts.idEnd) return;
  facts.idEnd = id + 1;
  facts.lastId = path;
}

Status checkVocab(const Json& vocab, const JsonPlaces& places, TokenizerFacts& facts,
                  std::unordered_set<int64_t>& ids) {
  for (const auto& [token, id] : vocab.items()) {
    auto place = [&, &token = token] { return places.at({"model", "vocab", token}, token); };
    if (!validId(id)) return importError("TK_ID", place(), "a token's id must be a whole number below 16777216");
    if (!ids.insert(id.get<int64_t>()).second)
      return importError("TK_ID", place(), "two tokens have the id " + std::to_string(id.get<int64_t>()));
    noteId(id.get<int64_t>(), facts, {"model", "vocab", token});
  }
  return Status::ok();
}

/// Left and right part of a merge, written "a b" or ["a", "b"].
bool mergeParts(const Json& merge, std::string& left, std::string& right) {
  if (merge.is_array()) {
    if (merge.size() != 2 || !merge[0].is_string() || !merge[1].is_string()) return false;
    left = merge[0].get<std::string>();
    right = merge[1].get<std::string>();
    return true;
  }
  if (!merge.is_string()) return false;
  const auto& text = merge.get_ref<const std::string&>();
  size_t space = text.find(' ');
  if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) return false;
  left = text.substr(0, space);
  right = text.substr(space + 1);
  return true;
}

Status checkMerges(const Json& model, const Json& vocab, const JsonPlaces& places) {
  const Json* merges = field(model, "merges");
  const JsonPath path = {"model", "merges"};
  if (!merges || !merges->is_array())
    return importError("TK_MERGE", atOrAbove(places, path, "merges"), "must be an array");
  if (merges->size() > limits::kMerges)
    return importError("TK_MERGE", places.at(path, "merges"), "more than 4000000 merges");
  std::string left, right;
  size_t number = 0;
  for (const Json& merge : *merges) {
    bool valid = mergeParts(merge, left, right) && !left.empty() && !right.empty();
    if (!valid || !vocab.contains(left) || !vocab.contains(right) || !vocab.contains(left + right))
      return importError("TK_MERGE", places.at(below(path, {std::to_string(number)}), left + " " + right),
                         "merge " + std::to_string(number) + " is not a pair of tokens that join to a token");
    ++number;
  }
  return Status::ok();
}

Status checkModel(const Json& root, const JsonPlaces& places, TokenizerFacts& facts, std::unordered_set<int64_t>& ids) {
  const Json* model = field(root, "model");
  if (!model) return importError("TK_UNSUPPORTED", atOrAbove(places, {"model"}, "model"), "the tokenizer has no model");
  std::string type = typeOf(*model);
  const Json* vocab = field(*model, "vocab");
  // Files from before the type was written hold merges.
  if (type != "BPE" && !(type.empty() && field(*model, "merges")))
    return importError("TK_UNSUPPORTED", places.at({"model"}, type), "the tokenizer model is not supported",
                       "supported is BPE");
  if (!vocab || !vocab->is_object())
    return importError("TK_ID", atOrAbove(places, {"model", "vocab"}, "vocab"), "must be an object");
  LLMC_TRY(checkVocab(*vocab, places, facts, ids));
  return checkMerges(*model, *vocab, places);
}

/// `vocabIds`: of the model's own tokens. An added token may repeat one of them, but not take its id for another text.
Status checkAdded(const Json& root, const JsonPlaces& places, TokenizerFacts& facts,
                  const std::unordered_set<int64_t>& vocabIds) {
  const Json* added = field(root, "added_tokens");
  if (!added) return Status::ok();
  if (!added->is_array() || added->size() > limits::kAddedTokens)
    return importError("TK_ADDED", places.atKey("added_tokens"), "must be an array of at most 100000");
  const Json& vocab = root["model"]["vocab"];
  std::unordered_set<int64_t> ids;
  for (size_t i = 0; i < added->size(); ++i) {
    const Json& token = (*added)[i];
    auto place = [&](std::string_view object) { return places.at({"added_tokens", std::to_string(i)}, object); };
    const Json *content = field(token, "content"), *id = field(token, "id");
    if (!content || !content->is_string() || content->get_ref<const std::string&>().empty())
      return importError("TK_ADDED", place("added_tokens"), "an added token has no text");
    const auto& text = content->get_ref<const std::string&>();
    if (text.size() > limits::kTokenBytes)
      return importError("TK_ADDED", place(text), "an added token is longer than 4096 bytes");
    if (!id || !validId(*id))
      return importError("TK_ID", place(text), "an added token's id must be a whole number below 16777216");
    auto known = vocab.find(text);
    bool clash = known != vocab.end() ? *known != *id : vocabIds.contains(id->get<int64_t>());
    if (clash || !ids.insert(id->get<int64_t>()).second || !facts.addedIds.emplace(text, id->get<int64_t>()).second)
      return importError("TK_ID", place(text), "an added token has an id or a text that is taken");
    noteId(id->get<int64_t>(), facts, {"added_tokens", std::to_string(i), "id"});
  }
  return Status::ok();
}

/// The first special token of a TemplateProcessing, alone or within a Sequence.
int64_t firstSpecial(const Json& part) {
  if (const Json* list = field(part, "processors"); list && list->is_array()) {
    for (const Json& inner : *list)
      if (int64_t id = firstSpecial(inner); id >= 0) return id;
    return -1;
  }
  const Json *single = field(part, "single"), *tokens = field(part, "special_tokens");
  if (typeOf(part) != "TemplateProcessing" || !single || !single->is_array() || single->empty() || !tokens) return -1;
  const Json* special = field(single->front(), "SpecialToken");
  const Json* name = special ? field(*special, "id") : nullptr;
  const Json* entry = name && name->is_string() ? field(*tokens, name->get_ref<const std::string&>().c_str()) : nullptr;
  const Json* ids = entry ? field(*entry, "ids") : nullptr;
  return ids && ids->is_array() && !ids->empty() && validId(ids->front()) ? ids->front().get<int64_t>() : -1;
}

}  // namespace

rt::Result<TokenizerFacts> checkTokenizerJson(const std::string& text, const std::string& file) {
  auto root = parseStrictJson(text, file, "TK");
  if (!root) {
    // The only large objects are vocabularies: a key that is there twice is a token that is there twice.
    if (root.status().code() == "TK_DUP")
      return rt::Status::error(rt::ErrorKind::kBadInput, "TK_ID", root.status().message());
    return root.takeStatus();
  }
  if (!root->is_object()) return importError("TK_JSON", {file, 0}, "must be a JSON object");
  TokenizerFacts facts;
  std::unordered_set<int64_t> vocabIds;
  const JsonPlaces places(text, file);
  LLMC_TRY(checkModel(*root, places, facts, vocabIds));
  LLMC_TRY(checkAdded(*root, places, facts, vocabIds));
  for (const char* key : {"normalizer", "pre_tokenizer", "post_processor", "decoder"})
    if (const Json* part = field(*root, key)) LLMC_TRY(checkPart(*part, places, {key}));
  if (const Json* processor = field(*root, "post_processor")) facts.firstId = firstSpecial(*processor);
  return facts;
}

}  // namespace llmc
