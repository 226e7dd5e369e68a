// A light curve as a plot: flux against time, one colour a band, with error bars.

import { type Table, index } from './api';
import { make, svg } from './dom';

interface Point {
  mjd: number;
  band: string;
  flux: number;
  err: number;
  flag: boolean;
  visit: string;
}

// Distinguishable for colour-blind eyes, and each band has a shape of its own besides.
const COLOURS: Record<string, string> = {
  u: '#a78bfa', g: '#56c596', r: '#ff7a59', i: '#f2c14e', z: '#5fb8d4', y: '#d98cc0',
};
const SHAPES = ['circle', 'square', 'diamond', 'up', 'down'];

const WIDTH = 560;
const HEIGHT = 300;
const PAD = { left: 84, right: 16, top: 14, bottom: 48 };

function points(table: Table): Point[] {
  const k = (name: string) => index(table, name);
  const [mjd, band, flux, err, flag, visit] = [
    k('mjd'), k('band'), k('flux'), k('fluxErr'), k('flag'), k('visit')];
  return table.rows
    .map((row) => ({
      mjd: Number(row[mjd] ?? NaN),
      band: String(row[band] ?? ''),
      flux: Number(row[flux] ?? NaN),
      err: Number(row[err] ?? NaN),
      flag: flag >= 0 && row[flag] === true,
      visit: String(row[visit] ?? ''),
    }))
    .filter((p) => Number.isFinite(p.mjd) && Number.isFinite(p.flux));
}

/** Round steps that divide a range into about `n` parts. */
function ticks(low: number, high: number, n: number): number[] {
  const raw = (high - low) / n || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5, 10].find((m) => m * power >= raw) ?? 10) * power;
  const first = Math.ceil(low / step);
  const last = Math.floor(high / step + 1e-9);
  const count = Math.min(20, last - first + 1);
  return Array.from({ length: Math.max(0, count) }, (_, k) => (first + k) * step);
}

function label(value: number, step: number): string {
  const digits = Math.max(0, Math.min(8, -Math.floor(Math.log10(step) + 1e-9)));
  if (Math.abs(value) >= 1e6) return value.toExponential(2);
  return value.toFixed(digits).replace('-', '−');
}

function range(values: number[], margin: number): [number, number] {
  let low = Math.min(...values);
  let high = Math.max(...values);
  if (low === high) {
    const wide = Math.abs(low) * 0.05 || 1;
    [low, high] = [low - wide, high + wide];
  }
  const pad = (high - low) * margin;
  return [low - pad, high + pad];
}

function symbol(shape: string, x: number, y: number, attributes: Record<string, string>): SVGElement {
  const r = 4.2;
  const polygon = (list: [number, number][]) =>
    svg('polygon', { ...attributes, points: list.map(([a, b]) => `${x + a},${y + b}`).join(' ') });
  switch (shape) {
    case 'square': return polygon([[-r, -r], [r, -r], [r, r], [-r, r]]);
    case 'diamond': return polygon([[0, -r * 1.3], [r * 1.3, 0], [0, r * 1.3], [-r * 1.3, 0]]);
    case 'up': return polygon([[0, -r * 1.2], [r * 1.2, r], [-r * 1.2, r]]);
    case 'down': return polygon([[0, r * 1.2], [r * 1.2, -r], [-r * 1.2, -r]]);
    default: return svg('circle', { ...attributes, cx: x, cy: y, r });
  }
}

/** The plot of a light curve, or a sentence when there is nothing to plot. */
export function plot(table: Table, objectId: string): HTMLElement {
  const all = points(table);
  const unit = table.columns[index(table, 'flux')]?.unit || 'nJy';
  const figure = make('figure', { class: 'curve', 'data-testid': 'lightcurve' });
  if (!all.length) {
    figure.append(make('p', { class: 'empty' }, 'No fluxes are kept for this object.'));
    return figure;
  }
  const bands = [...new Set(all.map((p) => p.band))];
  const hidden = new Set<string>();
  const legend = make('div', { class: 'legend', role: 'group', 'aria-label': 'Bands' });
  const draw = () => {
    const shown = all.filter((p) => !hidden.has(p.band));
    const old = figure.querySelector(':scope > svg');
    const fresh = drawing(shown.length ? shown : all, bands, hidden, unit, objectId);
    if (old) old.replaceWith(fresh);
    else figure.append(fresh);
  };
  for (const band of bands) {
    const n = all.filter((p) => p.band === band).length;
    const button = make('button', { type: 'button', 'aria-pressed': 'true' });
    const mark = svg('svg', { viewBox: '-7 -7 14 14', 'aria-hidden': 'true' });
    mark.append(symbol(shapeOf(band, bands), 0, 0, { fill: colourOf(band, bands) }));
    button.append(mark, `${band || 'no band'} · ${n}`);
    button.addEventListener('click', () => {
      if (hidden.has(band)) hidden.delete(band);
      else hidden.add(band);
      button.setAttribute('aria-pressed', String(!hidden.has(band)));
      draw();
    });
    legend.append(button);
  }
  figure.append(legend);
  draw();
  return figure;
}

