// Reads Prometheus' text format, and percentiles out of the growth of histograms.
"use strict";

class Snapshot {
  constructor(text, time) {
    this.time = time;
    this.values = new Map(); // name -> sum over label sets
    this.buckets = new Map(); // histogram -> Map of bound -> cumulative count
    for (const line of text.split("\n")) {
      if (line === "" || line[0] === "#") continue;
      const space = line.lastIndexOf(" ");
      const brace = line.indexOf("{");
      const value = Number(line.slice(space + 1));
      const name = line.slice(0, brace < 0 ? space : brace).replace(/^(vllm|llmc):/, "");
      if (name.endsWith("_bucket")) this.addBucket(name.slice(0, -7), line, value);
      else this.values.set(name, (this.values.get(name) ?? 0) + value);
    }
  }

  addBucket(name, line, value) {
    const bound = /[{,]le="([^"]+)"/.exec(line)?.[1];
    if (bound === undefined) return;
    const at = bound === "+Inf" ? Infinity : Number(bound);
    if (!this.buckets.has(name)) this.buckets.set(name, new Map());
    const bounds = this.buckets.get(name);
    bounds.set(at, (bounds.get(at) ?? 0) + value);
  }

  value(name) {
    return this.values.get(name) ?? 0;
  }
}

/// What happened to one histogram between two snapshots.
class HistogramGrowth {
  constructor(before, after, name) {
    this.count = after.value(`${name}_count`) - before.value(`${name}_count`);
    this.sum = after.value(`${name}_sum`) - before.value(`${name}_sum`);
    const old = before.buckets.get(name) ?? new Map();
    this.bounds = [...(after.buckets.get(name) ?? [])].map(([bound, count]) => [bound, count - (old.get(bound) ?? 0)]).sort((a, b) => a[0] - b[0]);
  }

  get mean() {
    return this.count > 0 ? this.sum / this.count : null;
  }

  /// {value, below, above}: between the bounds of its bucket as if spread evenly. `below`: it is in the first bucket, so
  /// only the bound is known; `above`: in the last one.
  quantile(share) {
    if (this.count <= 0) return null;
    const rank = share * this.count;
    let [lower, under] = [0, 0];
    for (const [index, [bound, count]] of this.bounds.entries()) {
      if (count >= rank && count > under) {
        if (bound === Infinity) return { value: lower, above: true };
        return { value: lower + (bound - lower) * ((rank - under) / (count - under)), below: index === 0, bound };
      }
      lower = bound;
      under = count;
    }
    return null;
  }
}
