// Flag names, values, units and defaults.
#include "runtime/main/help.h"

#include <algorithm>

namespace llmc::rt {
namespace {

constexpr std::string_view kWhat = "What to do (one of)";
constexpr std::string_view kText =
    "Generation (those of sampling, given to a server: of requests that do not name them)";
constexpr std::string_view kMachine = "Machine";
constexpr std::string_view kServe = "Serving (without any of the above)";
constexpr std::string_view kMeasure = "Measuring";

constexpr FlagHelp kFlags[] = {
    {"prompt", "TEXT", "complete TEXT; special tokens in it are parsed", kWhat},
    {"prompt-file", "FILE|-", "complete the text of FILE, or of stdin", kWhat},
    {"prompt-ids", "ID,ID,...", "complete these token ids, as they are", kWhat},
    {"message", "TEXT", "answer one chat message through the model's template", kWhat},
    {"chat", "", "talk; /reset forgets, /exit leaves, Ctrl-C stops an answer", kWhat},
    {"perplexity", "FILE|-", "score the text of FILE, or of stdin", kWhat},
    {"bench", "", "measure speed with made-up token ids", kWhat},
    {"check", "", "verify every byte of the engine without running it", kWhat},
    {"selftest", "", "replay the golden tokens stored in the engine", kWhat},
    {"tokenize", "TEXT", "print the token ids that --prompt TEXT would run", kWhat},
    {"simulate", "FILE|-",
     "what the requests of FILE would see: TTFT, TPOT, throughput on this machine; measures it first, unless there is "
     "--step-cost, and tells on stderr for how long",
     kWhat},
    {"system", "TEXT", "system message of --message and --chat (default: the template's own)", kText},
    {"max-tokens", "N",
     "tokens to generate at most (default: 512, with --chat and in a short context what the context leaves)", kText},
    {"temperature", "F", "0 is greedy (default: the engine's, else 0, serving 1)", kText},
    {"top-p", "F", "keep the likeliest tokens up to this share (default: the engine's, else 1)", kText},
    {"top-k", "N", "keep the N likeliest tokens, 0 or -1: all (default: the engine's, else 0)", kText},
    {"min-p", "F", "keep tokens this likely compared with the likeliest (default: the engine's, else 0)", kText},
    {"typical-p", "F", "keep locally typical tokens up to this share (default: the engine's, else 1)", kText},
    {"repetition-penalty", "F", "divide logits of seen tokens (default: the engine's, else 1)", kText},
    {"presence-penalty", "F", "subtract from logits of generated tokens (default: 0)", kText},
    {"frequency-penalty", "F", "the same, times how often they came (default: 0)", kText},
    {"seed", "N", "same seed, same tokens; serving: of requests without one, by their order (default: random)", kText},
    {"min-tokens", "N", "no end before N tokens (default: 0)", kText},
    {"stop", "TEXT", "end before TEXT comes; up to 16 times (default: none)", kText},
    {"ignore-eos", "", "go on after the model's end token (default: off)", kText},
    {"logprobs", "N", "log probabilities of each token and of the N likeliest, 0 to 20; with --json (default: none)",
     kText},
    {"json", "", "one JSON object on stdout instead of text (default: off)", kText},
    {"device", "NAME",
     "cpu, cuda:N for the Nth GPU, or auto: what the engine was built for; of both, cuda:0 if a driver, code for that "
     "GPU and memory enough are there (default: auto)",
     kMachine},
    {"no-graphs", "", "launch a GPU's kernels one by one in every step (default: decoding replays recorded graphs)",
     kMachine},
    {"enforce-eager", "", "vLLM's name for --no-graphs; a CPU, which has no graphs, takes it too (default: not)",
     kMachine},
    {"threads", "N|auto",
     "worker threads, at most 1024, more than there are CPUs are slow; on a GPU those that sample; auto: one a "
     "physical "
     "core that this process may use, no more than the cgroup's CPU quota (default: auto)",
     kMachine},
    {"max-model-len", "N|auto",
     "longest context in tokens, 4k: 4000, 4K: 4096; auto or -1: as without the flag (default: the model's, less if "
     "memory is short)",
     kMachine},
    {"kv-memory", "SIZE|auto",
     "bytes of KV cache, with suffix K, M, G, T, no more than the machine has; auto: what the context needs, serving "
     "on a "
     "GPU what is left (default: auto)",
     kMachine},
    {"max-num-batched-tokens", "N",
     "tokens a step, 4k: 4000, 4K: 4096: longer prompts run in chunks; not below --max-num-seqs (default: 512)",
     kMachine},
    {"no-verify-weights", "", "lazy digests: start without checking the weights' bytes (default: all bytes checked)",
     kMachine},
    {"host", "ADDRESS", "address to serve on; others than loopback need a key (default: 127.0.0.1)", kServe},
    {"port", "N", "port to serve on, 0: any (default: 8000)", kServe},
    {"api-key", "KEY", "clients must send it; up to 64 times (default: none)", kServe},
    {"api-key-file", "FILE", "more keys, one a line; not empty lines and those after a # (default: none)", kServe},
    {"open-metrics", "", "/metrics needs no key, for scrapers that cannot send one (default: it needs one)", kServe},
    {"served-model-name", "NAME",
     "name of the model in requests; several are accepted, answers carry the first (default: as the model's files call "
     "it, else the engine's file)",
     kServe},
    {"generation-config", "NAME",
     "sampling of requests that name none: auto, the engine's, or vllm, OpenAI's temperature 1 (default: auto)",
     kServe},
    {"override-generation-config", "JSON", "such as {\"temperature\": 0.7}, over the engine's (default: none)", kServe},
    {"max-num-seqs", "N", "sequences that run together (default: 64)", kServe},
    {"max-queue", "N", "requests that may wait (default: 1024)", kServe},
    {"policy", "NAME", "fcfs, priority or mlfq (default: fcfs)", kServe},
    {"prompt-stretch", "F",
     "a step with prompt tokens takes this many times as long as one without, 0: no bound (default: 2)", kServe},
    {"no-prefix-cache", "", "do not keep the KV of prompts for later ones (default: keep)", kServe},
    {"no-async-scheduling", "",
     "on a GPU: start a step only when the tokens of the one before are known (default: as soon as that one runs)",
     kServe},
    {"preempt", "NAME",
     "when KV pages run out: recompute the tokens later, or swap the pages to the host (default: recompute)", kServe},
    {"swap-space", "SIZE",
     "host memory for --preempt swap, in GiB or with suffix K, M, G, T; when full: recompute; else not used (default: "
     "4)",
     kServe},
    {"trace", "FILE",
     "steps, requests and decisions in Chrome's format, for Perfetto; with --bench each worker's kernels of the last "
     "repeat; at most 256 MiB (default: none)",
     kServe},
    {"deterministic", "",
     "no answer depends on what runs beside it: one code path for all; on a CPU those of requests with a seed never do "
     "(default: off)",
     kServe},
    {"drain-seconds", "N", "time for running answers after SIGTERM, SIGINT or SIGHUP, 0: none (default: 30)", kServe},
    {"watchdog-seconds", "N",
     "end with status 72 when a step shows no progress for N seconds and 20 times what 99 of 100 steps take, or I/O "
     "for "
     "N and no more than 5, found up to half a second before; 0: never (default: 30)",
     kServe},
    {"log-format", "NAME", "of notices, errors and access log, text or json (default: text)", kServe},
    {"access-log", "FILE|-", "a line for each request; -: stderr (default: none)", kServe},
    {"metrics-prefix", "NAME", "before the names of /metrics, vllm or llmc (default: vllm)", kServe},
    {"old-metric-names", "", "also the names that boards of before 2025 read (default: not)", kServe},
    {"dump-logits", "FILE", "write f32 logits [prompt tokens, vocabulary] of the prompt and stop (default: off)",
     kMeasure},
    {"chunk", "N", "tokens a chunk of --perplexity, each from an empty cache (default: 512, or the context)", kMeasure},
    {"prompt-tokens", "N", "prompt tokens a stream of --bench (default: 128)", kMeasure},
    {"output-tokens", "N", "generated tokens a stream of --bench (default: 128)", kMeasure},
    {"streams", "N", "sequences that --bench decodes, or --dump-logits cuts the prompt into, side by side (default: 1)",
     kMeasure},
    {"repeat", "N", "repeats of --bench (default: 3)", kMeasure},
    {"random-weights", "",
     "--bench or a server on a GPU with weights made up there, for engines of llmc build --no-weights (default: the "
     "engine's)",
     kMeasure},
    {"step-cost", "FILE|-", "what steps cost: an output of --simulate --json, or its step_cost (default: measured)",
     kMeasure},
    {"client-us", "F",
     "CPU time, in microseconds, that clients on the server's own CPUs take for a token, which --simulate takes as "
     "they "
     "do (default: 0, clients are elsewhere)",
     kMeasure},
    {"profile", "",
     "--bench also says where the time goes, by kernel and phase, and what share of the machine's limits that is "
     "(default: off)",
     kMeasure},
    {"config", "FILE", "flags from a YAML or JSON file; those of the command line come first (default: none)", "About"},
    {"help", "", "print this; also -h", "About"},
    {"version", "", "print the version; also -v", "About"},
};

}  // namespace

std::span<const FlagHelp> allFlags() { return kFlags; }

const FlagHelp* findFlag(std::string_view name) {
  const auto* const found =
      std::find_if(std::begin(kFlags), std::end(kFlags), [&](const FlagHelp& flag) { return flag.name == name; });
  return found == std::end(kFlags) ? nullptr : found;
}

bool flagRepeats(std::string_view name) { return name == "stop" || name == "api-key" || name == "served-model-name"; }

std::string helpText() {
  std::string text =
      "llmc-run: runs an engine made by llmc build.\n\nusage: llmc-run ENGINE [FLAG]...          serves on "
      "127.0.0.1:8000 as OpenAI does\n"
      "       llmc-run ENGINE WHAT [FLAG]...\n";
  std::string_view group;
  for (const FlagHelp& flag : kFlags) {
    if (flag.group != group) text += "\n" + std::string(flag.group) + ":\n";
    group = flag.group;
    std::string left = "  --" + std::string(flag.name);
    if (!flag.value.empty()) left += " " + std::string(flag.value);
    left.resize(std::max<size_t>(left.size() + 1, 29), ' ');
    text += left + std::string(flag.text) + "\n";
  }
  text +=
      "\nEnvironment:\n"
      "  LLMC_CPU_LEVEL=NAME        run the engine's code for this level (default: the best that the CPU has)\n"
      "  LLMC_CPU_FEATURES=LIST     act as a CPU that has only these of its features: none, or some of v3, avxvnni, "
      "v4,\n"
      "                             avx512vnni, avx512bf16, avx512vp2intersect, with commas (default: all it has)\n"
      "  LLMC_CUDA_LEVEL=NAME       run the engine's code for this GPU level (default: the best that the GPU has)\n"
      "\nvLLM's spellings of these flags are taken too (serve ENGINE -tp 1 --scheduling-policy mlfq --max_num_seqs "
      "8).\n"
      "\nThe answer goes to stdout, all else to stderr. Exit status: 0 done, 64 usage, 65 bad input, 66 missing file,\n"
      "69 not enough memory or no device, 70 internal, 71 the device failed, 72 the server hung, 74 read or write "
      "failed, 77 not "
      "allowed,\n"
      "78 engine for another format, CPU or GPU, 141 nobody reads stdout any more.\n";
  return text;
}

}  // namespace llmc::rt
