// The server as the page uses it: the same routes that any client has. Failures come as ApiFault with words for people.
"use strict";

class ApiFault extends Error {
  constructor(title, detail, status = 0, code = "") {
    super(title);
    this.detail = detail;
    this.status = status;
    this.code = code;
  }
}

const Api = (() => {
  const key = new Kept("sessionStorage", "key");
  const titles = {
    400: "The server did not accept this request",
    401: "The API key is missing or wrong",
    403: "This address is not allowed",
    404: "Not found",
    413: "This conversation is too large to send",
    422: "The server did not accept this request",
    429: "The server is full at the moment",
    503: "The server takes no requests now",
    504: "The answer took too long",
  };

  function faultOf(status, error, retryAfter) {
    let title = titles[status] ?? (status >= 500 ? "The server failed" : "The request failed");
    let detail = error?.message ?? "";
    if (error?.code === "context_length_exceeded") title = "The conversation no longer fits the model's context";
    if (status === 429 && retryAfter) detail = `${detail ? `${detail}. ` : ""}Try again in ${retryAfter} s.`;
    return new ApiFault(title, detail, status, error?.code ?? "");
  }

  async function ask(path, options = {}) {
    const headers = { ...options.headers };
    const secret = key.read("");
    if (secret) headers.Authorization = `Bearer ${secret}`;
    let response;
    try {
      response = await fetch(path, { ...options, headers, cache: "no-store", credentials: "omit" });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiFault("The server cannot be reached", "It may have been stopped, or the network is down.");
    }
    if (response.ok) return response;
    let error;
    try {
      error = (await response.json()).error;
    } catch {
      error = null; // something between us and the server answered
    }
    throw faultOf(response.status, error, response.headers.get("Retry-After"));
  }

  /// The payloads of an event stream.
  async function* events(response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const parts = (rest + value).split("\n\n");
      rest = parts.pop();
      for (const part of parts) {
        const data = part.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trimStart());
        if (data.length) yield data.join("\n");
      }
    }
  }

  /// Yields {text}, {finish} and {usage} of a chat completion; throws when it ends before its end.
  async function* chat(body, signal) {
    const response = await ask("/v1/chat/completions", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
      signal,
    });
    let complete = false;
    try {
      for await (const data of events(response)) {
        if (data === "[DONE]") {
          complete = true;
          break;
        }
        const event = JSON.parse(data);
        if (event.error) throw faultOf(event.error.status ?? Number(event.error.code) ?? 500, event.error, null);
        const choice = event.choices?.[0];
        if (choice?.delta?.content) yield { text: choice.delta.content };
        if (choice?.finish_reason) yield { finish: choice.finish_reason };
        if (event.usage) yield { usage: event.usage };
      }
    } catch (error) {
      if (error.name === "AbortError" || error instanceof ApiFault) throw error;
      throw new ApiFault("The connection broke before the answer's end", "What came so far is shown above.");
    }
    if (!complete) throw new ApiFault("The connection broke before the answer's end", "What came so far is shown above.");
  }

  return {
    chat,
    hasKey: () => key.read("") !== "",
    setKey: (secret) => key.write(secret || null),
    models: async () => (await (await ask("/v1/models")).json()).data,
    version: async () => (await (await ask("/version")).json()).version,
    metrics: async () => (await ask("/metrics")).text(),
  };
})();
