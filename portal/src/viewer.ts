// The image of an exposure on a canvas, with its sources drawn on it.
//
// Image pixels: (0, 0) is the centre of the first pixel and y grows upwards, so the corner of the
// picture is at (-0.5, -0.5). `scale` is CSS pixels per image pixel; `left` and `top` are where
// the image's upper left corner is on the canvas.

import { type Exposure, type Table, imageUrl, index } from './api';

export interface Mark {
  id: string;
  x: number;
  y: number;
  flux: number;
  snr: number;
  extended: boolean;
}

/** Sources with a place, the brightest first. */
export function marks(table: Table): Mark[] {
  const k = (name: string) => index(table, name);
  const [id, x, y, flux, err, ext] = [
    k('sourceId'), k('x'), k('y'), k('psfFlux'), k('psfFluxErr'), k('extendedness')];
  return table.rows
    .map((row) => ({
      id: String(row[id]),
      x: Number(row[x] ?? NaN),
      y: Number(row[y] ?? NaN),
      flux: Number(row[flux] ?? NaN),
      snr: Number(row[flux] ?? NaN) / Number(row[err] ?? NaN),
      extended: Number(row[ext] ?? 0) > 0.5,
    }))
    .filter((m) => Number.isFinite(m.x) && Number.isFinite(m.y))
    .sort((a, b) => (b.flux || 0) - (a.flux || 0));
}

const SCALE_MAX = 24;

export class Viewer {
  private picture: HTMLImageElement | null = null;
  private exposure: Exposure | null = null;
  private list: Mark[] = [];
  private scale = 1;
  private left = 0;
  private top = 0;
  private selected: string | null = null;
  private near: Mark | null = null;
  private fitted = true;
  private waiting = false;
  private drag: { x: number; y: number; moved: boolean } | null = null;
  visible = true;

  constructor(
    private canvas: HTMLCanvasElement,
    private readout: HTMLElement,
    private onSelect: (mark: Mark) => void,
  ) {
    new ResizeObserver(() => this.resize()).observe(canvas);
    canvas.addEventListener('pointerdown', (e) => {
      canvas.setPointerCapture(e.pointerId);
      this.drag = { x: e.clientX, y: e.clientY, moved: false };
    });
    canvas.addEventListener('pointermove', (e) => this.move(e));
    canvas.addEventListener('pointerup', (e) => this.up(e));
    canvas.addEventListener('pointercancel', () => (this.drag = null));
    canvas.addEventListener('pointerleave', () => {
      this.near = null;
      this.readout.textContent = '';
      this.draw();
    });
    canvas.addEventListener('wheel', (e) => {
      e.preventDefault();
      this.zoom(Math.exp(-e.deltaY * 0.0015), e.offsetX, e.offsetY);
    }, { passive: false });
    canvas.addEventListener('dblclick', (e) => this.zoom(2, e.offsetX, e.offsetY));
    canvas.addEventListener('keydown', (e) => this.key(e));
  }

  /** Show an exposure; resolves when its picture is drawn. */
  async open(exposure: Exposure): Promise<void> {
    const picture = new Image();
    picture.src = imageUrl(exposure, 'png');
    delete this.canvas.dataset.drawn;
    await picture.decode();
    const other = this.exposure;
    this.exposure = exposure;
    this.picture = picture;
    this.list = [];
    this.selected = null;
    // Frames of one size keep the view, so that visits can be compared.
    if (!other || other.width !== exposure.width || other.height !== exposure.height) this.fitted = true;
    this.resize();
  }

  setSources(list: Mark[]): void {
    this.list = list;
    this.draw();
  }

  select(id: string | null): void {
    this.selected = id;
    this.draw();
  }

  redraw(): void {
    this.draw();
  }

  fit(): void {
    const e = this.exposure;
    if (!e) return;
    const { clientWidth: w, clientHeight: h } = this.canvas;
    this.scale = Math.min(w / e.width, h / e.height);
    this.left = (w - e.width * this.scale) / 2;
    this.top = (h - e.height * this.scale) / 2;
    this.fitted = true;
    this.draw();
  }

  zoom(factor: number, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2): void {
    const e = this.exposure;
    if (!e) return;
    const smallest = 0.5 * Math.min(this.canvas.clientWidth / e.width, this.canvas.clientHeight / e.height);
    const scale = Math.min(SCALE_MAX, Math.max(smallest, this.scale * factor));
    this.left = x - (x - this.left) * (scale / this.scale);
    this.top = y - (y - this.top) * (scale / this.scale);
    this.scale = scale;
    this.fitted = false;
    this.draw();
  }

  private resize(): void {
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(this.canvas.clientWidth * ratio);
    this.canvas.height = Math.round(this.canvas.clientHeight * ratio);
    if (this.fitted) this.fit();
    else this.draw();
  }

  private place(m: { x: number; y: number }): [number, number] {
    const height = this.exposure?.height ?? 0;
    return [this.left + (m.x + 0.5) * this.scale, this.top + (height - m.y - 0.5) * this.scale];
  }

  private nearest(x: number, y: number, radius: number): Mark | null {
    let best: Mark | null = null;
    let closest = radius;
    for (const m of this.list) {
      const [mx, my] = this.place(m);
      const d = Math.hypot(mx - x, my - y);
      if (d < closest) [best, closest] = [m, d];
    }
    return best;
  }

