// Numbers of the session, each line one subject.
#include "runtime/main/start_screen.h"

#include <algorithm>
#include <set>
#include <utility>

#include "runtime/main/sampling_defaults.h"

namespace llmc::rt {
namespace {

/// Of all weights, tied ones once.
uint64_t weightBytes(const fb::Engine& plan) {
  std::set<std::pair<uint32_t, uint64_t>> seen;
  uint64_t bytes = 0;
  for (const auto* weight : *plan.weights())
    if (seen.emplace(weight->section(), weight->offset()).second) bytes += weight->size();
  return bytes;
}

std::string count(uint64_t value, const char* what) { return std::to_string(value) + " " + what; }

/// How many of each length have pages at the same time.
std::string sequencesText(const Session& session, uint64_t pages, const Flags& flags) {
  std::string text;
  for (const uint32_t context : {1024u, 4096u, session.context()}) {
    if (context > session.context() ||
        (context == session.context() && text.find("of " + std::to_string(context)) != std::string::npos))
      continue;
    const uint64_t each = (uint64_t{context} + kPageTokens - 1) / kPageTokens;
    text += (text.empty() ? "" : ", ") + count(pages / each, "of ") + std::to_string(context) + " tokens";
  }
  return text + " fit; " + count(flags.maxSequences, "run together, ") + count(flags.maxQueue, "may wait");
}

}  // namespace

std::string startScreen(Session& session, const Flags& flags, const std::string& address, uint32_t hostPages) {
  const uint64_t weights = weightBytes(session.engine().plan()), workspace = session.executor().workspaceBytes();
  const uint64_t pages = session.kv().pages(), page = session.kv().pageBytes();
  std::string text = "model      " + modelName(session, flags.engine) + ", code for " + session.levelName() +
                     "\nworkers    " + placementText(session.pool().placement(), session.memoryNodes());
  if (session.device())
    text += "\ndevice     " + session.device()->name() + ", " + formatBytes(session.room().free) + " of " +
            formatBytes(session.room().total) + " were free";
  text += "\nmemory     weights " + formatBytes(weights) + " + workspace " + formatBytes(workspace) + " + KV cache " +
          formatBytes(pages * page) + " = " + formatBytes(weights + workspace + pages * page);
  text += "\nKV cache   " + count(pages, "pages x ") + count(kPageTokens, "tokens x ") +
          count(page / kPageTokens, "bytes = ") + count(pages * kPageTokens, "tokens");
  if (hostPages > 0)
    text += "\nswap       " + count(hostPages, "pages on the host = ") +
            count(uint64_t{hostPages} * kPageTokens, "tokens, ") + formatBytes(hostPages * page);
  text += "\nsequences  " + sequencesText(session, pages, flags);
  text += "\nstep       at most " + count(session.executor().limits().maxTokens, "tokens, ") + flags.policy +
          (flags.prefixCache ? ", prefix cache" : ", no prefix cache") + (flags.deterministic ? ", deterministic" : "");
  if (const auto sampling = servedDefaults(session.samplingDefaults(), flags))
    text += "\nsampling   " + samplingText(*sampling) + " where a request names none";
  return text + "\naddress    " + address + "/v1" +
         (flags.apiKeys.empty() && !flags.apiKeyFile ? ", no key" : ", with a key");
}

std::string addressOf(const std::string& host, int port) {
  const bool six = host.find(':') != std::string::npos && !host.starts_with("[");
  return "http://" + (six ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

}  // namespace llmc::rt
