// libyaml's events, of which JSON is a part; one map, its values scalars or lists of scalars.
#include "runtime/main/config_file.h"

#include <yaml.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>

#include "runtime/base/limits.h"
#include "runtime/base/system_error.h"
#include "runtime/main/flag_spellings.h"
#include "runtime/main/help.h"

namespace llmc::rt {
namespace {

struct Scalar {
  std::string text;
  bool plain = false;  ///< without quotes, so that true, false and null mean that
  size_t line = 0;     ///< from 1
};

struct Entry {
  Scalar key;
  std::vector<Scalar> values;
  bool list = false;
};

bool isOneOf(const Scalar& value, std::initializer_list<std::string_view> words) {
  return value.plain && std::find(words.begin(), words.end(), value.text) != words.end();
}

/// Reads the events of one file.
class Reader {
 public:
  Reader(const std::string& path, const std::string& text) : path_(path) {
    ok_ = yaml_parser_initialize(&parser_) != 0;
    if (ok_) yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  }
  ~Reader() {
    if (ok_) yaml_parser_delete(&parser_);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  Status fail(size_t line, const std::string& why) const {
    return Status::error(ErrorKind::kBadInput, "CLI_CONFIG", escaped(path_) + ":" + std::to_string(line) + ": " + why,
                         "a config file is one YAML or JSON map, keys as the long flags of llmc-run --help");
  }

  Status read(std::vector<Entry>& out) {
    LLMC_TRY(next());
    if (type_ != YAML_MAPPING_START_EVENT) return fail(line_, "this is not a map");
    for (;;) {
      LLMC_TRY(next());
      if (type_ == YAML_MAPPING_END_EVENT) break;
      Entry entry;
      if (type_ != YAML_SCALAR_EVENT) return fail(line_, "a key must be a word");
      entry.key = scalar_;
      LLMC_TRY(next());
      entry.list = type_ == YAML_SEQUENCE_START_EVENT;
      if (entry.list) LLMC_TRY(next());
      while (type_ == YAML_SCALAR_EVENT) {
        entry.values.push_back(scalar_);
        if (!entry.list) break;
        LLMC_TRY(next());
      }
      if (type_ != (entry.list ? YAML_SEQUENCE_END_EVENT : YAML_SCALAR_EVENT))
        return fail(line_, "'" + escaped(entry.key.text, 60) + "' must be a value or a list of values");
      out.push_back(std::move(entry));
    }
    LLMC_TRY(next());
    if (type_ != YAML_STREAM_END_EVENT) return fail(line_, "more than one document");
    return Status::ok();
  }

 private:
  /// The next event that says something; type_, line_ and scalar_ are set.
  Status next() {
    for (;;) {
      yaml_event_t event;
      if (!ok_ || yaml_parser_parse(&parser_, &event) == 0)
        return fail(parser_.problem_mark.line + 1,
                    "this is not YAML: " + std::string(parser_.problem ? parser_.problem : "no memory"));
      type_ = event.type;
      line_ = event.start_mark.line + 1;
      const bool anchored = type_ == YAML_ALIAS_EVENT || (type_ == YAML_SCALAR_EVENT && event.data.scalar.anchor);
      if (type_ == YAML_SCALAR_EVENT) {
        const auto& scalar = event.data.scalar;
        scalar_ = {std::string(reinterpret_cast<const char*>(scalar.value), scalar.length),
                   scalar.style == YAML_PLAIN_SCALAR_STYLE, line_};
      }
      yaml_event_delete(&event);
      if (anchored) return fail(line_, "anchors and aliases are not read");
      const bool silent =
          type_ == YAML_STREAM_START_EVENT || type_ == YAML_DOCUMENT_START_EVENT || type_ == YAML_DOCUMENT_END_EVENT;
      if (!silent) return Status::ok();
    }
  }

  const std::string& path_;
  yaml_parser_t parser_{};
  bool ok_ = false;
  yaml_event_type_t type_ = YAML_NO_EVENT;
  size_t line_ = 0;
  Scalar scalar_;
};

Result<std::string> readText(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"), &std::fclose);
  const auto unreadable = [&] { return fileError("CLI_CONFIG", "cannot read the config file", path, errno); };
  if (!file) return unreadable();
  std::string text(limits::kConfigBytes + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get()) != 0) return unreadable();
  if (text.size() > limits::kConfigBytes)
    return Status::error(ErrorKind::kBadInput, "CLI_CONFIG", "the config file " + escaped(path) + " is too large");
  return text;
}

/// Whether a plain true or false; error else.
Result<bool> readBoolean(const Reader& reader, const Entry& entry) {
  const std::string quoted = "'" + escaped(entry.key.text, 60) + "'";
  if (entry.list) return reader.fail(entry.key.line, quoted + " takes one value, not a list");
  const Scalar& value = entry.values.front();
  const bool yes = isOneOf(value, {"true", "True"});
  if (!yes && !isOneOf(value, {"false", "False"})) return reader.fail(value.line, quoted + " must be true or false");
  return yes;
}

/// An entry that is no flag of ours but says what one says, or what is so anyway. `name` becomes that flag's, or stays.
/// True: it has been read.
Result<bool> readSpelled(const Reader& reader, const Entry& entry, std::string& name) {
  const bool absent = !entry.list && isOneOf(entry.values.front(), {"null", "~", ""});
  if (isFixed(name)) {
    for (const Scalar& value : entry.values)
      if (Status status = checkFixed(name, value.text); !absent && !status)
        return reader.fail(value.line, status.message());
    return true;
  }
  if (!isSwitch(name)) return false;
  if (absent) return true;
  auto on = readBoolean(reader, entry);
  LLMC_TRY(on.status());
  auto spelled = readSwitch(name, *on);
  if (!spelled) return reader.fail(entry.key.line, spelled.status().message());
  name = spelled->ours.empty() ? std::string(spelled->other) : spelled->ours;
  return spelled->ours.empty();
}

/// The arguments of one entry.
Status append(const Reader& reader, const Entry& entry, const FlagHelp& flag, std::vector<std::string>& out) {
  const std::string name = "--" + std::string(flag.name), quoted = "'" + escaped(entry.key.text, 60) + "'";
  if (entry.list && !flagRepeats(flag.name))
    return reader.fail(entry.key.line, quoted + " takes one value, not a list");
  if (flag.value.empty() && (entry.list || !isOneOf(entry.values.front(), {"null", "~", ""}))) {
    auto on = readBoolean(reader, entry);
    LLMC_TRY(on.status());
    if (*on || isSwitch(ourFlagName(entry.key.text))) out.push_back(name);
    return Status::ok();
  }
  for (const Scalar& value : entry.values) {
    if (isOneOf(value, {"null", "~", ""}) || isLeftOut(flag.name, value.text)) continue;  // as if it were not there
    if (isOneOf(value, {"true", "True", "false", "False"}))
      return reader.fail(value.line, quoted + " needs a value (" + std::string(flag.value) + ")");
    out.push_back(name + "=" + value.text);
  }
  return Status::ok();
}

}  // namespace

Result<ConfigFile> ConfigFile::open(const std::string& path) {
  auto text = readText(path);
  LLMC_TRY(text.status());
  return ConfigFile(path, text.take());
}

std::string ConfigFile::peek(std::string_view flag) const {
  std::vector<Entry> entries;
  (void)Reader(path_, text_).read(entries);
  for (const Entry& entry : entries)
    if (ourFlagName(entry.key.text) == flag && !entry.list) return entry.values.front().text;
  return {};
}

Result<std::vector<std::string>> ConfigFile::arguments(const std::vector<std::string>& given, FlagPlaces& places,
                                                       std::vector<std::string>& notices) const {
  Reader reader(path_, text_);
  std::vector<Entry> entries;
  LLMC_TRY(reader.read(entries));
  std::vector<std::string> out, seen;
  for (const Entry& entry : entries) {
    std::string name = ourFlagName(entry.key.text);
    const bool engine = name == "engine";
    auto done = readSpelled(reader, entry, name);
    LLMC_TRY(done.status());
    if (name.empty()) continue;  // said what is always so
    if (std::find(seen.begin(), seen.end(), name) != seen.end())
      return reader.fail(entry.key.line, "'" + escaped(entry.key.text, 60) + "' is there twice");
    seen.push_back(name);
    if (*done) continue;
    if (const auto idle = findIdle(name)) {
      if (std::find(given.begin(), given.end(), name) == given.end()) notices.push_back(idle->notice);
      continue;
    }
    const FlagHelp file{name, "FILE", {}, {}};
    const FlagHelp* flag = engine ? &file : findFlag(name);
    if (Status had = checkHad(name); !had) return reader.fail(entry.key.line, had.message());
    if (!flag || name == "config" || name == "help" || name == "version")
      return reader.fail(entry.key.line, "unknown key '" + escaped(entry.key.text, 60) + "'");
    if (std::find(given.begin(), given.end(), name) != given.end()) continue;
    LLMC_TRY(append(reader, entry, *flag, out));
    if (entry.values.empty()) continue;
    const Scalar& value = entry.values.front();
    const bool object = name == "host" || flag->value.starts_with("FILE");
    places[name] = {escaped(path_) + ":" + std::to_string(value.line), object ? value.text : std::string()};
  }
  return out;
}

}  // namespace llmc::rt