const colourOf = (band: string, bands: string[]) =>
  COLOURS[band] ?? Object.values(COLOURS)[bands.indexOf(band) % 6] ?? '#5fb8d4';
const shapeOf = (band: string, bands: string[]) => SHAPES[bands.indexOf(band) % SHAPES.length] ?? 'circle';

function drawing(
  shown: Point[], bands: string[], hidden: Set<string>, unit: string, objectId: string,
): SVGElement {
  const times = shown.map((p) => p.mjd);
  const [t0, t1] = range(times, 0.05);
  const ends = shown.flatMap((p) =>
    Number.isFinite(p.err) ? [p.flux - p.err, p.flux + p.err] : [p.flux]);
  const [f0, f1] = range(ends, 0.06);
  // Five leading digits that never change only hide those that do.
  const offset = t0 > 1000 ? Math.floor(Math.min(...times)) : 0;
  const x = (t: number) => PAD.left + ((t - t0) / (t1 - t0)) * (WIDTH - PAD.left - PAD.right);
  const y = (f: number) => HEIGHT - PAD.bottom - ((f - f0) / (f1 - f0)) * (HEIGHT - PAD.top - PAD.bottom);
  const root = svg('svg', {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    role: 'img',
    'aria-label': `Light curve of object ${objectId}: ${shown.length} fluxes in ${bands.join(', ')}, ` +
      `from ${Math.min(...shown.map((p) => p.flux)).toPrecision(4)} to ` +
      `${Math.max(...shown.map((p) => p.flux)).toPrecision(4)} ${unit}`,
  });
  const bottom = HEIGHT - PAD.bottom;
  const yTicks = ticks(f0, f1, 5);
  const yStep = (yTicks[1] ?? f1) - (yTicks[0] ?? f0);
  for (const f of yTicks) {
    root.append(svg('line', { class: 'grid', x1: PAD.left, x2: WIDTH - PAD.right, y1: y(f), y2: y(f) }));
    root.append(svg('text', { x: PAD.left - 8, y: y(f) + 4, 'text-anchor': 'end' }, label(f, yStep)));
  }
  const xTicks = ticks(t0 - offset, t1 - offset, 6);
  const xStep = (xTicks[1] ?? 1) - (xTicks[0] ?? 0);
  for (const t of xTicks) {
    const at = x(t + offset);
    root.append(svg('line', { class: 'grid', x1: at, x2: at, y1: PAD.top, y2: bottom }));
    root.append(svg('text', { x: at, y: bottom + 18, 'text-anchor': 'middle' }, label(t, xStep)));
  }
  root.append(svg('rect', {
    class: 'frame', x: PAD.left, y: PAD.top, width: WIDTH - PAD.left - PAD.right, height: bottom - PAD.top,
  }));
  const time = offset ? `MJD − ${offset} (TAI, d)` : 'MJD (TAI, d)';
  root.append(svg('text', {
    class: 'axis', x: (PAD.left + WIDTH - PAD.right) / 2, y: HEIGHT - 10, 'text-anchor': 'middle',
  }, time));
  const middle = (PAD.top + bottom) / 2;
  root.append(svg('text', {
    class: 'axis', x: 14, y: middle, 'text-anchor': 'middle', transform: `rotate(-90 14 ${middle})`,
  }, `PSF flux (${unit})`));
  for (const p of shown.filter((q) => !hidden.has(q.band))) {
    const colour = colourOf(p.band, bands);
    const group = svg('g', { class: 'point', opacity: p.flag ? 0.35 : 1 });
    if (Number.isFinite(p.err)) {
      const [low, high] = [y(p.flux - p.err), y(p.flux + p.err)];
      group.append(svg('line', { class: 'error-bar', stroke: colour, x1: x(p.mjd), x2: x(p.mjd), y1: low, y2: high }));
      for (const end of [low, high]) {
        group.append(svg('line', { stroke: colour, x1: x(p.mjd) - 3, x2: x(p.mjd) + 3, y1: end, y2: end }));
      }
    }
    group.append(symbol(shapeOf(p.band, bands), x(p.mjd), y(p.flux), { fill: colour }));
    group.append(svg('title', {},
      `${p.band}, MJD ${p.mjd.toFixed(5)}: ${p.flux.toPrecision(6)} ± ${p.err.toPrecision(3)} ${unit}` +
      `, visit ${p.visit}${p.flag ? ', flagged' : ''}`));
    root.append(group);
  }
  return root;
}