  private move(e: PointerEvent): void {
    if (this.drag) {
      const [dx, dy] = [e.clientX - this.drag.x, e.clientY - this.drag.y];
      if (this.drag.moved || Math.hypot(dx, dy) > 4) {
        this.left += dx;
        this.top += dy;
        this.fitted = false;
        this.drag = { x: e.clientX, y: e.clientY, moved: true };
        this.draw();
      }
      return;
    }
    const frame = this.exposure;
    if (!frame) return;
    const x = (e.offsetX - this.left) / this.scale - 0.5;
    const y = frame.height - (e.offsetY - this.top) / this.scale - 0.5;
    const inside = x > -0.5 && y > -0.5 && x < frame.width - 0.5 && y < frame.height - 0.5;
    this.readout.textContent = inside ? `x ${x.toFixed(1)}  y ${y.toFixed(1)} pixel` : '';
    const near = this.visible ? this.nearest(e.offsetX, e.offsetY, 14) : null;
    if (near !== this.near) {
      this.near = near;
      this.canvas.style.cursor = near ? 'pointer' : 'crosshair';
      this.draw();
    }
    if (near) {
      this.readout.textContent += `  ·  source ${near.id}, S/N ${near.snr.toFixed(0)}`;
    }
  }

  private up(e: PointerEvent): void {
    const moved = this.drag?.moved;
    this.drag = null;
    if (moved || !this.visible) return;
    const mark = this.nearest(e.offsetX, e.offsetY, 14);
    if (mark) this.choose(mark);
  }

  private choose(mark: Mark): void {
    this.select(mark.id);
    this.onSelect(mark);
  }

  private key(e: KeyboardEvent): void {
    const step = 60;
    const pan = (dx: number, dy: number) => {
      this.left += dx;
      this.top += dy;
      this.fitted = false;
      this.draw();
    };
    const actions: Record<string, () => void> = {
      ArrowLeft: () => pan(step, 0),
      ArrowRight: () => pan(-step, 0),
      ArrowUp: () => pan(0, step),
      ArrowDown: () => pan(0, -step),
      '+': () => this.zoom(1.4),
      '=': () => this.zoom(1.4),
      '-': () => this.zoom(1 / 1.4),
      '0': () => this.fit(),
      ']': () => this.step(1),
      '[': () => this.step(-1),
    };
    const action = e.ctrlKey || e.metaKey || e.altKey ? undefined : actions[e.key];
    if (action) {
      e.preventDefault();
      action();
    }
  }

  /** The next source, from the brightest on. */
  private step(by: number): void {
    if (!this.list.length) return;
    const at = this.list.findIndex((m) => m.id === this.selected);
    const next = at < 0 ? 0 : (at + by + this.list.length) % this.list.length;
    const mark = this.list[next];
    if (!mark) return;
    const [x, y] = this.place(mark);
    const { clientWidth: w, clientHeight: h } = this.canvas;
    if (x < 0 || y < 0 || x > w || y > h) {
      this.left += w / 2 - x;
      this.top += h / 2 - y;
      this.fitted = false;
    }
    this.choose(mark);
  }

  private draw(): void {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.paint();
    });
  }

  private paint(): void {
    const { canvas, exposure, picture } = this;
    const c = canvas.getContext('2d');
    if (!c) return;
    const ratio = window.devicePixelRatio || 1;
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
    if (!exposure || !picture) return;
    const binning = exposure.binning || Math.ceil(exposure.width / exposure.previewWidth);
    // The picture's last column and first row may reach past the image when the binning leaves a rest.
    const shown = binning * this.scale;
    const top = this.top + (exposure.height - picture.naturalHeight * binning) * this.scale;
    c.imageSmoothingEnabled = shown < 3;
    c.drawImage(picture, this.left, top, picture.naturalWidth * shown, picture.naturalHeight * shown);
    if (this.visible) this.paintMarks(c);
    Object.assign(canvas.dataset, {
      drawn: 'true',
      scale: this.scale,
      left: this.left,
      top: this.top,
      sources: this.list.length,
      selected: this.selected ?? '',
    });
  }

  private paintMarks(c: CanvasRenderingContext2D): void {
    const radius = Math.min(16, Math.max(4, 5 * this.scale));
    const ring = (m: Mark, r: number) => {
      const [x, y] = this.place(m);
      c.beginPath();
      if (m.extended) c.rect(x - r, y - r, 2 * r, 2 * r);
      else c.arc(x, y, r, 0, 2 * Math.PI);
      c.stroke();
    };
    c.lineWidth = 1.2;
    for (const m of this.list) {
      // Faint sources are drawn fainter, so that a crowded frame stays readable.
      const alpha = Math.min(0.95, 0.25 + 0.25 * Math.log10(Math.max(1, m.snr)));
      c.strokeStyle = m.extended ? `rgba(242,193,78,${alpha})` : `rgba(95,200,225,${alpha})`;
      ring(m, radius);
    }
    const bold = (m: Mark | null | undefined, colour: string, grow: number) => {
      if (!m) return;
      c.strokeStyle = colour;
      c.lineWidth = 2.4;
      ring(m, radius + grow);
    };
    bold(this.near, '#ffffff', 2);
    bold(this.list.find((m) => m.id === this.selected), '#ff7a59', 4);
  }
}
