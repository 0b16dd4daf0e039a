// Small charts: lines over the last two minutes, drawn into inline SVG.
"use strict";

const kChartSeconds = 120;

/// One chart. series: [{name, tone}], the first one filled. values: newest last, null where nothing is known.
class Chart {
  constructor(label, series) {
    this.label = label;
    this.series = series;
    this.points = series.map(() => new Array(kChartSeconds).fill(null));
    this.grid = svg("path", { class: "grid", d: "M0 1H120M0 20H120M0 39H120" });
    this.area = svg("path", { class: `area ${series[0].tone}` });
    this.lines = series.map(({ tone }) => svg("path", { class: `line ${tone}` }));
    this.cursor = svg("path", { class: "cursor" });
    this.element = svg("svg", { class: "chart", viewBox: "0 0 120 40", preserveAspectRatio: "none", role: "img", "aria-label": label },
      this.grid, this.area, ...this.lines, this.cursor);
    this.element.addEventListener("pointermove", (event) => this.point(event));
    this.element.addEventListener("pointerleave", () => this.leave());
    this.onpoint = () => {};
  }

  /// `description` is what a screen reader says of the chart.
  add(values, top, description) {
    this.points.forEach((points, i) => {
      points.push(values[i]);
      points.shift();
    });
    const most = Math.max(top, ...this.points.flat().filter((value) => value !== null));
    this.most = most;
    this.lines.forEach((line, i) => line.setAttribute("d", this.path(this.points[i], most, false)));
    this.area.setAttribute("d", this.path(this.points[0], most, true));
    this.element.setAttribute("aria-label", `${this.label}: ${description}`);
  }

  path(points, most, closed) {
    let out = "";
    let from = -1;
    const end = (to) => (closed && from >= 0 ? `L${to} 40L${from} 40Z` : "");
    points.forEach((value, i) => {
      if (value === null) {
        if (from >= 0) out += end(i - 0.5);
        from = -1;
        return;
      }
      const y = (39 - (38 * value) / (most || 1)).toFixed(2);
      out += `${from < 0 ? "M" : "L"}${i + 0.5} ${y}`;
      if (from < 0) from = i + 0.5;
    });
    return from >= 0 ? out + end(points.length - 0.5) : out;
  }

  point(event) {
    const box = this.element.getBoundingClientRect();
    const index = Math.min(kChartSeconds - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * kChartSeconds)));
    this.cursor.setAttribute("d", `M${index + 0.5} 0V40`);
    this.onpoint(this.points.map((points) => points[index]), kChartSeconds - 1 - index);
  }
  leave() {
    this.cursor.setAttribute("d", "");
    this.onpoint(null, 0);
  }
}
